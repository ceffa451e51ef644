//! Running: the VM serves, and stays up as long as it is used, busy or kept awake by its schedule.

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

/// How long a VM may take to say whether it is busy. After that it is treated as idle.
const BUSY_CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a VM that is kept awake is looked at while nobody asks for it: nobody else would notice that it has
/// been preempted. Seldom, because each look is a call.
const LOOK_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// A VM that serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Running {
    /// Where.
    pub endpoint: Endpoint,
    /// When the VM last said that it is busy. It is asked again after the idle time.
    busy_at: Option<Timestamp>,
    /// When it was last looked at because nobody asked for it.
    looked_at: Option<Timestamp>,
    /// Since when it has been asked whether it is busy. A lost object has not asked.
    #[serde(skip)]
    asked_at: Option<Timestamp>,
}

impl Running {
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, busy_at: None, looked_at: None, asked_at: None }
    }

    /// Whether the VM has been asked whether it is busy, and has not responded yet.
    pub fn is_asked(&self) -> bool {
        self.asked_at.is_some()
    }

    /// When the VM goes down, or is asked whether it is busy, if nobody asks for it before. `None` means never.
    pub fn idle_deadline(&self, cx: &Context) -> Option<Timestamp> {
        let (idle_timeout, _) = cx.policy.on_idle?;
        let last_activity = cx.last_activity.unwrap_or(cx.since);
        let used_at = self.busy_at.map_or(last_activity, |busy_at| busy_at.max(last_activity));
        cx.schedule.awake_until().max(Some(used_at + idle_timeout))
    }

    pub fn deadlines(&self, cx: &Context, deadlines: &mut Deadlines) {
        match self.asked_at {
            Some(asked_at) => deadlines.set(Timer::BusyCheck, Some(asked_at + BUSY_CHECK_TIMEOUT)),
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

    /// The VM has said whether it is busy.
    pub fn on_busy_checked(&mut self, generation: u64, busy: bool, cx: &mut Context) -> Next {
        if self.asked_at.take().is_none() || self.endpoint.generation != generation {
            return Next::Stay;
        }
        if busy {
            self.busy_at = Some(cx.now);
            return Next::Stay;
        }
        self.stop_when_idle(cx)
    }

    /// The instance was looked at. If it does not run any more, it is started.
    pub fn on_look(&self, result: Result<Response, CallError>, cx: &mut Context) -> Next {
        let is_there = match result {
            Ok(Response::Instance(instance)) => {
                instance.status.stable() == Some(StableStatus::Running)
                    && instance.ip == Some(self.endpoint.ip)
            }
            Ok(Response::Operation(_)) => true,
            Err(error) => !error.is_not_found(),
        };
        if is_there {
            return Next::Stay;
        }
        match cx.usage.over(&cx.policy.limits, false, cx.now) {
            None => self.search(cx),
            Some(over) => {
                cx.refuse(over);
                Stop::check_first(cx.policy.way_down()).into()
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

    /// Brings the VM down if it has run this month for as long as it may.
    pub fn stop_when_exhausted(&self, cx: &mut Context) -> Next {
        match cx.usage.over(&cx.policy.limits, true, cx.now) {
            Some(over) => {
                cx.remember(FailureKind::OverLimit, over.reason);
                Stop::begin(cx.policy.way_down()).into()
            }
            None => Next::Stay,
        }
    }

    fn on_idle_timer(&mut self, cx: &mut Context) -> Next {
        match self.asked_at {
            Some(asked_at) if cx.now >= asked_at + BUSY_CHECK_TIMEOUT => self.stop_when_idle(cx),
            Some(_) => Next::Stay,
            None if !self.is_idle(cx) => Next::Stay,
            None => {
                let last_activity = cx.last_activity.unwrap_or(cx.since);
                match cx.policy.busy_limit {
                    Some(limit) if cx.now < last_activity + limit => {
                        self.asked_at = Some(cx.now);
                        cx.actions.push(Action::CheckBusy(self.endpoint));
                        Next::Stay
                    }
                    _ => self.stop_when_idle(cx),
                }
            }
        }
    }

    /// Brings the VM down, unless somebody has asked for it while it was asked whether it is busy.
    fn stop_when_idle(&mut self, cx: &Context) -> Next {
        self.asked_at = None;
        match cx.policy.on_idle.filter(|_| self.is_idle(cx)) {
            Some((_, take_down)) => Stop::begin(take_down).into(),
            None => Next::Stay,
        }
    }

    fn is_idle(&self, cx: &Context) -> bool {
        self.idle_deadline(cx).is_some_and(|deadline| cx.now >= deadline)
    }

    /// When the VM is looked at because nobody asks for it.
    fn look_at(&self, cx: &Context) -> Option<Timestamp> {
        let until = cx.schedule.awake_until().filter(|_| cx.looking.is_none())?;
        let last = cx.last_activity.max(self.looked_at).unwrap_or(cx.since);
        Some(last + LOOK_INTERVAL).filter(|at| *at < until)
    }

    /// Begins a start because the VM does not serve at its endpoint any more.
    fn search(&self, cx: &Context) -> Next {
        let silent = Some(self.endpoint.ip);
        Next::Start(Begin { began: cx.now, may_run: true, kind: StartKind::Start, silent, unresolved: None })
    }
}
