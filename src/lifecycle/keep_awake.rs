//! The progress of the VM's schedule.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::schedule::Plan;
use crate::time::Timestamp;

/// The time after a failure at which a VM in an open window is started again.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// The progress of a VM's schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ScheduleState {
    awake_until: Option<Timestamp>,
    wake_at: Option<Timestamp>,
    /// `true` if the operator has taken the VM down in this window. That takes precedence over the
    /// schedule until there is a request.
    is_overridden: bool,
    /// The time at which a failed start may be tried again.
    pub try_at: Timestamp,
}

impl ScheduleState {
    /// Sets a new plan. The override and the time of the next try are kept.
    pub fn set_plan(&mut self, plan: Plan) {
        (self.awake_until, self.wake_at) = (plan.awake_until, plan.wake_at);
    }

    /// Ends the operator's override: a request needs the VM.
    pub fn clear_override(&mut self) {
        self.is_overridden = false;
    }

    /// Records that the operator takes the VM down, which overrides an open window.
    pub fn override_schedule(&mut self, now: Timestamp) {
        self.is_overridden = self.awake_until.is_some_and(|until| now < until);
    }

    /// Returns the time until which the VM does not go down for lack of requests.
    pub fn awake_until(&self) -> Option<Timestamp> {
        self.awake_until.filter(|_| !self.is_overridden)
    }

    /// Returns the time at which the schedule starts the VM next.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wake_at
    }

    /// Takes the wake if it is due. Returns whether it was.
    pub fn take_wake(&mut self, now: Timestamp) -> bool {
        self.wake_at.take_if(|at| now >= *at).is_some()
    }

    /// Ends the window if it is over.
    pub fn end_window(&mut self, now: Timestamp) {
        self.awake_until.take_if(|until| now >= *until);
    }
}
