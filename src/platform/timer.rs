//! Timers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use js_sys::Function;
use wasm_bindgen::prelude::{wasm_bindgen, Closure};
use wasm_bindgen::{JsCast, JsValue};

use super::task::in_callback;
use crate::time::millis;

/// Waits.
pub(crate) fn sleep(duration: Duration) -> Sleep {
    Sleep { duration, timer: None }
}

/// The future of [`sleep`]; the time begins when it is first polled.
pub(crate) struct Sleep {
    duration: Duration,
    timer: Option<Timer>,
}

struct Timer {
    number: u32,
    handle: JsValue,
}

#[wasm_bindgen]
extern "C" {
    /// Calls `callback` with `number`.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, milliseconds: i32, number: u32) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(handle: &JsValue);
}

/// The timers that run. One callback serves them all: a closure each would be registered for finalization each.
struct Timers {
    callback: Function,
    running: RefCell<BTreeMap<u32, Waker>>,
    count: Cell<u32>,
}

thread_local! {
    static TIMERS: Timers = Timers::new();
}

impl Timers {
    fn new() -> Self {
        let callback = Closure::<dyn FnMut(u32)>::new(|number| {
            let waker = TIMERS.with(|timers| timers.running.borrow_mut().remove(&number));
            if let Some(waker) = waker {
                in_callback(|| waker.wake());
            }
        });
        Self {
            callback: callback.into_js_value().unchecked_into(),
            running: RefCell::default(),
            count: Cell::default(),
        }
    }

    fn set(&self, duration: Duration, waker: Waker) -> Timer {
        let number = self.count.get();
        self.count.set(number.wrapping_add(1));
        self.running.borrow_mut().insert(number, waker);
        // setTimeout takes a signed 32-bit number of milliseconds: 24 days.
        let milliseconds = i32::try_from(millis(duration)).unwrap_or(i32::MAX);
        Timer { number, handle: set_timeout(&self.callback, milliseconds, number) }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        TIMERS.with(|timers| match &self.timer {
            None => {
                self.timer = Some(timers.set(self.duration, context.waker().clone()));
                Poll::Pending
            }
            Some(timer) => match timers.running.borrow_mut().get_mut(&timer.number) {
                Some(waker) => {
                    waker.clone_from(context.waker());
                    Poll::Pending
                }
                None => Poll::Ready(()),
            },
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(timer) = &self.timer else { return };
        let is_running = TIMERS.with(|timers| timers.running.borrow_mut().remove(&timer.number).is_some());
        if is_running {
            clear_timeout(&timer.handle);
        }
    }
}
