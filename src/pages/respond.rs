//! What a client is told when something goes wrong: a page, or problem details (RFC 9457).

use web_sys::{Request, Response};

use super::{is_navigation, problem_page, CONTENT_SECURITY_POLICY};
use crate::error::Error;
use crate::platform::headers::value;
use crate::platform::response::text_response;
use crate::problem::Problem;
use crate::vm::Vm;

impl Error {
    /// Logs the error, and answers the client.
    pub(crate) fn answer(&self, vm: Option<&Vm>, request: &Request) -> Response {
        worker::console_error!("vmproxy: {self}");
        self.problem(vm).answer(request)
    }
}

impl Problem {
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
