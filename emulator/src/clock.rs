//! Formats of points in time.

use std::time::{Duration, SystemTime};

/// Formats a time as Compute Engine does: in Pacific time rather than UTC. A client that only
/// parses `Z` must fail here, too.
pub fn pacific(time: SystemTime) -> String {
    let shifted = time - Duration::from_secs(8 * 3600);
    format!("{}-08:00", humantime::format_rfc3339_millis(shifted).to_string().trim_end_matches('Z'))
}

/// Formats a time as the control routes do: RFC 3339 in UTC, with milliseconds.
pub fn utc(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// Returns the milliseconds since the Unix epoch.
pub fn millis(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_millis())
}
