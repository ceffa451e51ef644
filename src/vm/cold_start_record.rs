//! The durations of a cold start.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The durations of a cold start's phases, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColdStartRecord {
    /// The time at which it began.
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
    /// The way in which the VM was brought up.
    #[serde(default)]
    pub kind: StartKind,
    /// The time for getting access tokens.
    pub token_ms: u64,
    /// The time from the first request until Compute Engine reported that the instance runs,
    /// without `token_ms`.
    pub api_ms: u64,
    /// The time until the instance's port accepted a connection.
    pub boot_ms: u64,
    /// The time until the health path responded with 2xx.
    pub app_ms: u64,
    /// The total time.
    pub total_ms: u64,
}

/// The way in which a VM was brought up.
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
    /// The instance was already running, or was started by another client of the API.
    Found,
}

/// Serialization of a [`Timestamp`] as RFC 3339, for `#[serde(with = "rfc3339")]`.
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
