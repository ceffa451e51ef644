//! Points in time, and durations in the configuration.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Returns the point in time `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the whole seconds since the Unix epoch: the unit of `iat` and `exp` (RFC 7519,
    /// NumericDate).
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Returns the time that has passed since `earlier`; zero if `earlier` is later, which happens
    /// after a clock step.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Formats the time as RFC 3339 in UTC, with milliseconds.
    pub fn to_rfc3339(self) -> String {
        i64::try_from(self.0)
            .ok()
            .and_then(DateTime::from_timestamp_millis)
            .unwrap_or_default()
            .to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

/// Returns a duration's whole milliseconds, at most `u64::MAX`.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The form of a duration in the configuration, for error messages.
pub(crate) const DURATION: &str = "a duration: an integer and a unit (ms, s, m, h or d), such as \"90s\"";

/// Parses a duration such as `90s`, `15m`, `2h` or `500ms`.
///
/// # Errors
/// Returns a message that states what is wrong and what is allowed.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is not {DURATION}");
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(refused)?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| refused())?;
    let unit_millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(refused()),
    };
    number.checked_mul(unit_millis).map(Duration::from_millis).ok_or_else(refused)
}

/// Formats a duration so that [`parse_duration`] reads it, in the largest unit that is exact.
pub fn format_duration(duration: Duration) -> String {
    let millis = millis(duration);
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units.iter().find(|(size, _)| millis > 0 && millis.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", millis / size),
        None => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_alike() {
        for text in ["500ms", "90s", "15m", "2h", "7d", "0ms"] {
            assert_eq!(parse_duration(text).map(format_duration), Ok(text.to_owned()));
        }
        assert_eq!(parse_duration("60s").map(format_duration), Ok("1m".to_owned()));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_rule() {
        for text in ["", "15", "m", "1.5h", "-5s", "15 m", "15min", "99999999999999999d"] {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains(&format!("{text:?}")) && error.contains("ms, s, m, h or d"), "{error}");
        }
    }

    #[test]
    fn timestamps_are_rfc_3339_in_utc() {
        assert_eq!(Timestamp::from_millis(1_763_837_663_042).to_rfc3339(), "2025-11-22T18:54:23.042Z");
    }

    #[test]
    fn time_never_runs_backwards() {
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
    }
}
