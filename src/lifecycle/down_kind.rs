//! The ways in which a VM is down.

use serde::{Deserialize, Serialize};

use crate::vm::{StartKind, VmState};

/// The way in which a VM is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DownKind {
    /// The instance does not exist.
    Absent,
    /// The instance is stopped.
    Stopped,
    /// The instance is suspended.
    Suspended,
}

impl DownKind {
    /// Returns the kind of start that brings the VM up.
    pub fn start_kind(self) -> StartKind {
        match self {
            DownKind::Absent => StartKind::Create,
            DownKind::Stopped => StartKind::Start,
            DownKind::Suspended => StartKind::Resume,
        }
    }

    pub fn vm_state(self) -> VmState {
        match self {
            DownKind::Absent => VmState::Absent,
            DownKind::Stopped => VmState::Stopped,
            DownKind::Suspended => VmState::Suspended,
        }
    }
}
