//! The states of a VM. Each holds only what it needs, in a file of its own.

use serde::{Deserialize, Serialize};

use super::down_kind::DownKind;
use super::failed::Failed;
use super::running::Running;
use super::starting::Starting;
use super::stopping::Stopping;

/// The state of a VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// The VM is down, as far as is known.
    Down(DownKind),
    /// The VM is on its way up.
    Starting(Starting),
    /// The VM serves.
    Running(Running),
    /// The VM is on its way down.
    Stopping(Stopping),
    /// The last start failed.
    Failed(Failed),
}
