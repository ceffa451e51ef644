//! Forwarding by `fetch()`, to origins that have a name and through bindings. The runtime pools the connections and
//! pipes the bodies.

use wasm_bindgen::JsCast;
use web_sys::{Request, Response, ResponseInit};

use super::headers::Changes;
use super::websocket::over_fetch;
use super::{ForwardError, Incoming};
use crate::platform::describe;
use crate::platform::fetch::{readdress, Fetcher};
use crate::platform::headers::value;
use crate::platform::stream::{fixed_length_pipe, pipe, pipe_to};
use crate::platform::websocket::WebSocket;

/// Answers up to this long are over before the VM could be taken for idle, so nobody watches them.
const SHORT: u64 = 1024 * 1024;

/// Sends the request to `url`.
pub(super) async fn forward(
    fetcher: &Fetcher,
    url: &str,
    request: &Request,
    changes: Changes<'_>,
) -> Result<Incoming, ForwardError> {
    let outgoing = readdress(request, url).map_err(ForwardError::NotSent)?;
    let headers = outgoing.headers();
    for name in changes.removed {
        headers.delete(name).map_err(|error| ForwardError::NotSent(describe(&error)))?;
    }
    for (name, value) in changes.set {
        headers.set(name, &value).map_err(|error| ForwardError::NotSent(describe(&error)))?;
    }
    // fetch() does not tell whether anything was sent before it failed.
    let response = fetcher.hand_on(&outgoing).await.map_err(ForwardError::NoAnswer)?;
    if response.status() == 101 {
        let vm = WebSocket::of(&response)
            .ok_or_else(|| ForwardError::Invalid("101 without a WebSocket".to_owned()))?;
        return over_fetch(vm, &response).map_err(ForwardError::Invalid);
    }
    watched(response).map_err(ForwardError::Invalid)
}

/// The answer with its end in sight, if it may take long.
fn watched(response: Response) -> Result<Incoming, String> {
    let length = value(&response.headers(), "content-length").and_then(|length| length.parse().ok());
    let Some(body) = response.body().filter(|_| length.is_none_or(|length: u64| length > SHORT)) else {
        return Ok(Incoming { response, transfer: None });
    };
    let pipe = match length {
        Some(length) => fixed_length_pipe(length)?,
        None => pipe()?,
    };
    let init: &ResponseInit = response.unchecked_ref();
    let piped = Response::new_with_opt_readable_stream_and_init(Some(&pipe.readable()), init)
        .map_err(|error| describe(&error))?;
    let to = pipe.writable();
    let transfer = Box::pin(async move {
        // A failure on either side is passed on by the streams themselves.
        let _ = pipe_to(&body, &to, true).await;
    });
    Ok(Incoming { response: piped, transfer: Some(transfer) })
}
