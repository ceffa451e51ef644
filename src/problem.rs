//! What a client is told when it cannot have what it asked for: problem details (RFC 9457).

use wasm_bindgen::JsValue;
use web_sys::{Headers, ReadableStream, Request, Response, ResponseInit};

use crate::pages::{is_navigation, problem_page, CONTENT_SECURITY_POLICY};
use crate::platform::describe;
use crate::platform::headers::value;

/// A problem, in words that anybody may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What kind of problem it is.
    pub title: &'static str,
    /// What the client can make of it.
    pub detail: String,
    /// After how many seconds it may be worth asking again.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// There is nothing here.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self { status: 404, title: "Not found", detail: detail.into(), retry_after: None }
    }

    /// The proxy is not set up rightly; how is only in the log.
    pub fn misconfigured() -> Self {
        Self {
            status: 500,
            title: "The proxy is misconfigured",
            detail: "Its operator finds the reason in the log.".to_owned(),
            retry_after: None,
        }
    }

    /// The problem as an answer to `request`: a page for a person, problem details for everybody else.
    pub fn answer(&self, request: &Request) -> Response {
        let headers = request.headers();
        let mode = value(&headers, "sec-fetch-mode");
        let accept = value(&headers, "accept");
        if is_navigation(&request.method(), mode.as_deref(), accept.as_deref()) {
            return self.page();
        }
        self.details()
    }

    fn page(&self) -> Response {
        let headers = [
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("content-security-policy", CONTENT_SECURITY_POLICY.to_owned()),
        ];
        self.respond(headers, &problem_page(self))
    }

    /// The problem as problem details.
    pub fn details(&self) -> Response {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        });
        self.respond([("content-type", "application/problem+json".to_owned())], &body.to_string())
    }

    fn respond<const N: usize>(&self, headers: [(&str, String); N], body: &str) -> Response {
        let retry_after = self.retry_after.map(|seconds| ("retry-after", seconds.to_string()));
        let no_store = ("cache-control", "no-store".to_owned());
        let headers: Vec<_> = headers.into_iter().chain([no_store]).chain(retry_after).collect();
        text_response(self.status, &headers, Some(body))
    }
}

/// An answer of JSON.
pub(crate) fn json_response(status: u16, body: &impl serde::Serialize) -> Response {
    json_text_response(status, &serde_json::to_string(body).unwrap_or_default())
}

/// An answer of JSON that is written already.
pub(crate) fn json_text_response(status: u16, text: &str) -> Response {
    let headers = [("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())];
    text_response(status, &headers, Some(text))
}

/// An answer of text.
pub(crate) fn text_response(status: u16, headers: &[(&str, String)], body: Option<&str>) -> Response {
    response(status, headers, |init| Response::new_with_opt_str_and_init(body, init))
}

/// An answer of server-sent events.
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
        worker::console_error!("vmproxy: cannot build an answer: {}", describe(&error));
        Response::error()
    })
}
