//! Response bodies: streams that are filled piece by piece as the client reads.
//!
//! The runtime writes each piece to the client as a whole. One of its own pipes would cut it into
//! pieces of 64 KiB, each with a turn of the event loop.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use js_sys::{BigInt, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{QueuingStrategy, ReadableStream, ReadableStreamDefaultController};

use super::describe;
use super::executor::in_callback;

/// The writing end of a stream.
pub(crate) struct BodySource {
    controller: ReadableStreamDefaultController,
    demand: Rc<Demand>,
}

/// The stream's reader is gone.
pub(crate) struct Cancelled;

#[derive(Default)]
struct Demand {
    is_pulled: Cell<bool>,
    is_cancelled: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl BodySource {
    /// Creates a stream. With a `length`, a response with this body has a `Content-Length`, and is
    /// truncated if fewer bytes come.
    ///
    /// # Errors
    /// The text of the exception.
    pub fn new(length: Option<u64>) -> Result<(ReadableStream, Self), String> {
        let (demand, controller) = (Rc::new(Demand::default()), Rc::new(RefCell::new(None)));
        let build = || {
            let underlying = Object::new();
            let method = |name: &str, callback: JsValue| Reflect::set(&underlying, &name.into(), &callback);
            let started = Rc::clone(&controller);
            let start = Closure::<dyn FnMut(ReadableStreamDefaultController)>::new(move |controller| {
                started.replace(Some(controller));
            });
            method("start", start.into_js_value())?;
            method("pull", demand.callback(|demand| &demand.is_pulled))?;
            method("cancel", demand.callback(|demand| &demand.is_cancelled))?;
            if let Some(length) = length {
                // An extension of the Workers runtime.
                method("expectedLength", BigInt::from(length).into())?;
            }
            // The stream pulls a piece only when the previous one has been sent.
            let strategy = QueuingStrategy::new();
            strategy.set_high_water_mark(0.0);
            ReadableStream::new_with_underlying_source_and_strategy(&underlying, &strategy)
        };
        let stream = build().map_err(|error: JsValue| describe(&error))?;
        let controller = controller.take().ok_or("the stream did not start")?;
        Ok((stream, Self { controller, demand }))
    }

    /// Waits until the reader pulls a piece.
    ///
    /// # Errors
    /// [`Cancelled`].
    pub async fn ready(&self) -> Result<(), Cancelled> {
        poll_fn(|context| {
            if self.demand.is_cancelled.get() {
                return Poll::Ready(Err(Cancelled));
            }
            if self.demand.is_pulled.get() {
                return Poll::Ready(Ok(()));
            }
            self.demand.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await
    }

    /// Waits until the reader cancels the stream.
    pub async fn cancelled(&self) -> Cancelled {
        poll_fn(|context| {
            if self.demand.is_cancelled.get() {
                return Poll::Ready(Cancelled);
            }
            self.demand.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await
    }

    /// Enqueues a piece, whose memory the reader takes over.
    ///
    /// # Errors
    /// [`Cancelled`].
    pub fn enqueue(&self, piece: &Uint8Array) -> Result<(), Cancelled> {
        self.demand.is_pulled.set(false);
        self.controller.enqueue_with_chunk(piece).map_err(|_| Cancelled)
    }

    /// Closes the stream.
    pub fn close(self) {
        // A stream that was cancelled is closed already.
        let _ = self.controller.close();
    }

    /// Fails the stream, so that its reader sees a truncated body.
    pub fn fail(self, reason: &str) {
        self.controller.error_with_e(&js_sys::Error::new(reason));
    }
}

impl Demand {
    /// Returns a callback that sets a flag and wakes the source.
    fn callback(self: &Rc<Self>, flag: fn(&Self) -> &Cell<bool>) -> JsValue {
        let demand = Rc::clone(self);
        let callback = Closure::<dyn FnMut()>::new(move || {
            flag(&demand).set(true);
            in_callback(|| {
                if let Some(waker) = demand.waker.take() {
                    waker.wake();
                }
            });
        });
        callback.into_js_value().unchecked_into()
    }
}
