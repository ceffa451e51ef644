//! What others see of a VM's life.

use super::failed::Failed;
use super::failure::Failure;
use super::progress::{Phase, Progress};
use super::state::State;
use super::Lifecycle;
use crate::compute::Difference;
use crate::time::{millis, Timestamp};
use crate::vm::{ColdStartRecord, Endpoint, PhaseEstimates, ReadyToken, VmState};

impl Lifecycle {
    /// What the VM is doing.
    pub fn vm_state(&self) -> VmState {
        match &self.state {
            State::Down(kind) => kind.vm_state(),
            State::Starting(starting) => starting.vm_state(),
            State::Running(_) => VmState::Running,
            State::Stopping(stopping) => stopping.vm_state(),
            State::Failed(_) => VmState::Failed,
        }
    }

    /// When the VM came into this state.
    pub fn since(&self) -> Timestamp {
        self.context.since
    }

    /// The zone that the calls are for: where the instance is, or was last.
    pub fn zone(&self) -> &str {
        &self.context.zone
    }

    /// Where the VM serves.
    pub fn serving(&self) -> Option<Endpoint> {
        match &self.state {
            State::Running(running) => Some(running.endpoint),
            State::Down(_) | State::Starting(_) | State::Stopping(_) | State::Failed(_) => None,
        }
    }

    /// The endpoint of a VM that is booting or running.
    pub fn endpoint(&self) -> Option<Endpoint> {
        match &self.state {
            State::Running(running) => Some(running.endpoint),
            State::Starting(starting) => starting.endpoint(),
            State::Down(_) | State::Stopping(_) | State::Failed(_) => None,
        }
    }

    /// How far the start is that is under way, or that begins as soon as the VM is down.
    pub fn progress(&self, now: Timestamp) -> Option<Progress> {
        let (phase, kind, began) = match &self.state {
            State::Starting(starting) => (starting.phase(), starting.kind(), starting.began()),
            State::Stopping(stopping) => (Phase::Starting, stopping.kind_after(), stopping.woken_at()?),
            State::Down(_) | State::Running(_) | State::Failed(_) => return None,
        };
        let elapsed_ms = millis(now.since(began));
        let expected = PhaseEstimates::of(&self.context.cold_starts, kind);
        let expected_ms = expected.map(|phases| phases.total.median_ms.max(elapsed_ms));
        Some(Progress { phase, elapsed_ms, expected_ms })
    }

    /// What went wrong last, if no start has succeeded since.
    pub fn failure(&self) -> Option<&Failure> {
        self.context.last_failure.as_ref().map(|last| &last.failure)
    }

    /// In what the instance differs from the configuration, as far as it was seen when it was last looked at.
    pub fn drift(&self) -> &[Difference] {
        &self.context.drift
    }

    /// The last cold starts, newest first.
    pub fn cold_starts(&self) -> &[ColdStartRecord] {
        &self.context.cold_starts
    }

    /// When the VM was last asked for.
    pub fn last_activity(&self) -> Option<Timestamp> {
        self.context.last_activity
    }

    /// When the running VM goes down, or is asked whether it is busy, if nobody asks for it before. `None` means that it
    /// is not running, or never goes down.
    pub fn idle_deadline(&self) -> Option<Timestamp> {
        match &self.state {
            State::Running(running) => running.idle_deadline(&self.context),
            State::Down(_) | State::Starting(_) | State::Stopping(_) | State::Failed(_) => None,
        }
    }

    /// The token of the present boot, if the VM has been given one.
    pub fn ready_token(&self) -> Option<&ReadyToken> {
        self.context.ready_token.as_ref()
    }

    /// Whether calls or probes are under way or due, so that a lost object must be woken soon.
    pub fn is_busy(&self) -> bool {
        match &self.state {
            State::Starting(_) | State::Stopping(_) => true,
            State::Running(running) => running.is_asked(),
            State::Down(_) | State::Failed(_) => false,
        }
    }

    /// Whether an instance runs, or may run, that nobody is bringing down yet.
    pub fn may_run(&self) -> bool {
        matches!(
            self.state,
            State::Starting(_) | State::Running(_) | State::Failed(Failed { may_run_since: Some(_), .. })
        )
    }
}
