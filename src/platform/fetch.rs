//! `fetch()`, with its requests and responses.

use std::time::Duration;

use js_sys::{Promise, Reflect};
use serde::{Serialize, Serializer};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, Request, RequestInit, RequestRedirect, Response, ResponseInit, WorkerGlobalScope};
use worker::{worker_sys, Env};

use super::headers::value;
use super::{await_promise, describe, timeout_signal};
use crate::time::Timestamp;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = Request)]
    type Incoming;

    #[wasm_bindgen(extends = RequestInit)]
    type Outgoing;

    /// The method as a JavaScript string: a Rust string would be copied into WebAssembly and back.
    #[wasm_bindgen(method, getter)]
    fn method(this: &Incoming) -> JsValue;

    #[wasm_bindgen(method, setter)]
    fn set_method(this: &Outgoing, method: &JsValue);
}

thread_local! {
    /// The settings of a forwarded request; `fetch()` has read them when it returns.
    static FORWARDED: RequestInit = forwarded();
}

fn forwarded() -> RequestInit {
    let init = RequestInit::new();
    // The client follows redirects, and decodes the body, which the runtime would otherwise decode
    // and encode again.
    init.set_redirect(RequestRedirect::Manual);
    // Setting a field of a plain object does not fail.
    let _ = Reflect::set(&init, &"encodeResponseBody".into(), &"manual".into());
    init
}

/// The sender of a request.
pub(crate) enum Fetcher {
    /// The Worker itself.
    Worker,
    /// A binding, such as a VPC network.
    Binding(worker_sys::Fetcher),
}

impl Fetcher {
    /// Returns the binding of this name, or the Worker itself.
    ///
    /// # Errors
    /// The Worker has no such binding, or the binding has no `fetch()`.
    pub fn of(env: &Env, binding: Option<&str>) -> Result<Self, String> {
        let Some(name) = binding else { return Ok(Fetcher::Worker) };
        let binding = Reflect::get(env, &name.into()).unwrap_or_default();
        let can_fetch = binding.is_object()
            && Reflect::get(&binding, &"fetch".into()).is_ok_and(|fetch| fetch.is_function());
        if can_fetch {
            Ok(Fetcher::Binding(binding.unchecked_into()))
        } else {
            Err(format!("the Worker has no binding {name:?} with a fetch()"))
        }
    }

    /// Forwards a client's request to another URL, with other headers. The body is piped, not
    /// copied.
    ///
    /// # Errors
    /// The text of the exception: there is no response. The text is "Network connection lost." both
    /// for a refused connection and for one that is closed after the request was read; no property
    /// of the exception or of the body differs.
    pub async fn forward(&self, url: &str, request: &Request, headers: &Headers) -> Result<Response, String> {
        let body = request.body();
        let sent = FORWARDED.with(|init| {
            init.unchecked_ref::<Outgoing>().set_method(&request.unchecked_ref::<Incoming>().method());
            init.set_headers(headers);
            if let Some(body) = &body {
                init.set_body(body);
            }
            let sent = match self {
                Fetcher::Worker => Ok(global().fetch_with_str_and_init(url, init)),
                Fetcher::Binding(binding) => binding.fetch_with_str_and_init(url, init),
            };
            if body.is_some() {
                init.set_body(&JsValue::UNDEFINED);
            }
            sent
        });
        response_of(sent).await
    }

    /// Sends a small request of text and reads the whole response, within `limit`. Redirects are
    /// not followed.
    ///
    /// # Errors
    /// Why there is no complete response.
    pub async fn exchange(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
        limit: Duration,
    ) -> Result<Exchanged, String> {
        let request =
            text_request(method, url, headers, body, Some(limit)).map_err(|error| describe(&error))?;
        let sent = match self {
            Fetcher::Worker => Ok(global().fetch_with_request(&request)),
            Fetcher::Binding(binding) => binding.fetch(&request),
        };
        let response = response_of(sent).await?;
        let text = response.text().map_err(|error| describe(&error))?;
        let text = await_promise(text).await.map_err(|error| describe(&error))?;
        Ok(Exchanged { status: response.status(), body: text.as_string().unwrap_or_default(), response })
    }
}

/// A complete response of text.
pub(crate) struct Exchanged {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
    response: Response,
}

impl Exchanged {
    /// Returns the media type of the body.
    pub fn content_type(&self) -> Option<String> {
        value(&self.response.headers(), "content-type")
    }

    /// Returns the server's time, by its `Date` header (RFC 9110, section 6.6.1).
    pub fn date(&self) -> Option<Timestamp> {
        let millis = js_sys::Date::parse(&value(&self.response.headers(), "date")?);
        // NaN is no date; a date is below 2^53, so nothing is lost.
        (millis >= 0.0).then(|| Timestamp::from_millis(millis as u64))
    }
}

async fn response_of(sent: Result<Promise, JsValue>) -> Result<Response, String> {
    let response = await_promise(sent.map_err(|error| describe(&error))?).await;
    let response = response.map_err(|error| describe(&error))?;
    response.dyn_into().map_err(|_| "fetch() returned something that is not a Response".to_owned())
}

fn global() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Returns the response with its headers changed.
///
/// # Errors
/// The text of the exception.
pub(crate) fn amend(
    response: Response,
    change: impl Fn(&Headers) -> Result<(), JsValue>,
) -> Result<Response, String> {
    if change(&response.headers()).is_ok() {
        return Ok(response);
    }
    // The headers of a response from fetch() are immutable; those of a copy are not.
    let init: &ResponseInit = response.unchecked_ref();
    let copy = Response::new_with_opt_readable_stream_and_init(response.body().as_ref(), init);
    let copy = copy.map_err(|error| describe(&error))?;
    change(&copy.headers()).map_err(|error| describe(&error))?;
    Ok(copy)
}

/// The parts of a `Response` besides its body, built in one call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Init<'a> {
    pub status: u16,
    pub status_text: &'a str,
    /// Names may be repeated.
    #[serde(serialize_with = "as_object")]
    pub headers: &'a [(String, String)],
    pub encode_body: EncodeBody,
}

/// The runtime's treatment of a `Content-Encoding`.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncodeBody {
    /// The runtime encodes the body.
    Automatic,
    /// The body is encoded already.
    Manual,
}

impl Init<'_> {
    /// Builds the response with `build`.
    ///
    /// # Errors
    /// The exception.
    pub fn respond(
        &self,
        build: impl FnOnce(&ResponseInit) -> Result<Response, JsValue>,
    ) -> Result<Response, JsValue> {
        let text = serde_json::to_string(self).map_err(|error| JsValue::from_str(&error.to_string()))?;
        let response = build(js_sys::JSON::parse(&text)?.unchecked_ref())?;
        for (name, value) in repeated(self.headers, true) {
            response.headers().append(name, value)?;
        }
        Ok(response)
    }
}

/// Serializes the headers as an object, which cannot repeat a name. The runtime would accept a list
/// of pairs, at three times the instructions.
fn as_object<S: Serializer>(headers: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(repeated(headers, false).map(|(name, value)| (name, value)))
}

/// Returns the headers whose names occur earlier in the list, or all others.
fn repeated(headers: &[(String, String)], is_repeated: bool) -> impl Iterator<Item = &(String, String)> {
    headers.iter().enumerate().filter_map(move |(index, header)| {
        let mut earlier = headers.iter().take(index);
        let is_one = earlier.any(|(name, _)| name.eq_ignore_ascii_case(&header.0));
        (is_one == is_repeated).then_some(header)
    })
}

/// Returns a request with a text body, which is aborted after `limit`.
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
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(limit.map(timeout_signal).as_ref());
    if let Some(body) = body {
        init.set_body(&JsValue::from_str(body));
    }
    Request::new_with_str_and_init(url, &init)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_header_is_added_after_the_first_of_its_name() {
        let headers = [("Set-Cookie", "a=1"), ("x", "\"1\""), ("set-cookie", "b=2"), ("SET-COOKIE", "b=2")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let init =
            Init { status: 200, status_text: "OK", headers: &headers, encode_body: EncodeBody::Manual };

        let text = serde_json::to_string(&init).unwrap();
        let added: Vec<_> = repeated(&headers, true).collect();

        let first = r#"{"Set-Cookie":"a=1","x":"\"1\""}"#;
        assert_eq!(
            text,
            format!(r#"{{"status":200,"statusText":"OK","headers":{first},"encodeBody":"manual"}}"#)
        );
        assert_eq!(added, [&headers[2], &headers[3]]);
    }
}
