//! The progress of a start, for requests that do not wait for its end.

use serde::{Deserialize, Serialize};

/// The `Retry-After` in seconds while the duration of starts is unknown.
const RETRY_AFTER_UNKNOWN: u64 = 10;

/// The `Retry-After` in seconds of a start that takes longer than expected.
const RETRY_AFTER_OVERDUE: u64 = 5;

/// The maximum `Retry-After` in seconds: a start may end sooner than expected.
const MAX_RETRY_AFTER: u64 = 120;

/// The progress of a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The phase that the start is in.
    pub phase: Phase,
    /// The time since the beginning, in milliseconds.
    pub elapsed_ms: u64,
    /// The expected total time in milliseconds, based on the last starts, but at least
    /// `elapsed_ms`. `None` means that there is no estimate.
    pub expected_ms: Option<u64>,
}

/// The phase of a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waiting for an access token, or for the instance's status.
    #[default]
    Asking,
    /// The instance is being created, started or resumed, or going down first.
    Starting,
    /// The instance runs, but its port accepts no connections yet.
    Booting,
    /// The port accepts connections, but the health path does not respond with 2xx yet.
    App,
}

impl Progress {
    /// Returns the expected remaining time, in milliseconds.
    pub fn rest_ms(&self) -> Option<u64> {
        self.expected_ms.map(|expected| expected.saturating_sub(self.elapsed_ms))
    }

    /// Returns the number of seconds after which a client should send the request again:
    /// `Retry-After` (RFC 9110, section 10.2.3).
    pub fn retry_after(&self) -> u64 {
        match self.rest_ms() {
            None => RETRY_AFTER_UNKNOWN,
            Some(0) => RETRY_AFTER_OVERDUE,
            Some(rest) => rest.div_ceil(1000).min(MAX_RETRY_AFTER),
        }
    }
}

impl Phase {
    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Asking => "asking",
            Phase::Starting => "starting",
            Phase::Booting => "booting",
            Phase::App => "app",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_does_not_wait_comes_back_when_it_should_be_over() {
        for (elapsed_ms, expected_ms, retry_after) in [
            (0, None, 10),
            (0, Some(30_000), 30),
            (29_100, Some(30_000), 1),
            (12_345, Some(30_000), 18),
            (30_000, Some(30_000), 5),
            (0, Some(3_600_000), 120),
        ] {
            let progress = Progress { phase: Phase::Booting, elapsed_ms, expected_ms };
            assert_eq!(progress.retry_after(), retry_after, "{progress:?}");
        }
    }
}
