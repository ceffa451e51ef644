//! Requests by `fetch()`, to origins with a name and through bindings. The runtime pools the
//! connections and pipes the bodies.

use std::time::Duration;

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, Response, ResponseInit};
use worker::Env;

use super::error::ForwardError;
use super::message::{UpstreamRequest, UpstreamResponse};
use super::websocket::over_fetch;
use crate::config::ConfigError;
use crate::http::headers::lines::HeaderLines;
use crate::http::headers::{named_by_connection, FORWARDED, HOP_BY_HOP, INSPECTED, REPLACED};
use crate::http::websocket::handshake::is_websocket_upgrade;
use crate::platform::describe;
use crate::platform::fetch::Fetcher;
use crate::platform::headers::{set, value, Names};
use crate::platform::stream::{fixed_length_pipe, pipe, pipe_to};
use crate::platform::websocket::WebSocket;
use crate::vm::Vm;

/// The longest response whose end needs no notification: it is over before the VM could be
/// considered idle.
const SHORT: u64 = 1024 * 1024;

thread_local! {
    static INSPECTED_HEADERS: Names = Names::new(INSPECTED);
    static INSPECTED_AND_FORWARDED_HEADERS: Names = Names::new(INSPECTED.into_iter().chain(FORWARDED));
    static HOP_BY_HOP_HEADERS: Names = Names::new(HOP_BY_HOP);
    static HOP_BY_HOP_AND_FORWARDED_HEADERS: Names = {
        let dropped = FORWARDED.into_iter().filter(|name| !REPLACED.contains(name));
        Names::new(HOP_BY_HOP.into_iter().chain(dropped))
    };
}

/// Returns the sender of a VM's requests: the binding that `vpc` names, or the Worker itself.
///
/// # Errors
/// The Worker has no such binding.
pub(crate) fn fetcher_of(vm: &Vm, env: &Env) -> Result<Fetcher, ConfigError> {
    Fetcher::of(env, vm.vpc.as_deref()).map_err(|problem| ConfigError::new("vpc", problem))
}

/// Sends the request to the origin with this scheme and authority.
pub(super) async fn send(
    fetcher: &Fetcher,
    base: &str,
    forwarded: UpstreamRequest<'_>,
) -> Result<UpstreamResponse, ForwardError> {
    let inspected =
        if forwarded.vm.trust_forwarded { &INSPECTED_AND_FORWARDED_HEADERS } else { &INSPECTED_HEADERS };
    let inspected = inspected.with(|names| names.lines_of(&forwarded.request.headers()));
    let inspected = HeaderLines::from_lines(inspected);
    let headers =
        request_headers(&forwarded, &inspected).map_err(|error| ForwardError::internal(describe(&error)))?;
    let url = [base, &forwarded.target].concat();
    // The runtime does not distinguish a refused connection from one that is lost after the request
    // was sent.
    let response = fetcher.forward(&url, forwarded.request, &headers).await;
    let response = response.map_err(ForwardError::no_response)?;
    if response.status() == 101 {
        let no_websocket =
            || ForwardError::invalid_response("the VM switched to a protocol that is not WebSocket");
        let vm = WebSocket::of(&response).ok_or_else(no_websocket)?;
        return over_fetch(vm, &response).map_err(ForwardError::invalid_response);
    }
    notify_on_end(response).map_err(ForwardError::invalid_response)
}

/// Sends a GET and returns the status of the response, whose body is read as well.
pub(super) async fn get(fetcher: &Fetcher, url: &str, limit: Duration) -> Result<u16, ForwardError> {
    let headers = [("user-agent", crate::USER_AGENT)];
    let exchanged = fetcher.exchange("GET", url, &headers, None, limit).await;
    // The runtime does not distinguish the failures, and a VM that still boots is the likely cause:
    // it refuses the connection, or does not respond to it within the limit.
    exchanged.map(|exchanged| exchanged.status).map_err(ForwardError::connect)
}

/// Returns the headers of the request to the VM.
fn request_headers(forwarded: &UpstreamRequest<'_>, inspected: &HeaderLines) -> Result<Headers, JsValue> {
    let (request, client) = (forwarded.request, forwarded.client(inspected));
    let headers = Headers::new_with_headers(&request.headers())?;
    // The runtime makes the handshake of a WebSocket.
    let upgrade =
        inspected.get("upgrade").filter(|upgrade| is_websocket_upgrade(&request.method(), Some(upgrade)));
    for name in named_by_connection(inspected.get("connection")) {
        // A name that is not valid cannot be present.
        let _ = headers.delete(name);
    }
    let removed = if client.is_trusted { &HOP_BY_HOP_HEADERS } else { &HOP_BY_HOP_AND_FORWARDED_HEADERS };
    removed.with(|names| names.remove_from(&headers))?;
    if let Some(upgrade) = upgrade {
        headers.set("upgrade", upgrade)?;
    }
    for (name, value) in client.forwarded(inspected) {
        set(&headers, name, &value)?;
    }
    Ok(headers)
}

/// Returns the response with a task that ends with its body, if the body may take long.
fn notify_on_end(response: Response) -> Result<UpstreamResponse, String> {
    let length = value(&response.headers(), "content-length").and_then(|length| length.parse().ok());
    if length.is_some_and(|length: u64| length <= SHORT) {
        return Ok(UpstreamResponse { response, body_task: None });
    }
    let Some(body) = response.body() else { return Ok(UpstreamResponse { response, body_task: None }) };
    let pipe = match length {
        Some(length) => fixed_length_pipe(length)?,
        None => pipe()?,
    };
    let init: &ResponseInit = response.unchecked_ref();
    let piped = Response::new_with_opt_readable_stream_and_init(Some(&pipe.readable()), init)
        .map_err(|error| describe(&error))?;
    let to = pipe.writable();
    let body_task = Box::pin(async move {
        // The streams pass a failure of either side on.
        let _ = pipe_to(&body, &to, true).await;
    });
    Ok(UpstreamResponse { response: piped, body_task: Some(body_task) })
}
