//! Why a start or a stop failed, and how long requests are refused after it.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::doubled;
use crate::compute::TakeDown;
use crate::time::Timestamp;

/// Why a start failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What happened. For the operator and the log, not for the client.
    pub message: String,
    /// Until then every request is refused in the same way.
    pub retry_at: Timestamp,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The VM's health path did not respond 2xx within the startup timeout.
    StartupTimeout,
    /// Compute Engine, or the token server, refused.
    Refused,
    /// The instance runs, but the server on it does not respond any more.
    ServerDown,
    /// The VM has been started as often, or has run as long, as the configuration allows.
    OverLimit,
    /// The operator stopped the VM while it was starting.
    Interrupted,
    /// Compute Engine, or the token server, refused to bring the VM down. A start is another matter.
    NotDown,
}

/// The last failure, and how many there were in a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LastFailure {
    pub failure: Failure,
    pub streak: u32,
    /// The address of a VM that runs while its server does not respond.
    pub silent: Option<IpAddr>,
}

impl Failure {
    /// The response to whoever asked for `take_down` when a request has called it off.
    pub(super) fn wanted_again(take_down: TakeDown, now: Timestamp) -> Self {
        let message = format!("interrupted: the VM is wanted again, before the {}", take_down.verb());
        Self { kind: FailureKind::Interrupted, message, retry_at: now }
    }
}

impl FailureKind {
    /// How long requests are refused after a failure before one may cause another try. A start that timed out
    /// has taken its time already.
    pub(super) fn pause(self, streak: u32) -> Duration {
        match self {
            FailureKind::Refused => doubled(Duration::from_secs(10), streak - 1, Duration::from_secs(60)),
            FailureKind::StartupTimeout
            | FailureKind::ServerDown
            | FailureKind::OverLimit
            | FailureKind::Interrupted
            | FailureKind::NotDown => Duration::ZERO,
        }
    }
}
