//! The states of a VM. Each holds only what it needs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Endpoint, Failure};
use super::sleep::Sleep;
use super::start::Start;
use crate::compute::Mutation;
use crate::time::Timestamp;
use crate::vm::{OnIdle, Vm, VmState};

/// How many cold starts are remembered.
pub(super) const KEPT_COLD_STARTS: usize = 10;

/// The state of a VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The VM is down, as far as is known.
    Down(DownKind),
    /// The VM is on its way up.
    Starting(Start),
    /// The VM serves at this endpoint.
    Running(Endpoint),
    /// The VM is on its way down.
    Sleeping(Sleep),
    /// The last start failed.
    Failed {
        /// When the VM is brought down, because the start may have left something running.
        sleep_at: Option<Timestamp>,
    },
}

/// In which way a VM is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownKind {
    /// There is no instance.
    Absent,
    /// It is stopped.
    Stopped,
    /// It is suspended.
    Suspended,
}

impl DownKind {
    pub(super) fn vm_state(self) -> VmState {
        match self {
            DownKind::Absent => VmState::Absent,
            DownKind::Stopped => VmState::Stopped,
            DownKind::Suspended => VmState::Suspended,
        }
    }
}

/// What the configuration says about a VM's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The server's port.
    pub port: u16,
    /// How long a start may take.
    pub startup_timeout: Duration,
    /// After how long without activity the VM goes down, and how. `None`: never.
    pub on_idle: Option<(Duration, Mutation)>,
}

impl Policy {
    /// The policy of a configured VM.
    pub fn of(vm: &Vm) -> Self {
        let mutation = match vm.on_idle {
            OnIdle::Stop => Some(Mutation::Stop),
            OnIdle::Suspend => Some(Mutation::Suspend),
            OnIdle::Delete => Some(Mutation::Delete),
            OnIdle::Never => None,
        };
        // An isolate reports activity once per touch interval, so what is known may be older than the truth
        // by that much.
        let idle_timeout = vm.idle_timeout + vm.touch_interval();
        Self {
            port: vm.port,
            startup_timeout: vm.startup_timeout,
            on_idle: mutation.map(|mutation| (idle_timeout, mutation)),
        }
    }
}

/// A failure, and how many there were in a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Trouble {
    pub failure: Failure,
    pub streak: u32,
}
