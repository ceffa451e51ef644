//! Errors between a request and its response: whose fault they are, what clients may see, and what
//! only the log may.

use std::fmt;

use crate::config::ConfigError;
use crate::lifecycle::{Failure, FailureKind, Progress};
use crate::problem::Problem;
use crate::time::{format_duration, millis, Timestamp};
use crate::vm::Vm;

/// The `Retry-After` of a sleeping VM, in seconds. When it will wake is unknown; a crawler must
/// neither consider the page gone nor come back too often.
pub(crate) const ASLEEP_RETRY_AFTER: u64 = 300;

/// The level of a log message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A fault of the configuration or of the proxy: the operator must act.
    Error,
    /// A fault of a VM or of Google.
    Warn,
    /// A fault of a client, or something expected.
    Info,
}

/// Why a request did not get its VM's response, or a method of [`Vm`] failed.
///
/// The text is for the operator and the log; clients see less (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The configuration is not valid: every request fails until it is corrected.
    Config(ConfigError),
    /// No VM serves this host and path.
    NoRoute,
    /// The VM was not ready within its startup timeout. The next request may try again.
    StartupTimeout {
        /// The instance's name.
        vm: String,
        /// The state of the start when the timeout passed.
        reason: String,
    },
    /// Compute Engine, or the token server, refused to start the VM.
    Refused {
        /// The instance's name.
        vm: String,
        /// The error message. It may name projects and accounts.
        reason: String,
        /// The number of seconds until the next attempt.
        retry_after: u64,
    },
    /// The instance runs, but the server on it does not respond.
    ServerDown {
        /// The instance's name.
        vm: String,
        /// The attempts.
        reason: String,
    },
    /// The VM has been started as often, or has run as long, as the configuration allows.
    OverLimit {
        /// The instance's name.
        vm: String,
        /// The limit.
        reason: String,
        /// The number of seconds until the VM may run again.
        retry_after: u64,
    },
    /// The operator stopped the VM while it was starting.
    Interrupted {
        /// The instance's name.
        vm: String,
    },
    /// The VM is starting, and the configuration does not let the request wait for it, or not that
    /// long.
    Starting {
        /// The instance's name.
        vm: String,
        /// The progress of the start.
        progress: Progress,
    },
    /// The VM is asleep, and by the configuration such a request does not wake it.
    Asleep {
        /// The instance's name.
        vm: String,
        /// The key of the rule.
        rule: &'static str,
    },
    /// The VM took the request, but did not start to respond in time. Whether it acts on the
    /// request is unknown.
    ResponseTimeout {
        /// The instance's name.
        vm: String,
        /// The time that it had.
        reason: String,
    },
    /// The VM could not be reached, or sent no valid response. Whether it acted on the request is
    /// unknown.
    NoValidResponse {
        /// The instance's name.
        vm: String,
        /// The reason.
        reason: String,
    },
    /// A fault of the proxy or of the platform.
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

    /// Returns the level at which the error is logged, by whose fault it is.
    pub(crate) fn level(&self) -> Level {
        match self {
            Error::Config(_) | Error::Internal(_) => Level::Error,
            Error::StartupTimeout { .. }
            | Error::Refused { .. }
            | Error::ServerDown { .. }
            | Error::OverLimit { .. }
            | Error::ResponseTimeout { .. }
            | Error::NoValidResponse { .. } => Level::Warn,
            Error::NoRoute | Error::Interrupted { .. } | Error::Starting { .. } | Error::Asleep { .. } => {
                Level::Info
            }
        }
    }

    /// Returns the problem for the client.
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
                title: "The VM's server does not respond",
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
            Error::ResponseTimeout { .. } => Problem {
                status: 504,
                title: "The VM did not respond in time",
                detail: "It took the request, and may still be at work on it.".to_owned(),
                retry_after: None,
            },
            Error::NoValidResponse { .. } => Problem {
                status: 502,
                title: "The VM sent no valid response",
                detail: "It took the request, but its response was missing, incomplete or not valid HTTP."
                    .to_owned(),
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

/// Rounds the time until `time` up to whole seconds.
fn seconds_until(time: Timestamp, now: Timestamp) -> u64 {
    millis(time.since(now)).div_ceil(1000).max(1)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(error) => write!(f, "misconfigured: {error}"),
            Error::NoRoute => f.write_str("no VM serves this host and path"),
            Error::StartupTimeout { vm, reason }
            | Error::ResponseTimeout { vm, reason }
            | Error::NoValidResponse { vm, reason }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_says_whose_fault_an_error_is() {
        let (vm, reason) = (|| "a".to_owned(), || "r".to_owned());
        for (error, level) in [
            (Error::Config(ConfigError::new("vpc", "missing")), Level::Error),
            (Error::internal("r"), Level::Error),
            (Error::Refused { vm: vm(), reason: reason(), retry_after: 10 }, Level::Warn),
            (Error::ResponseTimeout { vm: vm(), reason: reason() }, Level::Warn),
            (Error::NoValidResponse { vm: vm(), reason: reason() }, Level::Warn),
            (Error::NoRoute, Level::Info),
            (Error::Starting { vm: vm(), progress: Progress::default() }, Level::Info),
            (Error::Asleep { vm: vm(), rule: "wake.methods" }, Level::Info),
        ] {
            assert_eq!(error.level(), level, "{error}");
        }
    }
}
