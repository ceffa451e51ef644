//! Waiting for many promises one after the other.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::{wasm_bindgen, Closure};
use wasm_bindgen::{JsCast, JsValue};

/// Waits for one promise after the other with the same two callbacks. A `JsFuture` makes two of its own each time
/// and registers them for finalization, which is felt when messages are small.
pub(crate) struct Awaiter {
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

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = Promise, js_name = Promise)]
    type Thenable;

    #[wasm_bindgen(method)]
    fn then(this: &Thenable, fulfilled: &Function, rejected: &Function) -> Promise;
}

impl Awaiter {
    pub fn new() -> Self {
        let settled = Rc::new(RefCell::new(Settled::default()));
        let callback = |wrap: fn(JsValue) -> Result<JsValue, JsValue>| -> Function {
            let settled = Rc::clone(&settled);
            let callback = Closure::<dyn FnMut(JsValue)>::new(move |value| {
                let mut settled = settled.borrow_mut();
                settled.result = Some(wrap(value));
                if let Some(waker) = settled.waker.take() {
                    waker.wake();
                }
            });
            callback.into_js_value().unchecked_into()
        };
        let (fulfilled, rejected) = (callback(Ok), callback(Err));
        Self { settled, fulfilled, rejected }
    }

    /// What the promise gives. One that is not waited for to its end must be the last.
    pub async fn wait(&self, promise: Promise) -> Result<JsValue, JsValue> {
        let _ = promise.unchecked_ref::<Thenable>().then(&self.fulfilled, &self.rejected);
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
