//! The Workers runtime, wrapped: clock, timers, variables, `fetch()`, TCP sockets, streams,
//! WebSockets.

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
pub(crate) use promise::await_promise;
pub(crate) use timer::sleep;

use std::cell::RefCell;
use std::future::{poll_fn, Future};
use std::task::Poll;
use std::time::Duration;

use futures::future::{select, Either, LocalBoxFuture};
use futures::pin_mut;
use wasm_bindgen::{JsCast, JsValue};

use crate::time::millis;

/// Returns a random number from the runtime's cryptographic source.
pub(crate) fn random() -> u64 {
    u64::from_le_bytes(random_bytes())
}

/// Returns random bytes from the runtime's cryptographic source.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // This does not fail inside a request; zeros would still be a valid identity.
    let _ = getrandom::getrandom(&mut bytes);
    bytes
}

/// Returns the output of `future`; `None` means that it took longer than `limit`.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let timer = sleep(limit);
    pin_mut!(future, timer);
    match select(future, timer).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(((), _)) => None,
    }
}

/// Waits for all futures at once. Returns their outputs in the order of the futures. The function of
/// this name in `futures` brings a scheduler for large numbers of futures: 3.5 KiB of code.
pub(crate) async fn join_all<T>(mut futures: Vec<LocalBoxFuture<'_, T>>) -> Vec<T> {
    let mut outputs: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        let pending = futures.iter_mut().zip(&mut outputs).filter(|(_, output)| output.is_none());
        for (future, output) in pending {
            if let Poll::Ready(ready) = future.as_mut().poll(context) {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

thread_local! {
    static CONSTANTS: RefCell<Vec<(&'static str, JsValue)>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with the JavaScript string for `text`, which is created once.
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

/// Returns the text of an exception.
pub(crate) fn describe(exception: &JsValue) -> String {
    let text = match exception.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().as_string(),
        None => exception.as_string(),
    };
    text.unwrap_or_else(|| format!("{exception:?}"))
}

/// Waits until the signal fires.
pub(crate) async fn aborted(signal: &web_sys::AbortSignal) {
    let fired = js_sys::Promise::new(&mut |resolve, _| {
        // A signal that cannot be listened to never fires.
        let _ = signal.add_event_listener_with_callback("abort", &resolve);
    });
    if !signal.aborted() {
        let _ = await_promise(fired).await;
    }
}

/// Returns an abort signal that fires after `limit`.
pub(crate) fn timeout_signal(limit: Duration) -> web_sys::AbortSignal {
    web_sys::AbortSignal::timeout_with_u32(u32::try_from(millis(limit)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::channel::oneshot;
    use futures::FutureExt;
    use std::pin::pin;

    #[test]
    fn all_futures_run_at_once_and_keep_their_order() {
        let (sender, receiver) = oneshot::channel();
        let waits = async { receiver.await.unwrap_or(0) }.boxed_local();
        let sends = async { sender.send(1).map_or(0, |()| 2) }.boxed_local();
        let mut all = pin!(join_all(vec![waits, sends]));
        assert_eq!(all.as_mut().now_or_never(), None);
        assert_eq!(all.as_mut().now_or_never(), Some(vec![1, 2]));
    }
}
