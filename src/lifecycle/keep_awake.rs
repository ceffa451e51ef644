//! The VM's schedule: how far the VM is with it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::schedule::Plan;
use crate::time::Timestamp;

/// How long after a failure a VM that is to be awake is started again.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// How far the VM is with its schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ScheduleState {
    awake_until: Option<Timestamp>,
    wake_at: Option<Timestamp>,
    /// Whether the operator has brought the VM down in this window. That takes precedence until the VM is asked for.
    is_overridden: bool,
    /// When a start that has failed may be tried again.
    pub try_at: Timestamp,
}

impl ScheduleState {
    /// Takes a new plan. What the last plan has come to is kept.
    pub fn set_plan(&mut self, plan: Plan) {
        (self.awake_until, self.wake_at) = (plan.awake_until, plan.wake_at);
    }

    /// The VM is asked for, which ends the operator's stop.
    pub fn clear_override(&mut self) {
        self.is_overridden = false;
    }

    /// The operator wants the VM down, whatever its schedule says.
    pub fn override_schedule(&mut self, now: Timestamp) {
        self.is_overridden = self.awake_until.is_some_and(|until| now < until);
    }

    /// Until when the VM does not go down for want of requests.
    pub fn awake_until(&self) -> Option<Timestamp> {
        self.awake_until.filter(|_| !self.is_overridden)
    }

    /// When the schedule starts the VM next.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wake_at
    }

    /// Takes the wake, if its time has come.
    pub fn take_wake(&mut self, now: Timestamp) -> bool {
        self.wake_at.take_if(|at| now >= *at).is_some()
    }

    /// Ends the window, if its time has come.
    pub fn end_window(&mut self, now: Timestamp) {
        self.awake_until.take_if(|until| now >= *until);
    }
}
