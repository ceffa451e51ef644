//! What others see of a VM's life.

use super::event::Failure;
use super::state::State;
use super::{Lifecycle, Phase, Progress};
use crate::compute::Difference;
use crate::time::{millis, Timestamp};
use crate::vm::{ColdStartRecord, Endpoint, PhaseEstimates, VmState};

impl Lifecycle {
    /// What the VM is doing.
    pub fn vm_state(&self) -> VmState {
        match &self.state {
            State::Down(kind) => kind.vm_state(),
            State::Starting(start) => start.vm_state(),
            State::Running(_) => VmState::Running,
            State::Sleeping(sleep) => sleep.vm_state(),
            State::Failed { .. } => VmState::Failed,
        }
    }

    /// When the VM came into this state.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// The zone that the calls are for: where the instance is, or was last.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Where the VM serves.
    pub fn serving(&self) -> Option<Endpoint> {
        match &self.state {
            State::Running(up) => Some(up.endpoint),
            State::Down(_) | State::Starting(_) | State::Sleeping(_) | State::Failed { .. } => None,
        }
    }

    /// The endpoint of a VM that is booting or running.
    pub fn endpoint(&self) -> Option<Endpoint> {
        match &self.state {
            State::Running(up) => Some(up.endpoint),
            State::Starting(start) => start.endpoint(),
            State::Down(_) | State::Sleeping(_) | State::Failed { .. } => None,
        }
    }

    /// How far the start is that is under way, or that begins as soon as the VM is down.
    pub fn progress(&self, now: Timestamp) -> Option<Progress> {
        let (phase, kind, began) = match &self.state {
            State::Starting(start) => (start.phase(), start.kind(), start.began()),
            State::Sleeping(sleep) => (Phase::Starting, sleep.kind_after(), sleep.woken_at()?),
            State::Down(_) | State::Running(_) | State::Failed { .. } => return None,
        };
        let elapsed_ms = millis(now.since(began));
        let expected = PhaseEstimates::of(&self.cold_starts, kind);
        let expected_ms = expected.map(|phases| phases.total.median_ms.max(elapsed_ms));
        Some(Progress { phase, elapsed_ms, expected_ms })
    }

    /// What went wrong last, if no start has succeeded since.
    pub fn failure(&self) -> Option<&Failure> {
        self.trouble.as_ref().map(|trouble| &trouble.failure)
    }

    /// In what the instance differs from the configuration, as far as it was seen when it was last looked at.
    pub fn drift(&self) -> &[Difference] {
        &self.drift
    }

    /// The last cold starts, newest first.
    pub fn cold_starts(&self) -> &[ColdStartRecord] {
        &self.cold_starts
    }

    /// When the VM was last asked for.
    pub fn last_activity(&self) -> Option<Timestamp> {
        self.last_activity
    }

    /// Whether calls or probes are under way or due, so that a lost object must be woken soon.
    pub fn is_busy(&self) -> bool {
        match &self.state {
            State::Starting(_) | State::Sleeping(_) => true,
            State::Running(up) => up.is_asked(),
            State::Down(_) | State::Failed { .. } => false,
        }
    }

    /// Whether an instance runs, or may run, that nobody is bringing down yet.
    pub fn may_run(&self) -> bool {
        matches!(
            self.state,
            State::Starting(_) | State::Running(_) | State::Failed { may_run_since: Some(_), .. }
        )
    }
}
