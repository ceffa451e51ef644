//! Timestamps as text.

use std::time::{Duration, SystemTime};

/// Compute Engine writes its timestamps in Pacific time, not in UTC, and so does the emulator: a client
/// that only reads `Z` must fail here too.
pub fn pacific(time: SystemTime) -> String {
    let shifted = time - Duration::from_secs(8 * 3600);
    format!("{}-08:00", humantime::format_rfc3339_millis(shifted).to_string().trim_end_matches('Z'))
}

/// RFC 3339 in UTC, to the millisecond: what the control routes speak.
pub fn utc(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// Milliseconds since the Unix epoch.
pub fn millis(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_millis())
}
