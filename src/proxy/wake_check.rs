//! Whether a request may wake its VM; what it gets if not.

use web_sys::{Request, Response};
use worker::Env;

use super::route::RequestUrl;
use crate::config::ConfigError;
use crate::error::{Error, ASLEEP_RETRY_AFTER};
use crate::platform::cf;
use crate::platform::env::{secret, Secret};
use crate::platform::response::text_response;
use crate::vm::{AsleepResponse, Vm};
use crate::wake::{asleep_response, blocked_by, client, RequestInfo};

/// A request, as the rules see it: nothing of it is read before a rule asks.
pub(super) struct Waking<'a> {
    vm: &'a Vm,
    facts: RequestFacts<'a>,
    env: &'a Env,
}

impl<'a> Waking<'a> {
    pub fn new(vm: &'a Vm, url: &'a RequestUrl<'a>, request: &'a Request, env: &'a Env) -> Self {
        Self { vm, facts: RequestFacts { url, request }, env }
    }

    /// The rule by which it does not wake its VM.
    ///
    /// # Errors
    /// As [`woken_by`].
    pub fn refused_by(&self) -> Result<Option<&'static str>, ConfigError> {
        Ok(blocked_by(&self.vm.wake, woken_by(self.vm, self.env)?.as_deref(), &self.facts))
    }

    /// Whether it keeps its VM awake. Where every request does, that takes no look.
    ///
    /// # Errors
    /// As [`woken_by`].
    pub fn counts(&self) -> Result<bool, ConfigError> {
        Ok(self.vm.wake.counts_as_activity || self.refused_by()?.is_none())
    }

    /// Who sends it, if it is counted how often they wake the VM.
    pub fn client(&self) -> Option<String> {
        self.vm.wake.wakes_per_hour.and_then(|_| client(&self.facts))
    }
}

/// The secret that a VM is woken by, if it is by one.
///
/// # Errors
/// The Worker has none of this name; an empty one would let everybody in.
pub(super) fn woken_by(vm: &Vm, env: &Env) -> Result<Option<String>, ConfigError> {
    let Some(name) = &vm.wake.secret else { return Ok(None) };
    match secret(env, name) {
        Some(Secret::Own(text)) if !text.is_empty() => Ok(Some(text)),
        _ => {
            let problem = format!("the Worker has no secret of its own named {name:?}");
            Err(ConfigError::new("wake.secret", problem))
        }
    }
}

/// The answer to a request that leaves its VM asleep.
pub(super) fn asleep(vm: &Vm, url: &RequestUrl<'_>, request: &Request, error: &Error) -> Response {
    worker::console_log!("vmproxy: {error}");
    let Some(response) = asleep_response(&vm.wake, &RequestFacts { url, request }) else {
        return error.problem(Some(vm)).answer(request);
    };
    let AsleepResponse { status, body, content_type, .. } = response;
    let headers = [("content-type", content_type.clone()), ("cache-control", "no-store".to_owned())];
    let response = text_response(*status, &headers, Some(body.as_str()).filter(|body| !body.is_empty()));
    if *status == 503 {
        // The headers of an answer of our own can always be set.
        let _ = response.headers().set("retry-after", &ASLEEP_RETRY_AFTER.to_string());
    }
    response
}

struct RequestFacts<'a> {
    url: &'a RequestUrl<'a>,
    request: &'a Request,
}

impl RequestInfo for RequestFacts<'_> {
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
