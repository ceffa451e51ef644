//! The response to a request while its VM is not ready, and how long the request is held.

use web_sys::{Request, Response};

use crate::durable_object::Hold;
use crate::error::Error;
use crate::lifecycle::Progress;
use crate::pages::{is_navigation, waiting_page};
use crate::platform::headers::value;
use crate::platform::response::text_response;
use crate::time::Timestamp;
use crate::vm::{ColdStart, Vm};

/// The response to a request while its VM is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColdStartStrategy {
    /// The VM's response, once the VM is ready.
    Hold,
    /// The waiting page at once.
    Page,
    /// 503 at once.
    Reject,
}

impl ColdStartStrategy {
    /// Returns the strategy for a request, and how long the VM's object holds its reply.
    pub fn of(vm: &Vm, request: &Request, now: Timestamp) -> (Self, Hold) {
        let headers = request.headers();
        let strategy = Self::choose(vm.cold_start, || {
            let (mode, accept) = (value(&headers, "sec-fetch-mode"), value(&headers, "accept"));
            // A page cannot repeat a form submission, so that is held.
            request.method() == "GET" && is_navigation("GET", mode.as_deref(), accept.as_deref())
        });
        (strategy, strategy.hold(vm, now))
    }

    fn choose(cold_start: ColdStart, is_navigation: impl FnOnce() -> bool) -> Self {
        match cold_start {
            ColdStart::Auto if is_navigation() => ColdStartStrategy::Page,
            ColdStart::Auto | ColdStart::Hold => ColdStartStrategy::Hold,
            ColdStart::Page => ColdStartStrategy::Page,
            ColdStart::Reject => ColdStartStrategy::Reject,
        }
    }

    fn hold(self, vm: &Vm, now: Timestamp) -> Hold {
        match (self, vm.hold_timeout) {
            (ColdStartStrategy::Hold, None) => Hold::UntilDone,
            (ColdStartStrategy::Hold, Some(timeout)) => Hold::Until(now + timeout),
            (ColdStartStrategy::Page | ColdStartStrategy::Reject, _) => Hold::No,
        }
    }

    /// Responds to a request that is held no longer.
    ///
    /// # Errors
    /// [`Error::Starting`], unless the strategy is the page.
    pub async fn respond(self, vm: &Vm, target: &str, progress: Progress) -> Result<Response, Error> {
        if self != ColdStartStrategy::Page {
            return Err(Error::Starting { vm: vm.instance.name.clone(), progress });
        }
        let page = waiting_page(vm, target, &progress).await;
        let headers = [
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("content-security-policy", page.policy),
            ("cache-control", "no-store".to_owned()),
            ("retry-after", progress.retry_after().to_string()),
        ];
        Ok(text_response(503, &headers, Some(&page.html)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_navigation_gets_a_page_and_everything_else_is_held_unless_told_otherwise() {
        for (cold_start, navigation, other) in [
            (ColdStart::Auto, ColdStartStrategy::Page, ColdStartStrategy::Hold),
            (ColdStart::Hold, ColdStartStrategy::Hold, ColdStartStrategy::Hold),
            (ColdStart::Page, ColdStartStrategy::Page, ColdStartStrategy::Page),
            (ColdStart::Reject, ColdStartStrategy::Reject, ColdStartStrategy::Reject),
        ] {
            assert_eq!(ColdStartStrategy::choose(cold_start, || true), navigation, "{cold_start:?}");
            assert_eq!(ColdStartStrategy::choose(cold_start, || false), other, "{cold_start:?}");
        }
    }

    #[test]
    fn only_what_is_held_waits_and_no_longer_than_configured() {
        let timeout = Duration::from_secs(7);
        let (endless, brief) = (Vm::default(), Vm { hold_timeout: Some(timeout), ..Vm::default() });
        let now = Timestamp::from_millis(1000);
        assert_eq!(ColdStartStrategy::Hold.hold(&endless, now), Hold::UntilDone);
        assert_eq!(ColdStartStrategy::Hold.hold(&brief, now), Hold::Until(Timestamp::from_millis(8000)));
        assert_eq!(ColdStartStrategy::Page.hold(&brief, now), Hold::No);
        assert_eq!(ColdStartStrategy::Reject.hold(&endless, now), Hold::No);
    }
}
