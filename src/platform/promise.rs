//! Waiting for promises.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};

use super::executor::in_callback;
use super::then::then;

/// Waits for a promise. Returns its value, or the exception that it is rejected with.
///
/// A `JsFuture` creates two callbacks for each promise and registers them for finalization; here
/// they are reused.
pub(crate) async fn await_promise(promise: Promise) -> Result<JsValue, JsValue> {
    let awaiter = IDLE.with(|idle| idle.borrow_mut().pop()).unwrap_or_else(Awaiter::new);
    let result = awaiter.wait(&promise).await;
    IDLE.with(|idle| idle.borrow_mut().push(awaiter));
    result
}

/// Discards the result of a promise. The runtime logs rejections that are not handled.
pub(crate) fn ignore(promise: &Promise) {
    NOTHING.with(|nothing| then(promise, nothing, nothing));
}

thread_local! {
    /// Awaiters that are not in use. An abandoned one does not come back: its promise may still
    /// settle.
    static IDLE: RefCell<Vec<Awaiter>> = const { RefCell::new(Vec::new()) };

    static NOTHING: Function = Closure::<dyn FnMut()>::new(|| {}).into_js_value().unchecked_into();
}

/// Two callbacks, reused for one promise after another.
struct Awaiter {
    settled: Rc<RefCell<Settled>>,
    // The garbage collector frees them: a promise may settle after its awaiter is dropped.
    fulfilled: Function,
    rejected: Function,
}

#[derive(Default)]
struct Settled {
    result: Option<Result<JsValue, JsValue>>,
    waker: Option<Waker>,
}

impl Awaiter {
    fn new() -> Self {
        let settled = Rc::new(RefCell::new(Settled::default()));
        let callback = |wrap: fn(JsValue) -> Result<JsValue, JsValue>| -> Function {
            let settled = Rc::clone(&settled);
            let callback = Closure::<dyn FnMut(JsValue)>::new(move |value| {
                in_callback(|| {
                    let mut settled = settled.borrow_mut();
                    settled.result = Some(wrap(value));
                    if let Some(waker) = settled.waker.take() {
                        waker.wake();
                    }
                });
            });
            callback.into_js_value().unchecked_into()
        };
        let (fulfilled, rejected) = (callback(Ok), callback(Err));
        Self { settled, fulfilled, rejected }
    }

    async fn wait(&self, promise: &Promise) -> Result<JsValue, JsValue> {
        then(promise, &self.fulfilled, &self.rejected);
        poll_fn(|context| {
            let mut settled = self.settled.borrow_mut();
            if let Some(result) = settled.result.take() {
                return Poll::Ready(result);
            }
            settled.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
