//! What can go wrong between a request and its answer: whose fault it is, what the client may see of it, and
//! what only the log may.

use std::fmt;

use crate::config::ConfigError;
use crate::lifecycle::{Failure, FailureKind, Progress};
use crate::problem::Problem;
use crate::time::{format_duration, millis, Timestamp};
use crate::vm::Vm;

/// In seconds. When somebody will wake the VM is not known; a crawler shall not take it for gone, nor ask too often.
pub(crate) const ASLEEP_RETRY_AFTER: u64 = 300;

/// Why a request was not answered by its VM, or a call of [`Vm`] did not succeed.
///
/// Its text is for the operator and the log; a client is shown less (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The configuration is wrong: every request fails until it is mended.
    Config(ConfigError),
    /// No VM serves this host and path.
    NoRoute,
    /// The VM was not ready within its startup timeout. The next request may try again.
    StartupTimeout {
        /// The instance's name.
        vm: String,
        /// What was waited for.
        reason: String,
    },
    /// Compute Engine, or the token server, refused to start the VM.
    Refused {
        /// The instance's name.
        vm: String,
        /// What it said. It may name projects and accounts.
        reason: String,
        /// For how many seconds the answer will be the same.
        retry_after: u64,
    },
    /// The instance runs, but the server on it does not answer any more.
    ServerDown {
        /// The instance's name.
        vm: String,
        /// What was tried.
        reason: String,
    },
    /// The VM has been started as often, or has run as long, as the configuration allows.
    OverLimit {
        /// The instance's name.
        vm: String,
        /// Which limit it is.
        reason: String,
        /// After how many seconds it may run again.
        retry_after: u64,
    },
    /// The operator stopped the VM while it was starting.
    Interrupted {
        /// The instance's name.
        vm: String,
    },
    /// The VM is starting, and the configuration says not to wait for it, or not that long.
    Starting {
        /// The instance's name.
        vm: String,
        /// How far it is.
        progress: Progress,
    },
    /// The VM is asleep, and the configuration says that such a request does not wake it.
    Asleep {
        /// The instance's name.
        vm: String,
        /// The key of the rule.
        rule: &'static str,
    },
    /// The VM took the request, but did not begin to answer in time. Whether it acts on it is unknown.
    Late {
        /// The instance's name.
        vm: String,
        /// How long it had.
        reason: String,
    },
    /// The VM took the request, but gave no valid answer. Whether it acted on it is unknown.
    NoAnswer {
        /// The instance's name.
        vm: String,
        /// What happened instead.
        reason: String,
    },
    /// A fault of this program or of the platform.
    Internal(String),
}

impl Error {
    pub(crate) fn internal(reason: impl Into<String>) -> Self {
        Error::Internal(reason.into())
    }

    pub(crate) fn from_failure(vm: &Vm, failure: &Failure, now: Timestamp) -> Self {
        let (name, reason) = (vm.instance.name.clone(), failure.message.clone());
        match failure.kind {
            FailureKind::StartupTimeout => Error::StartupTimeout { vm: name, reason },
            FailureKind::ServerDown => Error::ServerDown { vm: name, reason },
            FailureKind::OverLimit => {
                let retry_after = seconds_until(failure.retry_at, now);
                Error::OverLimit { vm: name, reason, retry_after }
            }
            FailureKind::Interrupted => Error::Interrupted { vm: name },
            FailureKind::Refused | FailureKind::NotDown => {
                let retry_after = seconds_until(failure.retry_at, now);
                Error::Refused { vm: name, reason, retry_after }
            }
        }
    }

    /// What the client is told.
    pub(crate) fn problem(&self, vm: Option<&Vm>) -> Problem {
        match self {
            Error::Config(_) => Problem::misconfigured(),
            Error::NoRoute => Problem::not_found("No VM serves this address."),
            Error::StartupTimeout { .. } => Problem {
                status: 504,
                title: "The VM did not start in time",
                detail: match vm {
                    Some(vm) => format!("It was not ready within {}.", format_duration(vm.startup_timeout)),
                    None => "It was not ready within its startup timeout.".to_owned(),
                },
                retry_after: None,
            },
            Error::Refused { retry_after, .. } => Problem {
                status: 502,
                title: "The VM could not be started",
                detail: "Its operator finds the reason in the log.".to_owned(),
                retry_after: Some(*retry_after),
            },
            Error::ServerDown { .. } => Problem {
                status: 502,
                title: "The VM's server does not answer",
                detail: "The VM runs, but the server on it is down.".to_owned(),
                retry_after: Some(15),
            },
            Error::OverLimit { reason, retry_after, .. } => Problem {
                status: 503,
                title: "The VM is over its limit",
                detail: format!("It is not started now: {reason}."),
                retry_after: Some(*retry_after),
            },
            Error::Interrupted { .. } => Problem {
                status: 503,
                title: "The VM is being stopped",
                detail: "Its operator stopped it while it was starting.".to_owned(),
                retry_after: Some(10),
            },
            Error::Starting { progress, .. } => Problem {
                status: 503,
                title: "The VM is starting",
                detail: "It was asleep, and a request has woken it.".to_owned(),
                retry_after: Some(progress.retry_after()),
            },
            Error::Asleep { .. } => Problem {
                status: 503,
                title: "The VM is asleep",
                detail: "Requests like this one do not wake it.".to_owned(),
                retry_after: Some(ASLEEP_RETRY_AFTER),
            },
            Error::Late { .. } => Problem {
                status: 504,
                title: "The VM did not answer in time",
                detail: "It took the request, and may still be at work on it.".to_owned(),
                retry_after: None,
            },
            Error::NoAnswer { .. } => Problem {
                status: 502,
                title: "The VM gave no valid answer",
                detail: "It took the request, but broke off or answered no valid HTTP.".to_owned(),
                retry_after: None,
            },
            Error::Internal(_) => Problem {
                status: 500,
                title: "The proxy failed",
                detail: "Its operator finds the reason in the log.".to_owned(),
                retry_after: None,
            },
        }
    }
}

/// Whole seconds, so many that it is not too early then.
fn seconds_until(time: Timestamp, now: Timestamp) -> u64 {
    millis(time.since(now)).div_ceil(1000).max(1)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(error) => write!(f, "misconfigured: {error}"),
            Error::NoRoute => f.write_str("no VM serves this host and path"),
            Error::StartupTimeout { vm, reason }
            | Error::Late { vm, reason }
            | Error::NoAnswer { vm, reason }
            | Error::ServerDown { vm, reason }
            | Error::OverLimit { vm, reason, .. } => {
                write!(f, "{vm}: {reason}")
            }
            Error::Refused { vm, reason, .. } => write!(f, "{vm}: the start was refused: {reason}"),
            Error::Interrupted { vm } => write!(f, "{vm}: stopped by the operator while it was starting"),
            Error::Starting { vm, progress } => {
                write!(f, "{vm}: not ready after {} ms: {}", progress.elapsed_ms, progress.phase.as_str())
            }
            Error::Asleep { vm, rule } => write!(f, "{vm}: asleep, and not woken by this request ({rule})"),
            Error::Internal(reason) => write!(f, "internal error: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Error::Config(error)
    }
}
