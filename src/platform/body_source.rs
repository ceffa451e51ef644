//! Streams that are filled piece by piece, when they are read: the bodies of responses.
//!
//! The runtime writes each piece to the client as a whole. Through one of its own pipes it would be cut into pieces of
//! 64 KiB, each with a turn of the event loop.

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

/// Fills a stream.
pub(crate) struct Source {
    controller: ReadableStreamDefaultController,
    demand: Rc<Demand>,
}

/// Nobody reads the stream any more.
pub(crate) struct Cancelled;

#[derive(Default)]
struct Demand {
    is_wanted: Cell<bool>,
    is_cancelled: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Source {
    /// A stream and what fills it. A response whose body it is has a `Content-Length` if there is a `length`, and is cut
    /// short if fewer bytes come.
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
            method("pull", demand.callback(|demand| &demand.is_wanted))?;
            method("cancel", demand.callback(|demand| &demand.is_cancelled))?;
            if let Some(length) = length {
                // Of the Workers runtime alone.
                method("expectedLength", BigInt::from(length).into())?;
            }
            // A piece is asked for when the one before has been sent, and not earlier.
            let strategy = QueuingStrategy::new();
            strategy.set_high_water_mark(0.0);
            ReadableStream::new_with_underlying_source_and_strategy(&underlying, &strategy)
        };
        let stream = build().map_err(|error: JsValue| describe(&error))?;
        let controller = controller.take().ok_or("a stream that does not start")?;
        Ok((stream, Self { controller, demand }))
    }

    /// Waits until a piece is wanted.
    ///
    /// # Errors
    /// [`Cancelled`].
    pub async fn wanted(&self) -> Result<(), Cancelled> {
        poll_fn(|context| {
            if self.demand.is_cancelled.get() {
                return Poll::Ready(Err(Cancelled));
            }
            if self.demand.is_wanted.get() {
                return Poll::Ready(Ok(()));
            }
            self.demand.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await
    }

    /// Waits until nobody reads the stream any more.
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

    /// Gives a piece, whose memory is the reader's from now on.
    ///
    /// # Errors
    /// [`Cancelled`].
    pub fn put(&self, piece: &Uint8Array) -> Result<(), Cancelled> {
        self.demand.is_wanted.set(false);
        self.controller.enqueue_with_chunk(piece).map_err(|_| Cancelled)
    }

    /// Ends the stream well.
    pub fn close(self) {
        // One that has been cancelled has ended already.
        let _ = self.controller.close();
    }

    /// Ends the stream as cut short.
    pub fn fail(self, reason: &str) {
        self.controller.error_with_e(&js_sys::Error::new(reason));
    }
}

impl Demand {
    /// A callback that sets a flag, and lets the source look.
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
