//! The states of a VM. Each contains only the data that it needs, and has its own file.

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::down_kind::DownKind;
use super::failed::Failed;
use super::progress::Phase;
use super::running::Running;
use super::starting::Starting;
use super::stopping::Stopping;
use super::timers::Deadlines;
use crate::time::Timestamp;
use crate::vm::{Endpoint, StartKind, VmState};

/// The state of a VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// To the lifecycle's knowledge the VM is down.
    Down(DownKind),
    /// The VM is being brought up.
    Starting(Starting),
    /// The VM serves requests.
    Running(Running),
    /// The VM is being taken down.
    Stopping(Stopping),
    /// The last start failed.
    Failed(Failed),
}

impl State {
    /// Returns the state as the admin API shows it.
    pub fn vm_state(&self) -> VmState {
        match self {
            State::Down(kind) => kind.vm_state(),
            State::Starting(starting) => starting.vm_state(),
            State::Running(_) => VmState::Running,
            State::Stopping(stopping) => stopping.vm_state(),
            State::Failed(_) => VmState::Failed,
        }
    }

    /// Returns whether calls or probes are in progress or due, so that a lost object must be loaded
    /// again soon.
    pub fn is_busy(&self) -> bool {
        match self {
            State::Starting(_) | State::Stopping(_) => true,
            State::Running(running) => running.is_busy_check_in_progress(),
            State::Down(_) | State::Failed(_) => false,
        }
    }

    /// Returns whether an instance is or may be running, and is not yet being taken down.
    pub fn may_run(&self) -> bool {
        matches!(
            self,
            State::Starting(_) | State::Running(_) | State::Failed(Failed { may_run_since: Some(_), .. })
        )
    }

    /// Returns the endpoint of a VM that serves.
    pub fn serving(&self) -> Option<Endpoint> {
        match self {
            State::Running(running) => Some(running.endpoint),
            State::Down(_) | State::Starting(_) | State::Stopping(_) | State::Failed(_) => None,
        }
    }

    /// Returns the endpoint of a VM that is booting or running.
    pub fn endpoint(&self) -> Option<Endpoint> {
        match self {
            State::Running(running) => Some(running.endpoint),
            State::Starting(starting) => starting.endpoint(),
            State::Down(_) | State::Stopping(_) | State::Failed(_) => None,
        }
    }

    /// Returns the phase, the kind and the beginning of the start in progress, or of the start that
    /// begins as soon as the VM is down.
    pub fn start(&self) -> Option<(Phase, StartKind, Timestamp)> {
        match self {
            State::Starting(starting) => Some((starting.phase(), starting.kind(), starting.began())),
            State::Stopping(stopping) => Some((Phase::Starting, stopping.kind_after(), stopping.woken_at()?)),
            State::Down(_) | State::Running(_) | State::Failed(_) => None,
        }
    }

    /// Returns the time at which a running VM is idle if there is no further activity.
    pub fn idle_deadline(&self, cx: &Context) -> Option<Timestamp> {
        match self {
            State::Running(running) => running.idle_deadline(cx),
            State::Down(_) | State::Starting(_) | State::Stopping(_) | State::Failed(_) => None,
        }
    }

    /// Sets the timers of the state.
    pub fn deadlines(&self, cx: &Context, deadlines: &mut Deadlines) {
        match self {
            State::Down(kind) => kind.deadlines(cx, deadlines),
            State::Starting(starting) => starting.deadlines(cx, deadlines),
            State::Running(running) => running.deadlines(cx, deadlines),
            State::Stopping(stopping) => stopping.deadlines(cx, deadlines),
            State::Failed(failed) => failed.deadlines(cx, deadlines),
        }
    }
}
