//! Failed: the last start did not make the VM ready, and an instance may be running.

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::down_kind::DownKind;
use super::limits::ClientHash;
use super::next::{Begin, Next, Stop};
use super::timers::{Deadlines, Timer};
use crate::compute::{BringUp, RequestId, TakeDown};
use crate::time::Timestamp;
use crate::vm::StartKind;

/// A VM whose last start failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Failed {
    /// The time since which an instance may be running. It is taken down after the idle timeout.
    /// `None` means that none runs.
    pub may_run_since: Option<Timestamp>,
    /// A change that was requested, and whose result is unknown. The next start repeats it with the
    /// same request id, so that it cannot take effect twice.
    pub unresolved: Option<(BringUp, RequestId)>,
}

impl Failed {
    /// Sets the time at which an instance that may be running goes down. Requests that are refused
    /// meanwhile also count as activity.
    pub fn deadlines(&self, cx: &Context, deadlines: &mut Deadlines) {
        if self.may_run_since.is_some() {
            deadlines.set(Timer::FailedIdle, self.idle_at(cx));
            deadlines.set(Timer::MonthlyLimit, cx.usage.check_at(&cx.policy.limits));
        }
        deadlines.set(Timer::ScheduleStart, cx.scheduled_start_at());
    }

    pub fn on_wake(&mut self, force: bool, client: Option<ClientHash>, cx: &mut Context) -> Next {
        if !cx.admit_request(force, client) {
            return Next::Stay;
        }
        Next::Start(Begin {
            began: cx.now,
            may_run: self.may_run_since.is_some(),
            kind: StartKind::Start,
            silent: None,
            unresolved: self.unresolved.take(),
        })
    }

    pub fn on_take_down(&self, take_down: TakeDown) -> Next {
        Stop::check_first(take_down).into()
    }

    pub fn on_zone_removed(&self, cx: &mut Context) -> Next {
        match self.may_run_since {
            Some(_) => Stop::check_first(TakeDown::Stop).into(),
            None => Next::Down(cx.settle_down(DownKind::Absent)),
        }
    }

    pub fn on_timers(&self, cx: &Context) -> Next {
        let limit_at = cx.usage.check_at(&cx.policy.limits);
        let mut due = self.idle_at(cx).into_iter().chain(limit_at);
        if self.may_run_since.is_some() && due.any(|at| cx.now >= at) {
            return Stop::check_first(cx.policy.take_down()).into();
        }
        Next::Stay
    }

    fn idle_at(&self, cx: &Context) -> Option<Timestamp> {
        let since = self.may_run_since?;
        let used_at = cx.last_activity.map_or(since, |last| last.max(since));
        let (idle_timeout, _) = cx.policy.on_idle?;
        Some(used_at + idle_timeout).max(cx.schedule.awake_until())
    }
}
