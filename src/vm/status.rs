//! How a VM is, as the admin API and the library tell it.

use serde::{Deserialize, Serialize};

use super::{ColdStartRecord, StartEstimates};

/// A VM as the admin API and [`Vm::status`](crate::Vm::status) show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The instance's name.
    pub name: String,
    /// The path that the VM serves.
    pub path: String,
    /// What the VM is doing.
    pub state: VmState,
    /// The instance's zone.
    pub zone: String,
    /// The address of a VM that is booting or running.
    pub public_ip: Option<String>,
    /// When the VM came into this state, RFC 3339.
    pub since: String,
    /// When the VM was last asked for, RFC 3339.
    pub last_activity: Option<String>,
    /// When the VM goes down if nobody asks for it, RFC 3339.
    pub idle_deadline: Option<String>,
    /// Why the last start or stop failed. For the operator: it may name projects and accounts.
    pub error: Option<String>,
    /// In what the instance differs from the configuration, as far as it was seen at the last start.
    pub drift: Vec<String>,
    /// The last cold starts, newest first: ten of each kind.
    pub cold_starts: Vec<ColdStartRecord>,
    /// How long a cold start takes, as far as they tell.
    #[serde(skip_deserializing)]
    pub expected: StartEstimates,
}

/// What a VM is doing. `Running` means healthy and serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VmState {
    /// There is no instance, as far as the proxy knows.
    Absent,
    /// The instance is stopped (`TERMINATED`).
    Stopped,
    /// The instance is suspended.
    Suspended,
    /// Compute Engine is being asked to create, start or resume the instance.
    Starting,
    /// The instance runs; its server does not answer yet.
    Booting,
    /// The instance's health path has answered 2xx.
    Running,
    /// The instance is being stopped.
    Stopping,
    /// The instance is being suspended.
    Suspending,
    /// The instance is being deleted.
    Deleting,
    /// The last start failed.
    Failed,
}
