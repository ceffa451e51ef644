//! How much a VM may be used: starts in an hour, hours in a month, and how often one client may wake it.

mod usage;
mod wake_rate;

use std::time::Duration;

pub(super) use usage::Usage;
pub(super) use wake_rate::{ClientHash, WakeRateLimit};

use crate::time::Timestamp;

pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);

/// How much a VM may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How often it may be created, started or resumed within an hour.
    pub starts_per_hour: Option<u32>,
    /// How many hours it may run in a calendar month (UTC).
    pub hours_per_month: Option<u32>,
    /// How often one client may wake it within an hour.
    pub wakes_per_hour: Option<u32>,
}

/// Why a start is over the limits, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverLimit {
    pub reason: String,
    pub until: Timestamp,
}
