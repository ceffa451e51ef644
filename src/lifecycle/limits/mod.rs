//! The limits on a VM's use: starts per hour, hours per month, and wakes per hour of one client.

mod usage;
mod wake_rate;

use std::time::Duration;

pub(super) use usage::Usage;
pub(super) use wake_rate::{ClientHash, WakeRateLimit};

use crate::time::Timestamp;

pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);

/// The limits on a VM's use. `None` means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of times that the VM is created, started or resumed within an hour.
    pub starts_per_hour: Option<u32>,
    /// The maximum number of hours that the VM runs in a calendar month (UTC).
    pub hours_per_month: Option<u32>,
    /// The maximum number of times that one client wakes the VM within an hour.
    pub wakes_per_hour: Option<u32>,
}

/// The reason why a start would exceed a limit, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverLimit {
    pub reason: String,
    pub until: Timestamp,
}
