//! How a VM is, as the admin API and the library tell it.

use serde::{Deserialize, Serialize};

use super::Expected;
use crate::time::Timestamp;

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
    pub expected: Expected,
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

/// How long a cold start took, phase by phase, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColdStartRecord {
    /// When it began.
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
    /// How it was made.
    #[serde(default)]
    pub kind: StartKind,
    /// Getting access tokens.
    pub token_ms: u64,
    /// From the first request until Compute Engine said that the instance runs, tokens aside.
    pub api_ms: u64,
    /// Until the instance's port took a connection.
    pub boot_ms: u64,
    /// Until its health path answered 2xx.
    pub app_ms: u64,
    /// All of it.
    pub total_ms: u64,
}

/// How a VM was brought up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartKind {
    /// A stopped instance was started.
    #[default]
    Start,
    /// A suspended instance was resumed.
    Resume,
    /// The instance was created.
    Create,
    /// The instance ran already, or somebody else had started it.
    Found,
}

/// For `#[serde(with = "…")]`: a [`Timestamp`] as RFC 3339.
mod rfc3339 {
    use super::Timestamp;
    use serde::{de::Error as _, Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&at.to_rfc3339())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = chrono::DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
        u64::try_from(time.timestamp_millis()).map(Timestamp::from_millis).map_err(D::Error::custom)
    }
}
