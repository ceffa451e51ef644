//! The timers: everything that the lifecycle does without an external event.

use crate::time::Timestamp;

/// The purpose of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The present call of a start or a take-down is made, for the first time or again.
    Call,
    /// The instance is looked at while its operation is in progress: the address is often assigned
    /// early.
    EarlyLook,
    /// The health path is probed.
    Probe,
    /// A start has taken too long, or the take-down that precedes it.
    StartupTimeout,
    /// The idle timeout has passed: the VM goes down, or gets a busy check.
    Idle,
    /// The busy check has timed out.
    BusyCheck,
    /// A VM that its schedule keeps awake is looked at: without requests its preemption would not
    /// be noticed.
    KeepAwakeLook,
    /// The schedule starts the VM.
    ScheduleStart,
    /// A VM that has been suspended for `deep_sleep_after` is stopped.
    DeepSleep,
    /// The VM has used up its hours of this month, or the month has ended.
    MonthlyLimit,
    /// The idle timeout has passed since a start failed: an instance that may be running goes down.
    FailedIdle,
}

/// Collects the timers that are set, and keeps the next.
#[derive(Default)]
pub(super) struct Deadlines {
    next: Option<(Timer, Timestamp)>,
}

impl Deadlines {
    pub fn set(&mut self, timer: Timer, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        if self.next.is_none_or(|(_, next)| at < next) {
            self.next = Some((timer, at));
        }
    }

    pub fn next(self) -> Option<(Timer, Timestamp)> {
        self.next
    }
}
