//! The getters of the lifecycle.

use super::failure::Failure;
use super::progress::Progress;
use super::Lifecycle;
use crate::compute::Difference;
use crate::time::{millis, Timestamp};
use crate::vm::{ColdStartRecord, Endpoint, PhaseEstimates, ReadyToken, VmState};

/// The properties of the VM that an event's actions need.
pub struct View<'a> {
    /// The VM's state.
    pub state: VmState,
    /// The endpoint of a VM that serves.
    pub serving: Option<Endpoint>,
    /// The zone of the calls.
    pub zone: &'a str,
    /// The token of the present boot.
    pub ready_token: Option<&'a ReadyToken>,
}

impl Lifecycle {
    /// Returns the VM's state.
    pub fn vm_state(&self) -> VmState {
        self.state.vm_state()
    }

    /// Returns the time at which the VM entered this state.
    pub fn since(&self) -> Timestamp {
        self.context.since
    }

    /// Returns the zone of the calls, in which the instance is, or was last.
    pub fn zone(&self) -> &str {
        &self.context.zone
    }

    /// Returns the endpoint of a VM that serves. `None` means that it does not serve.
    pub fn serving(&self) -> Option<Endpoint> {
        self.state.serving()
    }

    /// Returns the endpoint of a VM that is booting or running. `None` in all other states.
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.state.endpoint()
    }

    /// Returns the progress of the start in progress, or of the start that begins as soon as the VM
    /// is down.
    pub fn progress(&self, now: Timestamp) -> Option<Progress> {
        let (phase, kind, began) = self.state.start()?;
        let elapsed_ms = millis(now.since(began));
        let expected = PhaseEstimates::of(&self.context.cold_starts, kind);
        let expected_ms = expected.map(|phases| phases.total.median_ms.max(elapsed_ms));
        Some(Progress { phase, elapsed_ms, expected_ms })
    }

    /// Returns the last failure, if no start has succeeded since.
    pub fn failure(&self) -> Option<&Failure> {
        self.context.last_failure.as_ref().map(|last| &last.failure)
    }

    /// Returns the differences between the instance and the configuration, as of the last look.
    pub fn drift(&self) -> &[Difference] {
        &self.context.drift
    }

    /// Returns the last cold starts, newest first.
    pub fn cold_starts(&self) -> &[ColdStartRecord] {
        &self.context.cold_starts
    }

    /// Returns the time of the last activity.
    pub fn last_activity(&self) -> Option<Timestamp> {
        self.context.last_activity
    }

    /// Returns the time of the running VM's next busy check, or at which it goes down, if there is
    /// no further activity. `None` means that it is not running, or never goes down.
    pub fn idle_deadline(&self) -> Option<Timestamp> {
        self.state.idle_deadline(&self.context)
    }

    /// Returns the token of the present boot. `None` means that the VM has none.
    pub fn ready_token(&self) -> Option<&ReadyToken> {
        self.context.ready_token.as_ref()
    }

    /// Returns whether calls or probes are in progress or due.
    pub fn is_busy(&self) -> bool {
        self.state.is_busy()
    }

    /// Returns whether an instance is or may be running, and is not yet being taken down.
    pub fn may_run(&self) -> bool {
        self.state.may_run()
    }

    /// Returns the properties of the VM that an event's actions need.
    pub fn view(&self) -> View<'_> {
        View {
            state: self.state.vm_state(),
            serving: self.state.serving(),
            zone: &self.context.zone,
            ready_token: self.context.ready_token.as_ref(),
        }
    }
}
