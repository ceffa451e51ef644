//! The states of a VM. Each contains only the data that it needs, and has its own file.

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
