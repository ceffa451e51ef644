//! What a request gets while its VM is not ready, and how long it waits for it.

use web_sys::{Request, Response};

use crate::durable_object::Hold;
use crate::error::Error;
use crate::lifecycle::Progress;
use crate::pages::{is_navigation, waiting_page};
use crate::platform::headers::value;
use crate::platform::response::text_response;
use crate::time::Timestamp;
use crate::vm::{ColdStart, Vm};

/// What a request gets while its VM is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColdAnswer {
    /// The VM's own, as soon as there is one.
    Held,
    /// The waiting page at once.
    Page,
    /// 503 at once.
    Rejected,
}

impl ColdAnswer {
    /// What this request gets.
    pub fn of(vm: &Vm, request: &Request) -> Self {
        let headers = request.headers();
        Self::to(vm.cold_start, || {
            let (mode, accept) = (value(&headers, "sec-fetch-mode"), value(&headers, "accept"));
            // A page cannot send a form once more: that is held.
            request.method() == "GET" && is_navigation("GET", mode.as_deref(), accept.as_deref())
        })
    }

    fn to(cold_start: ColdStart, is_navigation: impl FnOnce() -> bool) -> Self {
        match cold_start {
            ColdStart::Auto if is_navigation() => ColdAnswer::Page,
            ColdStart::Auto | ColdStart::Hold => ColdAnswer::Held,
            ColdStart::Page => ColdAnswer::Page,
            ColdStart::Reject => ColdAnswer::Rejected,
        }
    }

    /// How long the VM's object holds its answer.
    pub fn hold(self, vm: &Vm, now: Timestamp) -> Hold {
        match (self, vm.hold_timeout) {
            (ColdAnswer::Held, None) => Hold::UntilDone,
            (ColdAnswer::Held, Some(timeout)) => Hold::Until(now + timeout),
            (ColdAnswer::Page | ColdAnswer::Rejected, _) => Hold::No,
        }
    }

    /// The answer to a request that waits no longer.
    ///
    /// # Errors
    /// [`Error::Starting`], unless it gets a page.
    pub async fn while_starting(self, vm: &Vm, target: &str, progress: Progress) -> Result<Response, Error> {
        if self != ColdAnswer::Page {
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
            (ColdStart::Auto, ColdAnswer::Page, ColdAnswer::Held),
            (ColdStart::Hold, ColdAnswer::Held, ColdAnswer::Held),
            (ColdStart::Page, ColdAnswer::Page, ColdAnswer::Page),
            (ColdStart::Reject, ColdAnswer::Rejected, ColdAnswer::Rejected),
        ] {
            assert_eq!(ColdAnswer::to(cold_start, || true), navigation, "{cold_start:?}");
            assert_eq!(ColdAnswer::to(cold_start, || false), other, "{cold_start:?}");
        }
    }

    #[test]
    fn only_what_is_held_waits_and_no_longer_than_configured() {
        let timeout = Duration::from_secs(7);
        let (endless, brief) = (Vm::default(), Vm { hold_timeout: Some(timeout), ..Vm::default() });
        let now = Timestamp::from_millis(1000);
        assert_eq!(ColdAnswer::Held.hold(&endless, now), Hold::UntilDone);
        assert_eq!(ColdAnswer::Held.hold(&brief, now), Hold::Until(Timestamp::from_millis(8000)));
        assert_eq!(ColdAnswer::Page.hold(&brief, now), Hold::No);
        assert_eq!(ColdAnswer::Rejected.hold(&endless, now), Hold::No);
    }
}
