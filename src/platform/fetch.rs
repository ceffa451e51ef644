//! `fetch()`, and the requests and responses that go with it.

use std::time::Duration;

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request, RequestInit, RequestRedirect, Response, WorkerGlobalScope};

use super::{describe, timeout_signal};

/// Sends a request.
///
/// # Errors
/// The text of the exception: there was no answer.
pub(crate) async fn fetch(request: &Request) -> Result<Response, String> {
    let global: WorkerGlobalScope = js_sys::global().unchecked_into();
    let answer =
        JsFuture::from(global.fetch_with_request(request)).await.map_err(|error| describe(&error))?;
    answer.dyn_into().map_err(|_| "fetch() gave something that is no Response".to_owned())
}

/// Sends a small request of text and reads the whole answer, within `limit`.
///
/// # Errors
/// What went wrong: there was no whole answer.
pub(crate) async fn exchange(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
    limit: Duration,
) -> Result<(u16, String), String> {
    let request = text_request(method, url, headers, body, Some(limit)).map_err(|error| describe(&error))?;
    let response = fetch(&request).await?;
    let text = response.text().map_err(|error| describe(&error))?;
    let text = JsFuture::from(text).await.map_err(|error| describe(&error))?;
    Ok((response.status(), text.as_string().unwrap_or_default()))
}

/// The same request to another URL: method, headers and body are handed on, not copied, and redirects are the
/// client's business.
///
/// # Errors
/// The text of the exception.
pub(crate) fn readdress(request: &Request, url: &str) -> Result<Request, String> {
    let readdressed = Request::new_with_str_and_init(url, request.unchecked_ref());
    let init = RequestInit::new();
    init.set_redirect(RequestRedirect::Manual);
    readdressed
        .and_then(|request| Request::new_with_request_and_init(&request, &init))
        .map_err(|error| describe(&error))
}

/// A request of text, which is given up after `limit`.
///
/// # Errors
/// The exception.
pub(crate) fn text_request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
    limit: Option<Duration>,
) -> Result<Request, JsValue> {
    let fields = Headers::new()?;
    for (name, value) in headers {
        fields.set(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method(method);
    init.set_headers(&fields);
    init.set_signal(limit.map(timeout_signal).as_ref());
    if let Some(body) = body {
        init.set_body(&JsValue::from_str(body));
    }
    Request::new_with_str_and_init(url, &init)
}
