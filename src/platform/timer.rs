//! Timers.
//!
//! All timers of a task share one timer of the runtime: setting one costs a warm request more than
//! the timer is worth. Tasks cannot share one, because a timer belongs to the request that set it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use js_sys::Function;
use wasm_bindgen::prelude::{wasm_bindgen, Closure};
use wasm_bindgen::{JsCast, JsValue};

use super::clock::now;
use super::executor::{current, in_callback};
use crate::time::{millis, Timestamp};

/// Waits for `duration`, from the first poll on.
pub(crate) fn sleep(duration: Duration) -> Sleep {
    Sleep { duration, set: None }
}

/// The future of [`sleep`].
pub(crate) struct Sleep {
    duration: Duration,
    set: Option<Set>,
}

/// Identifies a sleeper of a task.
#[derive(Clone, Copy)]
struct Set {
    task: u32,
    number: u32,
}

#[wasm_bindgen]
extern "C" {
    /// Calls `callback` with `task`.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, milliseconds: i32, task: u32) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(handle: &JsValue);
}

/// The running timers. One callback serves all: a closure per timer would be registered for
/// finalization each.
struct Timers {
    callback: Function,
    clocks: RefCell<Vec<Clock>>,
    count: Cell<u32>,
}

/// The sleepers of one task.
struct Clock {
    task: u32,
    sleepers: Vec<Sleeper>,
    timer: Option<Timer>,
}

struct Sleeper {
    number: u32,
    until: Timestamp,
    waker: Waker,
}

/// A timer of the runtime, due no later than the first sleeper.
struct Timer {
    at: Timestamp,
    handle: JsValue,
}

thread_local! {
    static TIMERS: Timers = Timers::new();
}

impl Timers {
    fn new() -> Self {
        let callback = Closure::<dyn FnMut(u32)>::new(|task| {
            let due = TIMERS.with(|timers| timers.ring(task, now()));
            in_callback(|| due.into_iter().for_each(Waker::wake));
        });
        Self {
            callback: callback.into_js_value().unchecked_into(),
            clocks: RefCell::default(),
            count: Cell::default(),
        }
    }

    fn set(&self, duration: Duration, waker: Waker) -> Set {
        let set = Set { task: current(), number: self.count.get() };
        self.count.set(set.number.wrapping_add(1));
        let now = now();
        let until = now + duration;
        let sleeper = Sleeper { number: set.number, until, waker };
        let mut clocks = self.clocks.borrow_mut();
        if let Some(clock) = of_task(&mut clocks, set.task) {
            clock.sleepers.push(sleeper);
            self.wind(clock, now);
        } else {
            let mut clock = Clock { task: set.task, sleepers: vec![sleeper], timer: None };
            self.wind(&mut clock, now);
            clocks.push(clock);
        }
        set
    }

    /// Handles a task's timer. Returns the wakers of the sleepers that are due.
    fn ring(&self, task: u32, now: Timestamp) -> Vec<Waker> {
        let mut clocks = self.clocks.borrow_mut();
        let Some(clock) = of_task(&mut clocks, task) else { return Vec::new() };
        // The timer has fired, even if the clock reads a little earlier.
        let now = clock.timer.take().map_or(now, |timer| timer.at.max(now));
        let (due, rest) = clock.sleepers.drain(..).partition(|sleeper| sleeper.until <= now);
        clock.sleepers = rest;
        self.wind(clock, now);
        let due: Vec<Sleeper> = due;
        due.into_iter().map(|sleeper| sleeper.waker).collect()
    }

    /// Sets the runtime's timer for the first sleeper.
    fn wind(&self, clock: &mut Clock, now: Timestamp) {
        let Some(at) = clock.sleepers.iter().map(|sleeper| sleeper.until).min() else { return };
        if clock.timer.as_ref().is_some_and(|timer| timer.at <= at) {
            return;
        }
        if let Some(later) = clock.timer.take() {
            clear_timeout(&later.handle);
        }
        // setTimeout takes a signed 32-bit number of milliseconds: 24 days.
        let milliseconds = i32::try_from(millis(at.since(now))).unwrap_or(i32::MAX);
        clock.timer = Some(Timer { at, handle: set_timeout(&self.callback, milliseconds, clock.task) });
    }

    /// Returns whether the sleeper still waits; if so, `waker` replaces its waker.
    fn is_set(&self, set: Set, waker: &Waker) -> bool {
        let mut clocks = self.clocks.borrow_mut();
        let sleepers = of_task(&mut clocks, set.task).map(|clock| clock.sleepers.iter_mut());
        let sleeper = sleepers.and_then(|mut sleepers| sleepers.find(|sleeper| sleeper.number == set.number));
        sleeper.map(|sleeper| sleeper.waker.clone_from(waker)).is_some()
    }

    fn give_up(&self, set: Set) {
        let mut clocks = self.clocks.borrow_mut();
        let Some(clock) = of_task(&mut clocks, set.task) else { return };
        clock.sleepers.retain(|sleeper| sleeper.number != set.number);
        if !clock.sleepers.is_empty() {
            return;
        }
        if let Some(timer) = &clock.timer {
            clear_timeout(&timer.handle);
        }
        clocks.retain(|clock| clock.task != set.task);
    }
}

/// Returns the clock of a task; `None` means that the task has no timers.
fn of_task(clocks: &mut [Clock], task: u32) -> Option<&mut Clock> {
    clocks.iter_mut().find(|clock| clock.task == task)
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        TIMERS.with(|timers| match self.set {
            None => {
                self.set = Some(timers.set(self.duration, context.waker().clone()));
                Poll::Pending
            }
            Some(set) if timers.is_set(set, context.waker()) => Poll::Pending,
            Some(_) => Poll::Ready(()),
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(set) = self.set {
            TIMERS.with(|timers| timers.give_up(set));
        }
    }
}
