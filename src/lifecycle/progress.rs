//! How far a start is: what a request is told that does not wait for its end.

use serde::{Deserialize, Serialize};

/// When nothing is known of how long a start takes, the next look is worth it after this many seconds.
const UNKNOWN: u64 = 10;

/// The same, when a start takes longer than expected.
const OVERDUE: u64 = 5;

/// However long a start is expected to take, it may be over sooner.
const LONGEST: u64 = 120;

/// How far a start is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is waited for.
    pub phase: Phase,
    /// How long it has taken so far.
    pub elapsed_ms: u64,
    /// How long it takes in all, as far as the last starts tell: never less than it has taken so far.
    pub expected_ms: Option<u64>,
}

/// What a start waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// An access token, or Google's word on how the instance is.
    #[default]
    Asking,
    /// The instance is made, started or resumed; or it is on its way down first.
    Starting,
    /// The instance runs; its port takes no connections yet.
    Booting,
    /// The port takes connections; the health path does not answer 2xx yet.
    App,
}

impl Progress {
    /// How long it is expected to take yet, in milliseconds.
    pub fn rest_ms(&self) -> Option<u64> {
        self.expected_ms.map(|expected| expected.saturating_sub(self.elapsed_ms))
    }

    /// After how many seconds it is worth asking again: `Retry-After` (RFC 9110, section 10.2.3).
    pub fn retry_after(&self) -> u64 {
        match self.rest_ms() {
            None => UNKNOWN,
            Some(0) => OVERDUE,
            Some(rest) => rest.div_ceil(1000).min(LONGEST),
        }
    }
}

impl Phase {
    /// Its name.
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
