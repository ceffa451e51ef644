//! The clock.

use crate::time::Timestamp;

/// Returns the time. The runtime's clock stands still while code runs and moves on with I/O.
#[allow(clippy::disallowed_methods)] // The only place that reads the clock.
pub(crate) fn now() -> Timestamp {
    // Whole milliseconds, positive, and below 2^53: nothing is lost.
    Timestamp::from_millis(js_sys::Date::now() as u64)
}
