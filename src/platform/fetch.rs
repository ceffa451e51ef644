//! `fetch()`, and the requests and responses that go with it.

use std::time::Duration;

use js_sys::{Promise, Reflect};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, Request, RequestInit, RequestRedirect, Response, ResponseInit, WorkerGlobalScope};
use worker::{worker_sys, Env};

use super::headers::value;
use super::{describe, settled, timeout_signal};
use crate::time::Timestamp;

thread_local! {
    /// The settings of a request that is handed on; `fetch()` has read them when it returns.
    static HANDING_ON: RequestInit = handing_on();
}

fn handing_on() -> RequestInit {
    let init = RequestInit::new();
    // Redirects are the client's business, and so is the coding of the answer's body, which the runtime would take
    // off and put on again.
    init.set_redirect(RequestRedirect::Manual);
    // Setting a field of a plain object does not fail.
    let _ = Reflect::set(&init, &"encodeResponseBody".into(), &"manual".into());
    init
}

/// What sends requests.
pub(crate) enum Fetcher {
    /// The Worker itself.
    Worker,
    /// A binding, as to a VPC network.
    Binding(worker_sys::Fetcher),
}

impl Fetcher {
    /// The binding of this name, or the Worker itself.
    ///
    /// # Errors
    /// There is no such binding, or it has no `fetch()`.
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

    /// Sends a client's request on, to another URL and with other headers; the body is handed on, not copied.
    ///
    /// # Errors
    /// The text of the exception: there was no answer.
    pub async fn hand_on(&self, url: &str, request: &Request, headers: &Headers) -> Result<Response, String> {
        let sent = HANDING_ON.with(|init| {
            init.set_method(&request.method());
            init.set_headers(headers);
            init.set_body(&request.body().map_or(JsValue::UNDEFINED, JsValue::from));
            let sent = match self {
                Fetcher::Worker => Ok(global().fetch_with_str_and_init(url, init)),
                Fetcher::Binding(binding) => binding.fetch_with_str_and_init(url, init),
            };
            init.set_body(&JsValue::UNDEFINED);
            sent
        });
        answered(sent).await
    }

    /// Sends a small request of text and reads the whole answer, within `limit`. Redirects are not followed.
    ///
    /// # Errors
    /// What went wrong: there was no whole answer.
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
        let response = answered(sent).await?;
        let text = response.text().map_err(|error| describe(&error))?;
        let text = settled(text).await.map_err(|error| describe(&error))?;
        Ok(Exchanged { status: response.status(), body: text.as_string().unwrap_or_default(), response })
    }
}

/// A whole answer of text.
pub(crate) struct Exchanged {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
    response: Response,
}

impl Exchanged {
    /// What the body is.
    pub fn content_type(&self) -> Option<String> {
        value(&self.response.headers(), "content-type")
    }

    /// The `Date` header (RFC 9110, section 6.6.1): the server's time.
    pub fn date(&self) -> Option<Timestamp> {
        let millis = js_sys::Date::parse(&value(&self.response.headers(), "date")?);
        // NaN is no date; any other is below 2^53, so nothing is lost.
        (millis >= 0.0).then(|| Timestamp::from_millis(millis as u64))
    }
}

async fn answered(sent: Result<Promise, JsValue>) -> Result<Response, String> {
    let answer = settled(sent.map_err(|error| describe(&error))?).await;
    let answer = answer.map_err(|error| describe(&error))?;
    answer.dyn_into().map_err(|_| "fetch() gave something that is no Response".to_owned())
}

fn global() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// The answer with its headers changed.
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
    // The headers of an answer that came by fetch() cannot be changed; those of a copy of it can.
    let init: &ResponseInit = response.unchecked_ref();
    let copy = Response::new_with_opt_readable_stream_and_init(response.body().as_ref(), init);
    let copy = copy.map_err(|error| describe(&error))?;
    change(&copy.headers()).map_err(|error| describe(&error))?;
    Ok(copy)
}

/// What a `Response` is made of besides its body, in one call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Init<'a> {
    pub status: u16,
    pub status_text: &'a str,
    /// They may repeat names.
    pub headers: &'a [(String, String)],
    pub encode_body: EncodeBody,
}

/// What the runtime does about a `Content-Encoding`.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncodeBody {
    /// It encodes the body.
    Automatic,
    /// The body is encoded already.
    Manual,
}

impl Init<'_> {
    /// It, as the runtime takes it.
    ///
    /// # Errors
    /// The exception.
    pub fn to_js(&self) -> Result<ResponseInit, JsValue> {
        let text = serde_json::to_string(self).map_err(|error| JsValue::from_str(&error.to_string()))?;
        js_sys::JSON::parse(&text).map(JsCast::unchecked_into)
    }
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
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(limit.map(timeout_signal).as_ref());
    if let Some(body) = body {
        init.set_body(&JsValue::from_str(body));
    }
    Request::new_with_str_and_init(url, &init)
}
