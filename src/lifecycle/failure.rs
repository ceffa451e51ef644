//! The failure of a start or a stop, and how long requests are refused after it.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::doubled;
use crate::compute::TakeDown;
use crate::time::Timestamp;

/// The failure of a start or a stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// The reason. It is for the operator and the log, not for clients.
    pub message: String,
    /// The time until which every request is refused with this failure.
    pub retry_at: Timestamp,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The VM's health path did not respond with 2xx within the startup timeout.
    StartupTimeout,
    /// Compute Engine or the token server refused a call.
    Refused,
    /// The instance runs, but its server no longer responds.
    ServerDown,
    /// The VM has reached the maximum number of starts, or of hours, that the configuration allows.
    OverLimit,
    /// The operator took the VM down while it was starting.
    Interrupted,
    /// Compute Engine or the token server refused to take the VM down. This does not prevent a
    /// start.
    NotDown,
}

/// The last failure, and the number of consecutive failures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LastFailure {
    pub failure: Failure,
    pub streak: u32,
    /// The address of a VM that runs, but whose server does not respond.
    pub silent: Option<IpAddr>,
}

impl Failure {
    /// Returns the failure of a `take_down` that a request has cancelled.
    pub(super) fn cancelled_by_request(take_down: TakeDown, now: Timestamp) -> Self {
        let message = format!("interrupted: a request needs the VM, which cancels the {}", take_down.verb());
        Self { kind: FailureKind::Interrupted, message, retry_at: now }
    }
}

impl FailureKind {
    /// Returns how long requests are refused after a failure. After a startup timeout there is no
    /// pause, because the start itself has taken long enough.
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
