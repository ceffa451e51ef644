//! The response that the client gets.

use web_sys::Response;

use super::context::RequestContext;
use crate::error::{Error, Level, ASLEEP_RETRY_AFTER};
use crate::http::url::RequestUrl;
use crate::pages;
use crate::platform::fetch::amend;
use crate::platform::headers::value;
use crate::platform::log::log;
use crate::platform::response::text_response;
use crate::upstream::ForwardError;
use crate::vm::{AsleepResponse, ColdStartRecord, Origin, Vm};
use crate::wake;

/// Returns the response for the client: redirects to the VM's own address lead to the public one,
/// and the response to a cold start has the time of each phase.
pub(super) fn for_client(
    response: Response,
    cx: &RequestContext<'_>,
    origin: &Origin,
    cold_start: Option<ColdStartRecord>,
) -> Result<Response, ForwardError> {
    let response = rewrite_location(response, cx, origin)?;
    match cold_start {
        Some(record) => add_server_timing(response, &record),
        None => Ok(response),
    }
}

/// Returns the response to a request that leaves its VM asleep.
pub(super) fn asleep_response(cx: &RequestContext<'_>, error: &Error) -> Response {
    let Some(response) = wake::asleep_response(&cx.vm.wake, cx) else {
        return pages::respond(error, Some(cx.vm), cx.request);
    };
    log(Level::Info, error);
    let AsleepResponse { status, body, content_type, .. } = response;
    let headers = [("content-type", content_type.clone()), ("cache-control", "no-store".to_owned())];
    let response = text_response(*status, &headers, Some(body.as_str()).filter(|body| !body.is_empty()));
    if *status == 503 {
        // The headers of the proxy's own response can always be set.
        let _ = response.headers().set("retry-after", &ASLEEP_RETRY_AFTER.to_string());
    }
    response
}

/// Replaces the VM's own address, which a client cannot reach or must not keep, in a redirect.
fn rewrite_location(
    response: Response,
    cx: &RequestContext<'_>,
    origin: &Origin,
) -> Result<Response, ForwardError> {
    // A Location has a meaning with these statuses alone (RFC 9110, section 10.2.2).
    if !matches!(response.status(), 201 | 300..=399) {
        return Ok(response);
    }
    let location = value(&response.headers(), "location");
    match location.and_then(|location| public_location(&location, &origin.base(), cx.vm, cx.url)) {
        Some(public) => amend(response, |headers| headers.set("location", &public))
            .map_err(ForwardError::invalid_response),
        None => Ok(response),
    }
}

/// Adds the phases of the cold start that the request waited for.
fn add_server_timing(response: Response, record: &ColdStartRecord) -> Result<Response, ForwardError> {
    let ColdStartRecord { token_ms, api_ms, boot_ms, app_ms, total_ms, .. } = record;
    let timing = format!(
        "token;dur={token_ms}, api;dur={api_ms}, boot;dur={boot_ms}, app;dur={app_ms}, total;dur={total_ms}"
    );
    let amended = amend(response, |headers| {
        headers.append("server-timing", &timing)?;
        headers.set("x-vmproxy-cold-start", "true")
    });
    amended.map_err(ForwardError::internal)
}

/// Returns the public form of a `Location` at the VM's own address, `base` (scheme and authority);
/// `None` means that it is elsewhere, and is forwarded as it is.
fn public_location(location: &str, base: &str, vm: &Vm, url: &RequestUrl<'_>) -> Option<String> {
    let (scheme, rest) = location.split_once("://")?;
    let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let own = base.split_once("://")?;
    let is_own = scheme.eq_ignore_ascii_case(own.0)
        && without_default_port(scheme, authority).eq_ignore_ascii_case(without_default_port(own.0, own.1));
    if !is_own {
        return None;
    }
    // The prefix that was stripped from the request is added again.
    let prefix = if vm.strip_prefix { vm.path.trim_end_matches('/') } else { "" };
    let slash = if target.starts_with('/') { "" } else { "/" };
    Some(format!("{}://{}{prefix}{slash}{target}", url.scheme, url.authority))
}

fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    authority.strip_suffix(port).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vms_own_address_becomes_the_public_one() {
        let url = RequestUrl::parse("https://app.example.com/app/x");
        let public = |location: &str, base: &str, strip_prefix: bool| {
            let vm = Vm { path: "/app/".into(), strip_prefix, ..Vm::default() };
            public_location(location, base, &vm, &url)
        };
        for (location, base, expected) in [
            ("http://203.0.113.7:8080/login?next=/", "http://203.0.113.7:8080", Some("/login?next=/")),
            ("http://203.0.113.7/", "http://203.0.113.7:80", Some("/")),
            ("http://203.0.113.7:80", "http://203.0.113.7", Some("/")),
            ("HTTPS://VM.example.com:443?a#b", "https://vm.example.com", Some("/?a#b")),
            ("http://[2001:db8::7]:80/", "http://[2001:db8::7]:80", Some("/")),
            ("/login", "http://203.0.113.7:80", None),
            ("//203.0.113.7/login", "http://203.0.113.7:80", None),
            ("http://203.0.113.7:8081/", "http://203.0.113.7:80", None),
            ("http://203.0.113.70/", "http://203.0.113.7:80", None),
            ("https://203.0.113.7/", "http://203.0.113.7:80", None),
            ("https://accounts.example.com/", "https://vm.example.com", None),
        ] {
            let plain = expected.map(|rest| format!("https://app.example.com{rest}"));
            assert_eq!(public(location, base, false), plain, "{location}");
            let prefixed = expected.map(|rest| format!("https://app.example.com/app{rest}"));
            assert_eq!(public(location, base, true), prefixed, "{location}");
        }
    }
}
