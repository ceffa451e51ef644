//! Building responses.

use wasm_bindgen::JsValue;
use web_sys::{Headers, ReadableStream, Response, ResponseInit};

use super::describe;
use super::log::log;
use crate::error::Level;

/// Returns a response of JSON.
pub(crate) fn json_response(status: u16, body: &impl serde::Serialize) -> Response {
    json_text_response(status, &serde_json::to_string(body).unwrap_or_default())
}

/// Returns a response of JSON that is serialized already.
pub(crate) fn json_text_response(status: u16, text: &str) -> Response {
    let headers = [("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())];
    text_response(status, &headers, Some(text))
}

/// Returns a response of text.
pub(crate) fn text_response(status: u16, headers: &[(&str, String)], body: Option<&str>) -> Response {
    response(status, headers, |init| Response::new_with_opt_str_and_init(body, init))
}

/// Returns a response of server-sent events.
pub(crate) fn event_response(events: &ReadableStream) -> Response {
    let headers =
        [("content-type", "text/event-stream".to_owned()), ("cache-control", "no-store".to_owned())];
    response(200, &headers, |init| Response::new_with_opt_readable_stream_and_init(Some(events), init))
}

fn response(
    status: u16,
    headers: &[(&str, String)],
    make: impl Fn(&ResponseInit) -> Result<Response, JsValue>,
) -> Response {
    let build = || -> Result<Response, JsValue> {
        let fields = Headers::new()?;
        for (name, value) in headers {
            fields.set(name, value)?;
        }
        let init = ResponseInit::new();
        init.set_status(status);
        init.set_headers(&fields);
        make(&init)
    };
    build().unwrap_or_else(|error| {
        log(Level::Error, &format_args!("cannot build a response: {}", describe(&error)));
        Response::error()
    })
}
