//! Whether a request wakes its VM, and the response to a request that leaves it asleep.

use web_sys::{Request, Response};
use worker::Env;

use super::context::RequestContext;
use crate::config::ConfigError;
use crate::error::{Error, Level, ASLEEP_RETRY_AFTER};
use crate::http::url::RequestUrl;
use crate::pages;
use crate::platform::cf;
use crate::platform::env::{secret, Secret};
use crate::platform::log::log;
use crate::platform::response::text_response;
use crate::vm::{AsleepResponse, Vm};
use crate::wake::{self, blocked_by, client, RequestInfo};

/// The check of one request against the rules of `wake`.
pub(super) struct WakeCheck<'a> {
    cx: &'a RequestContext<'a>,
    /// Whether the request keeps its VM awake.
    pub is_activity: bool,
}

/// The result of a check.
pub(super) enum Verdict {
    /// The request wakes its VM. The client is set if its wakes are counted.
    Wakes { client: Option<String> },
    /// The request does not wake its VM, by this rule.
    Blocked(&'static str),
}

impl<'a> WakeCheck<'a> {
    /// Checks whether the request is activity. Where every request is, nothing of the request is
    /// read.
    ///
    /// # Errors
    /// As [`wake_secret`].
    pub fn new(cx: &'a RequestContext<'a>) -> Result<Self, ConfigError> {
        let check = Self { cx, is_activity: true };
        let is_activity = cx.vm.wake.counts_as_activity || check.blocked_by()?.is_none();
        Ok(Self { is_activity, ..check })
    }

    /// Checks whether the request wakes its VM.
    ///
    /// # Errors
    /// As [`wake_secret`].
    pub fn verdict(&self) -> Result<Verdict, ConfigError> {
        if let Some(rule) = self.blocked_by()? {
            return Ok(Verdict::Blocked(rule));
        }
        let is_counted = self.cx.vm.wake.wakes_per_hour.is_some();
        Ok(Verdict::Wakes { client: if is_counted { client(&info(self.cx)) } else { None } })
    }

    /// Returns the rule by which the request does not wake its VM; `None` means that it does.
    fn blocked_by(&self) -> Result<Option<&'static str>, ConfigError> {
        let secret = wake_secret(self.cx.vm, self.cx.env)?;
        Ok(blocked_by(&self.cx.vm.wake, secret.as_deref(), &info(self.cx)))
    }
}

/// Returns the secret that wakes a VM; `None` means that it needs none.
///
/// # Errors
/// The Worker has no such secret, or an empty one, which would admit everybody.
pub(super) fn wake_secret(vm: &Vm, env: &Env) -> Result<Option<String>, ConfigError> {
    let Some(name) = &vm.wake.secret else { return Ok(None) };
    match secret(env, name) {
        Some(Secret::Own(text)) if !text.is_empty() => Ok(Some(text)),
        _ => {
            let problem = format!("the Worker has no secret of its own named {name:?}");
            Err(ConfigError::new("wake.secret", problem))
        }
    }
}

/// Returns the response to a request that leaves its VM asleep.
pub(super) fn asleep_response(cx: &RequestContext<'_>, error: &Error) -> Response {
    let Some(response) = wake::asleep_response(&cx.vm.wake, &info(cx)) else {
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

fn info<'a>(cx: &'a RequestContext<'a>) -> ClientRequest<'a> {
    ClientRequest { url: cx.url, request: cx.request }
}

/// A request, as the rules see it: a property is read when a rule needs it.
struct ClientRequest<'a> {
    url: &'a RequestUrl<'a>,
    request: &'a Request,
}

impl RequestInfo for ClientRequest<'_> {
    fn method(&self) -> String {
        self.request.method()
    }

    fn path(&self) -> &str {
        self.url.path
    }

    fn header(&self, name: &str) -> Option<String> {
        self.request.headers().get(name).ok().flatten()
    }

    fn country(&self) -> Option<String> {
        cf::country(self.request)
    }

    fn is_of_verified_bot(&self) -> bool {
        cf::is_of_verified_bot(self.request)
    }
}
