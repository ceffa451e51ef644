//! How long a cold start took.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

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
