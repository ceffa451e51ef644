//! Following a schedule: the VM is started when its time has come, and kept up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::Action;
use super::running::Up;
use super::state::State;
use super::Lifecycle;
use crate::compute::{Answer, Call, CallError, Settled};
use crate::schedule::Plan;
use crate::time::Timestamp;
use crate::vm::Endpoint;

/// How long after a failure a VM that is to be awake is started again.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// How often a VM that is kept awake is looked at while nobody asks for it: nobody else would notice that it has
/// been preempted. Seldom, because each look is a call.
const LOOK_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How far the VM is with its schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Following {
    awake_until: Option<Timestamp>,
    wake_at: Option<Timestamp>,
    /// Whether the operator has brought the VM down in this window. That goes before it until the VM is asked for.
    is_overruled: bool,
    /// When a start that has failed may be tried again.
    pub try_at: Timestamp,
}

impl Lifecycle {
    /// The schedule is another one. What was planned by the old one is off.
    pub fn forget_plan(&mut self) {
        self.following = Following::default();
    }

    /// What the schedule means now. What the last plan has come to is not forgotten.
    pub(super) fn planned(&mut self, plan: Plan, now: Timestamp, actions: &mut Vec<Action>) {
        self.wake_if_due(now, actions);
        (self.following.awake_until, self.following.wake_at) = (plan.awake_until, plan.wake_at);
    }

    /// Starts the VM if its time has come, or if it is to be awake and is not.
    pub(super) fn follow(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        self.wake_if_due(now, actions);
        self.following.awake_until.take_if(|until| now >= *until);
        if self.start_due_at().is_some_and(|at| now >= at) {
            self.wake_for_nobody(now, actions);
        }
    }

    /// When [`follow`](Self::follow) has something to do.
    pub(super) fn follow_at(&self) -> Option<Timestamp> {
        self.following.wake_at.into_iter().chain(self.start_due_at()).min()
    }

    /// The operator wants the VM down, whatever its schedule says.
    pub(super) fn overrule(&mut self, now: Timestamp) {
        self.following.is_overruled = self.following.awake_until.is_some_and(|until| now < until);
    }

    /// The VM is asked for, which ends the operator's stop.
    pub(super) fn obey(&mut self, now: Timestamp) {
        self.last_activity = Some(now);
        self.following.is_overruled = false;
    }

    /// Until when the VM does not go down for want of requests.
    pub(super) fn awake_until(&self) -> Option<Timestamp> {
        self.following.awake_until.filter(|_| !self.following.is_overruled)
    }

    /// When a running VM is looked at.
    pub(super) fn look_at(&self, up: &Up) -> Option<Timestamp> {
        let until = self.awake_until().filter(|_| self.peeking.is_none())?;
        let last = self.last_activity.max(up.looked_at).unwrap_or(self.since);
        Some(last + LOOK_INTERVAL).filter(|at| *at < until)
    }

    /// Looks at a running VM that nobody has asked for in a while.
    pub(super) fn look_while_running(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let State::Running(up) = &self.state else { return };
        if self.look_at(up).is_none_or(|at| now < at) {
            return;
        }
        if let State::Running(up) = &mut self.state {
            up.looked_at = Some(now);
        }
        actions.push(Action::Call(self.next_peek(), Call::Look));
    }

    /// A running VM was looked at. If it does not run any more, it is started.
    pub(super) fn looked_while_running(
        &mut self,
        endpoint: Endpoint,
        result: Result<Answer, CallError>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let is_there = match result {
            Ok(Answer::Instance(instance)) => {
                instance.status.settled() == Some(Settled::Running) && instance.ip == Some(endpoint.ip)
            }
            Ok(Answer::Operation(_)) => true,
            Err(error) => !error.is_not_found(),
        };
        if is_there {
            return;
        }
        match self.usage.over(&self.policy.limits, false, now) {
            None => self.begin_search(endpoint, now),
            Some(over) => {
                self.refuse(over, now, actions);
                self.look_and_sleep(self.policy.way_down(), None, now);
            }
        }
    }

    fn wake_if_due(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if self.following.wake_at.take_if(|at| now >= *at).is_some() {
            self.wake_for_nobody(now, actions);
        }
    }

    /// As a request does; but there is none to be answered.
    fn wake_for_nobody(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if let State::Running(_) = self.state {
            self.obey(now);
        } else {
            self.wake(None, false, None, now, actions);
        }
    }

    fn start_due_at(&self) -> Option<Timestamp> {
        let (State::Down(_) | State::Failed { .. }) = self.state else { return None };
        let until = self.awake_until()?;
        let refused_until = self.failure().map_or(Timestamp::default(), |failure| failure.retry_at);
        Some(self.following.try_at.max(refused_until)).filter(|at| *at < until)
    }
}
