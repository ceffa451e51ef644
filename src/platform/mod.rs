//! The Workers runtime, as far as this crate uses it: the clock, timers, variables, `fetch()`, TCP sockets and
//! streams, WebSockets. Apart from the Durable Object, nothing else speaks to the runtime.

pub(crate) mod body_source;
pub(crate) mod buffer_pool;
pub(crate) mod cache;
pub(crate) mod cf;
mod clock;
pub(crate) mod env;
pub(crate) mod executor;
pub(crate) mod fetch;
pub(crate) mod headers;
pub(crate) mod log;
mod promise;
pub(crate) mod response;
pub(crate) mod socket;
pub(crate) mod stream;
mod then;
pub(crate) mod time_zone;
mod timer;
pub(crate) mod websocket;

pub(crate) use clock::now;
pub(crate) use executor::spawn;
pub(crate) use promise::settled;
pub(crate) use timer::sleep;

use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use futures::future::{select, Either};
use futures::pin_mut;
use wasm_bindgen::{JsCast, JsValue};

use crate::time::millis;

/// A random number, from the runtime's cryptographic source.
pub(crate) fn random() -> u64 {
    u64::from_le_bytes(random_bytes())
}

/// Random bytes, from the same source.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // It does not fail inside a request; zeros would still be a valid identity.
    let _ = getrandom::getrandom(&mut bytes);
    bytes
}

/// What `future` gives, or `None` if that takes longer than `limit`.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let timer = sleep(limit);
    pin_mut!(future, timer);
    match select(future, timer).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(((), _)) => None,
    }
}

thread_local! {
    static CONSTANTS: RefCell<Vec<(&'static str, JsValue)>> = const { RefCell::new(Vec::new()) };
}

/// Does something with a text of the program as a string of the runtime's, which is made once.
fn with_constant<T>(text: &'static str, work: impl FnOnce(&JsValue) -> T) -> T {
    CONSTANTS.with_borrow_mut(|constants| {
        if let Some((_, string)) = constants.iter().find(|(known, _)| std::ptr::eq(*known, text)) {
            return work(string);
        }
        let string = JsValue::from_str(text);
        let done = work(&string);
        constants.push((text, string));
        done
    })
}

/// An exception's text.
pub(crate) fn describe(exception: &JsValue) -> String {
    let text = match exception.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().as_string(),
        None => exception.as_string(),
    };
    text.unwrap_or_else(|| format!("{exception:?}"))
}

/// Waits until a signal fires.
pub(crate) async fn aborted(signal: &web_sys::AbortSignal) {
    let fired = js_sys::Promise::new(&mut |resolve, _| {
        // A signal that cannot be listened to never fires.
        let _ = signal.add_event_listener_with_callback("abort", &resolve);
    });
    if !signal.aborted() {
        let _ = settled(fired).await;
    }
}

/// An abort signal that fires after `limit`.
pub(crate) fn timeout_signal(limit: Duration) -> web_sys::AbortSignal {
    web_sys::AbortSignal::timeout_with_u32(u32::try_from(millis(limit)).unwrap_or(u32::MAX))
}
