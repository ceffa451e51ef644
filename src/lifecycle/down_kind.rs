//! In which way a VM is down.

use serde::{Deserialize, Serialize};

use crate::vm::{StartKind, VmState};

/// In which way a VM is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DownKind {
    /// There is no instance.
    Absent,
    /// It is stopped.
    Stopped,
    /// It is suspended.
    Suspended,
}

impl DownKind {
    /// How the VM comes up from there.
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
