//! The usage of a VM: starts in an hour, hours in a month.

use std::time::Duration;

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{Limits, OverLimit, WakeRateLimit, HOUR};
use crate::time::Timestamp;

/// The usage of a VM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The starts of the last hour, oldest first.
    starts: Vec<Timestamp>,
    /// The running time of this month, up to the last time the VM went down.
    ran: Duration,
    up_since: Option<Timestamp>,
    /// The end of the month that `ran` refers to.
    month_ends: Timestamp,
    #[serde(default)]
    pub wakes: WakeRateLimit,
}

impl Usage {
    /// Counts a start: the VM is being created, started or resumed.
    pub fn count_start(&mut self, now: Timestamp) {
        self.starts.retain(|start| now.since(*start) < HOUR);
        self.starts.push(now);
    }

    /// Begins to measure the running time, for which the VM costs money.
    pub fn start_metering(&mut self, now: Timestamp) {
        self.roll_over_month(now);
        self.up_since.get_or_insert(now);
    }

    /// Ends the measurement of the running time: the VM is down.
    pub fn stop_metering(&mut self, now: Timestamp) {
        self.roll_over_month(now);
        if let Some(up_since) = self.up_since.take() {
            self.ran += now.since(up_since);
        }
    }

    /// Returns the reason why the VM may not be started now. `None` means that it may. `force`
    /// lifts the limit of starts, but not of hours: a VM that has used them up would be stopped at
    /// once.
    pub fn over(&mut self, limits: &Limits, force: bool, now: Timestamp) -> Option<OverLimit> {
        self.starts.retain(|start| now.since(*start) < HOUR);
        if let Some(max) = limits.starts_per_hour.filter(|_| !force) {
            let surplus = self.starts.len().saturating_sub(usize::try_from(max).unwrap_or(usize::MAX));
            if self.starts.len() >= usize::try_from(max).unwrap_or(usize::MAX) {
                let until = self.starts.get(surplus).map_or(now, |oldest| *oldest + HOUR);
                let reason =
                    format!("the VM has been started {max} times within an hour (max_starts_per_hour)");
                return Some(OverLimit { reason, until });
            }
        }
        self.roll_over_month(now);
        self.is_exhausted(limits, now).then(|| OverLimit {
            reason: "the VM has used up its hours of this month (max_hours_per_month)".to_owned(),
            until: self.month_ends,
        })
    }

    /// Returns whether the VM has used up its hours of the month, which is that of the last
    /// [`roll_over_month`](Self::roll_over_month).
    pub fn is_exhausted(&self, limits: &Limits, now: Timestamp) -> bool {
        let ran = self.ran + self.up_since.map_or(Duration::ZERO, |up_since| now.since(up_since));
        limits.hours_per_month.is_some_and(|max| ran >= hours(max))
    }

    /// Returns the time at which a VM that is up has used up its hours, or at which the month ends.
    pub fn check_at(&self, limits: &Limits) -> Option<Timestamp> {
        let left = hours(limits.hours_per_month?).saturating_sub(self.ran);
        Some((self.up_since? + left).min(self.month_ends))
    }

    /// Resets the running time if a new month has begun.
    pub fn roll_over_month(&mut self, now: Timestamp) {
        if now < self.month_ends {
            return;
        }
        if let Some(up_since) = &mut self.up_since {
            *up_since = (*up_since).max(month_begins(now));
        }
        self.ran = Duration::ZERO;
        self.month_ends = next_month(now);
    }
}

fn hours(hours: u32) -> Duration {
    HOUR * hours
}

fn month_begins(now: Timestamp) -> Timestamp {
    first_of_month(now).map_or(now, timestamp)
}

fn next_month(now: Timestamp) -> Timestamp {
    let next = first_of_month(now).and_then(|first| first.checked_add_months(Months::new(1)));
    // A time outside the calendar's range does not occur; the length of a long month is as good as
    // any other value.
    next.map_or(now + 31 * 24 * HOUR, timestamp)
}

fn first_of_month(now: Timestamp) -> Option<NaiveDate> {
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(i64::try_from(now.as_millis()).ok()?)?;
    time.date_naive().with_day(1)
}

fn timestamp(date: NaiveDate) -> Timestamp {
    let millis = date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(rfc3339: &str) -> Timestamp {
        let time = DateTime::parse_from_rfc3339(rfc3339).unwrap();
        Timestamp::from_millis(u64::try_from(time.timestamp_millis()).unwrap())
    }

    #[test]
    fn starts_are_counted_over_any_hour() {
        let limits = Limits { starts_per_hour: Some(2), ..Limits::default() };
        let mut usage = Usage::default();
        usage.count_start(at("2026-11-22T10:00:00Z"));
        assert_eq!(usage.over(&limits, false, at("2026-11-22T10:29:59Z")), None);
        usage.count_start(at("2026-11-22T10:30:00Z"));
        let over = usage.over(&limits, false, at("2026-11-22T10:30:00Z")).unwrap();
        assert_eq!(over.until, at("2026-11-22T11:00:00Z"));
        assert!(over.reason.contains("max_starts_per_hour"));
        assert_eq!(usage.over(&limits, true, at("2026-11-22T10:30:00Z")), None);
        assert_eq!(usage.over(&limits, false, at("2026-11-22T11:00:00Z")), None);
    }

    #[test]
    fn hours_are_counted_by_the_calendar_month() {
        let limits = Limits { hours_per_month: Some(10), ..Limits::default() };
        let mut usage = Usage::default();
        usage.start_metering(at("2026-11-10T00:00:00Z"));
        usage.stop_metering(at("2026-11-10T08:00:00Z"));
        assert_eq!(usage.over(&limits, false, at("2026-11-11T00:00:00Z")), None);
        usage.start_metering(at("2026-11-11T00:00:00Z"));
        assert_eq!(usage.check_at(&limits), Some(at("2026-11-11T02:00:00Z")));
        let over = usage.over(&limits, true, at("2026-11-11T02:00:00Z")).unwrap();
        assert_eq!(over.until, at("2026-12-01T00:00:00Z"));
        usage.stop_metering(at("2026-11-11T02:00:00Z"));
        assert!(usage.over(&limits, false, at("2026-11-30T23:59:59Z")).is_some());
        assert_eq!(usage.over(&limits, false, at("2026-12-01T00:00:00Z")), None);
    }

    #[test]
    fn a_vm_that_runs_into_the_next_month_has_used_up_only_that_months_part() {
        let limits = Limits { hours_per_month: Some(10), ..Limits::default() };
        let mut usage = Usage::default();
        usage.start_metering(at("2026-12-31T20:00:00Z"));
        assert_eq!(usage.check_at(&limits), Some(at("2027-01-01T00:00:00Z")), "not before the month ends");
        usage.roll_over_month(at("2027-01-01T09:59:59Z"));
        assert!(!usage.is_exhausted(&limits, at("2027-01-01T09:59:59Z")));
        assert_eq!(usage.check_at(&limits), Some(at("2027-01-01T10:00:00Z")));
        assert!(usage.is_exhausted(&limits, at("2027-01-01T10:00:00Z")));
    }

    #[test]
    fn without_limits_nothing_is_over() {
        let mut usage = Usage::default();
        let now = at("2026-11-22T10:00:00Z");
        for _ in 0..100 {
            usage.count_start(now);
        }
        usage.start_metering(now);
        assert_eq!(usage.over(&Limits::default(), false, now + 1000 * HOUR), None);
    }
}
