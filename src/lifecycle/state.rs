//! The states of a VM. Each contains only the data that it needs, and has its own file.

use serde::{Deserialize, Serialize};

use super::down_kind::DownKind;
use super::failed::Failed;
use super::running::Running;
use super::starting::Starting;
use super::stopping::Stopping;
use crate::vm::VmState;

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
}
