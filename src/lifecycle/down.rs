//! Down: the instance does not exist, or it is stopped or suspended.

use super::context::Context;
use super::down_kind::DownKind;
use super::limits::ClientHash;
use super::next::{Begin, First, Next, Stop};
use super::timers::{Deadlines, Timer};
use crate::compute::TakeDown;
use crate::time::Timestamp;

impl DownKind {
    pub(super) fn deadlines(self, cx: &Context, deadlines: &mut Deadlines) {
        deadlines.set(Timer::DeepSleep, self.deep_sleep_at(cx));
        deadlines.set(Timer::ScheduleStart, cx.scheduled_start_at());
    }

    pub(super) fn on_wake(self, force: bool, client: Option<ClientHash>, cx: &mut Context) -> Next {
        if cx.admit_request(force, client) {
            self.start(cx.now)
        } else {
            Next::Stay
        }
    }

    pub(super) fn on_take_down(self, take_down: TakeDown) -> Next {
        match self {
            // A suspended instance can only be resumed or deleted; but another client may have
            // resumed it.
            DownKind::Suspended => Stop::check_first(take_down).into(),
            DownKind::Absent | DownKind::Stopped => Stop::begin(take_down).into(),
        }
    }

    /// Begins the deep sleep of a VM that has been suspended for `deep_sleep_after`.
    pub(super) fn on_timers(self, cx: &Context) -> Next {
        if self.deep_sleep_at(cx).is_some_and(|at| cx.now >= at) {
            return Stop { first: First::Resume, ..Stop::begin(TakeDown::Stop) }.into();
        }
        Next::Stay
    }

    /// Begins a start for a request that has waited since `began`.
    pub(super) fn start(self, began: Timestamp) -> Next {
        Next::Start(Begin { began, may_run: false, kind: self.start_kind(), silent: None, unresolved: None })
    }

    fn deep_sleep_at(self, cx: &Context) -> Option<Timestamp> {
        let after = cx.policy.deep_sleep_after.filter(|_| self == DownKind::Suspended)?;
        Some(cx.since + after)
    }
}
