//! The status of a VM, which the admin API and the library report.

use serde::{Deserialize, Serialize};

use super::{ColdStartRecord, StartEstimates};

/// The status of a VM, which the admin API and [`Vm::status`](crate::Vm::status) return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The instance's name.
    pub name: String,
    /// The path that the VM serves.
    pub path: String,
    /// The VM's state.
    pub state: VmState,
    /// The instance's zone.
    pub zone: String,
    /// The address of a VM that is booting or running. `None` in all other states.
    pub public_ip: Option<String>,
    /// The time at which the VM entered this state, in RFC 3339.
    pub since: String,
    /// The time of the last activity, in RFC 3339.
    pub last_activity: Option<String>,
    /// The time at which the VM goes down if there is no further activity, in RFC 3339.
    pub idle_deadline: Option<String>,
    /// The reason why the last start or stop failed. It is for the operator: it may name projects
    /// and accounts.
    pub error: Option<String>,
    /// The differences between the instance and the configuration, as of the last start.
    pub drift: Vec<String>,
    /// The last cold starts, newest first: ten of each kind.
    pub cold_starts: Vec<ColdStartRecord>,
    /// Estimates of how long a cold start takes, based on `cold_starts`.
    #[serde(skip_deserializing)]
    pub expected: StartEstimates,
}

/// The state of a VM. `Running` means ready and serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VmState {
    /// To the proxy's knowledge there is no instance.
    Absent,
    /// The instance is stopped (`TERMINATED`).
    Stopped,
    /// The instance is suspended.
    Suspended,
    /// The instance is being created, started or resumed.
    Starting,
    /// The instance runs, but its server does not respond yet.
    Booting,
    /// The instance's health path has responded with 2xx.
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
