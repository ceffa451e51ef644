//! Running: the VM serves requests, and stays up while it is used, busy or kept awake by its
//! schedule.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::action::{Action, Outcome};
use super::context::Context;
use super::failure::FailureKind;
use super::next::{Begin, Next, Stop};
use super::timers::{Deadlines, Timer};
use crate::compute::{CallError, Response, StableStatus, TakeDown};
use crate::time::Timestamp;
use crate::vm::{Endpoint, StartKind};

/// The time limit for a busy check. After it the VM counts as idle.
const BUSY_CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// The interval between looks at a VM that is kept awake without requests. Without them a
/// preemption would not be noticed. The interval is long because each look is a call.
const LOOK_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// A VM that serves requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Running {
    /// The endpoint at which it serves.
    pub endpoint: Endpoint,
    /// The time at which the VM last reported that it is busy. The next busy check follows after
    /// the idle timeout.
    busy_at: Option<Timestamp>,
    /// The time of the last look that was made because there were no requests.
    looked_at: Option<Timestamp>,
    /// The time at which the busy check in progress began. After a load there is none.
    #[serde(skip)]
    busy_check_began: Option<Timestamp>,
}

impl Running {
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, busy_at: None, looked_at: None, busy_check_began: None }
    }

    /// Returns whether a busy check is in progress.
    pub fn is_busy_check_in_progress(&self) -> bool {
        self.busy_check_began.is_some()
    }

    /// Returns the time of the next busy check, or at which the VM goes down, if there is no
    /// further activity. `None` means never.
    pub fn idle_deadline(&self, cx: &Context) -> Option<Timestamp> {
        let (idle_timeout, _) = cx.policy.on_idle?;
        let last_activity = cx.last_activity.unwrap_or(cx.since);
        let used_at = self.busy_at.map_or(last_activity, |busy_at| busy_at.max(last_activity));
        cx.schedule.awake_until().max(Some(used_at + idle_timeout))
    }

    pub fn deadlines(&self, cx: &Context, deadlines: &mut Deadlines) {
        match self.busy_check_began {
            Some(busy_check_began) => {
                deadlines.set(Timer::BusyCheck, Some(busy_check_began + BUSY_CHECK_TIMEOUT))
            }
            None => deadlines.set(Timer::Idle, self.idle_deadline(cx)),
        }
        deadlines.set(Timer::KeepAwakeLook, self.look_at(cx));
        deadlines.set(Timer::MonthlyLimit, cx.usage.check_at(&cx.policy.limits));
    }

    pub fn on_wake(&self, unreachable: Option<u64>, cx: &mut Context) -> Next {
        let endpoint = self.endpoint;
        if unreachable == Some(endpoint.generation) {
            return self.search(cx);
        }
        cx.actions.push(Action::Release(Outcome::Ready { endpoint, cold_start: None }));
        Next::Stay
    }

    pub fn on_take_down(&self, take_down: TakeDown) -> Next {
        Stop::begin(take_down).into()
    }

    pub fn on_zone_removed(&self) -> Next {
        Stop::begin(TakeDown::Stop).into()
    }

    /// Handles the result of a busy check.
    pub fn on_busy_checked(&mut self, generation: u64, busy: bool, cx: &mut Context) -> Next {
        if self.busy_check_began.take().is_none() || self.endpoint.generation != generation {
            return Next::Stay;
        }
        if busy {
            self.busy_at = Some(cx.now);
            return Next::Stay;
        }
        self.stop_when_idle(cx)
    }

    /// Handles the result of a look. If the instance no longer runs, the VM is started.
    pub fn on_look(&self, result: Result<Response, CallError>, cx: &mut Context) -> Next {
        let serves = match result {
            Ok(Response::Instance(instance)) => {
                instance.status.stable() == Some(StableStatus::Running)
                    && instance.ip == Some(self.endpoint.ip)
            }
            Ok(Response::Operation(_)) => true,
            Err(error) => !error.is_not_found(),
        };
        if serves {
            return Next::Stay;
        }
        match cx.usage.over(&cx.policy.limits, false, cx.now) {
            None => self.search(cx),
            Some(over) => {
                cx.refuse(over);
                Stop::check_first(cx.policy.take_down()).into()
            }
        }
    }

    pub fn on_timers(&mut self, cx: &mut Context) -> Next {
        if let Next::Stop(stop) = self.stop_when_exhausted(cx) {
            return stop.into();
        }
        if let Next::Stop(stop) = self.on_idle_timer(cx) {
            return stop.into();
        }
        if self.look_at(cx).is_some_and(|at| cx.now >= at) {
            self.looked_at = Some(cx.now);
            cx.look();
        }
        Next::Stay
    }

    /// Takes the VM down if it has used up its hours of this month.
    pub fn stop_when_exhausted(&self, cx: &mut Context) -> Next {
        match cx.usage.over(&cx.policy.limits, true, cx.now) {
            Some(over) => {
                cx.remember(FailureKind::OverLimit, over.reason);
                Stop::begin(cx.policy.take_down()).into()
            }
            None => Next::Stay,
        }
    }

    fn on_idle_timer(&mut self, cx: &mut Context) -> Next {
        match self.busy_check_began {
            Some(busy_check_began) if cx.now >= busy_check_began + BUSY_CHECK_TIMEOUT => {
                self.stop_when_idle(cx)
            }
            Some(_) => Next::Stay,
            None if !self.is_idle(cx) => Next::Stay,
            None => {
                let last_activity = cx.last_activity.unwrap_or(cx.since);
                match cx.policy.busy_limit {
                    Some(limit) if cx.now < last_activity + limit => {
                        self.busy_check_began = Some(cx.now);
                        cx.actions.push(Action::CheckBusy(self.endpoint));
                        Next::Stay
                    }
                    _ => self.stop_when_idle(cx),
                }
            }
        }
    }

    /// Takes the VM down, unless there was activity during the busy check.
    fn stop_when_idle(&mut self, cx: &Context) -> Next {
        self.busy_check_began = None;
        match cx.policy.on_idle.filter(|_| self.is_idle(cx)) {
            Some((_, take_down)) => Stop::begin(take_down).into(),
            None => Next::Stay,
        }
    }

    fn is_idle(&self, cx: &Context) -> bool {
        self.idle_deadline(cx).is_some_and(|deadline| cx.now >= deadline)
    }

    /// Returns the time of the next look that is made because there are no requests.
    fn look_at(&self, cx: &Context) -> Option<Timestamp> {
        let until = cx.schedule.awake_until().filter(|_| cx.looking.is_none())?;
        let last = cx.last_activity.max(self.looked_at).unwrap_or(cx.since);
        Some(last + LOOK_INTERVAL).filter(|at| *at < until)
    }

    /// Begins a start because the VM no longer responds at its endpoint.
    fn search(&self, cx: &Context) -> Next {
        let silent = Some(self.endpoint.ip);
        Next::Start(Begin { began: cx.now, may_run: true, kind: StartKind::Start, silent, unresolved: None })
    }
}
