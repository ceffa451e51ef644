//! Responses to errors: a page for a browser, problem details (RFC 9457) for all other clients.

use web_sys::{Request, Response};

use super::{is_navigation, problem_page, CONTENT_SECURITY_POLICY};
use crate::error::Error;
use crate::platform::headers::value;
use crate::platform::log::log;
use crate::platform::response::text_response;
use crate::problem::Problem;
use crate::vm::Vm;

/// Logs an error and returns the response to the request that it is for.
pub(crate) fn respond(error: &Error, vm: Option<&Vm>, request: &Request) -> Response {
    log(error.level(), error);
    let problem = error.problem(vm);
    let headers = request.headers();
    let (mode, accept) = (value(&headers, "sec-fetch-mode"), value(&headers, "accept"));
    if is_navigation(&request.method(), mode.as_deref(), accept.as_deref()) {
        page(&problem)
    } else {
        problem_details(&problem)
    }
}

/// Logs an error and returns it as problem details, whatever the client.
pub(crate) fn error_details(error: &Error, vm: &Vm) -> Response {
    log(error.level(), error);
    problem_details(&error.problem(Some(vm)))
}

/// Returns a problem as problem details.
pub(crate) fn problem_details(problem: &Problem) -> Response {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    });
    response(problem, [("content-type", "application/problem+json".to_owned())], &body.to_string())
}

fn page(problem: &Problem) -> Response {
    let headers = [
        ("content-type", "text/html; charset=utf-8".to_owned()),
        ("content-security-policy", CONTENT_SECURITY_POLICY.to_owned()),
    ];
    response(problem, headers, &problem_page(problem))
}

fn response<const N: usize>(problem: &Problem, headers: [(&str, String); N], body: &str) -> Response {
    let retry_after = problem.retry_after.map(|seconds| ("retry-after", seconds.to_string()));
    let no_store = ("cache-control", "no-store".to_owned());
    let headers: Vec<_> = headers.into_iter().chain([no_store]).chain(retry_after).collect();
    text_response(problem.status, &headers, Some(body))
}
