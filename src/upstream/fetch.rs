//! Forwarding by `fetch()`, to origins that have a name and through bindings. The runtime pools the connections and
//! pipes the bodies.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, Request, Response, ResponseInit};

use super::error::ForwardError;
use super::incoming::Incoming;
use super::websocket::over_fetch;
use crate::http::headers::{named_by_connection, Client, HeaderLines, FORWARDED, HOP_BY_HOP, REPLACED};
use crate::http::websocket::handshake::is_asked_for;
use crate::platform::describe;
use crate::platform::fetch::Fetcher;
use crate::platform::headers::{set, value, Names};
use crate::platform::stream::{fixed_length_pipe, pipe, pipe_to};
use crate::platform::websocket::WebSocket;

/// Answers up to this long are over before the VM could be taken for idle, so nobody watches them.
const SHORT: u64 = 1024 * 1024;

thread_local! {
    static OF_CONNECTION: Names = Names::new(HOP_BY_HOP);
    static OF_CONNECTION_OR_CLIENT: Names = {
        let dropped = FORWARDED.into_iter().filter(|name| !REPLACED.contains(name));
        Names::new(HOP_BY_HOP.into_iter().chain(dropped))
    };
}

/// Sends the request to `url`; `telling` are those of its headers that [`TELLING`](super::headers::TELLING) names.
pub(crate) async fn forward(
    fetcher: &Fetcher,
    url: &str,
    request: &Request,
    telling: &HeaderLines,
    client: &Client<'_>,
) -> Result<Incoming, ForwardError> {
    let headers =
        changed(request, telling, client).map_err(|error| ForwardError::NotSent(describe(&error)))?;
    // fetch() does not tell whether anything was sent before it failed.
    let response = fetcher.hand_on(url, request, &headers).await.map_err(ForwardError::NoAnswer)?;
    if response.status() == 101 {
        let no_socket =
            || ForwardError::Invalid("the VM switched to something that is no WebSocket".to_owned());
        let vm = WebSocket::of(&response).ok_or_else(no_socket)?;
        return over_fetch(vm, &response).map_err(ForwardError::Invalid);
    }
    watched(response).map_err(ForwardError::Invalid)
}

/// The request's headers as the VM gets them.
fn changed(request: &Request, telling: &HeaderLines, client: &Client<'_>) -> Result<Headers, JsValue> {
    let headers = Headers::new_with_headers(&request.headers())?;
    // The handshake of a WebSocket is the runtime's business.
    let upgrade = telling.get("upgrade").filter(|upgrade| is_asked_for(&request.method(), Some(upgrade)));
    for name in named_by_connection(telling.get("connection")) {
        // What is no name of a header cannot be there.
        let _ = headers.delete(name);
    }
    let withheld = if client.is_trusted { &OF_CONNECTION } else { &OF_CONNECTION_OR_CLIENT };
    withheld.with(|names| names.remove_from(&headers))?;
    if let Some(upgrade) = upgrade {
        headers.set("upgrade", upgrade)?;
    }
    for (name, value) in client.forwarded(telling) {
        set(&headers, name, &value)?;
    }
    Ok(headers)
}

/// The answer with its end in sight, if it may take long.
fn watched(response: Response) -> Result<Incoming, String> {
    let length = value(&response.headers(), "content-length").and_then(|length| length.parse().ok());
    if length.is_some_and(|length: u64| length <= SHORT) {
        return Ok(Incoming { response, transfer: None });
    }
    let Some(body) = response.body() else { return Ok(Incoming { response, transfer: None }) };
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
