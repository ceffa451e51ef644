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

/// What a promise gives, or the exception that it is rejected with.
///
/// A `JsFuture` makes two callbacks for each promise and registers them for finalization; here they are used again.
pub(crate) async fn settled(promise: Promise) -> Result<JsValue, JsValue> {
    let awaiter = IDLE.with(|idle| idle.borrow_mut().pop()).unwrap_or_else(Awaiter::new);
    let result = awaiter.wait(&promise).await;
    IDLE.with(|idle| idle.borrow_mut().push(awaiter));
    result
}

/// Lets a promise be whatever it will. A rejection that nobody waits for would be logged.
pub(crate) fn ignore(promise: &Promise) {
    NOTHING.with(|nothing| then(promise, nothing, nothing));
}

thread_local! {
    /// Those that nobody uses. One that is given up is not among them: its promise may still settle.
    static IDLE: RefCell<Vec<Awaiter>> = const { RefCell::new(Vec::new()) };

    static NOTHING: Function = Closure::<dyn FnMut()>::new(|| {}).into_js_value().unchecked_into();
}

/// Two callbacks, for one promise after the other.
struct Awaiter {
    settled: Rc<RefCell<Settled>>,
    // The garbage collector frees them: a promise may settle when nobody waits any more.
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
