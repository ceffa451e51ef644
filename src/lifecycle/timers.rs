//! The timers: all that the lifecycle does by itself.

use crate::time::Timestamp;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The call that a start or a stop is at is made, for the first time or again.
    Call,
    /// The instance is looked at once while its operation is under way: its address often shows early.
    EarlyLook,
    /// The health path is probed again.
    Probe,
    /// A start, or a request that waits for the VM to be down first, has taken too long.
    StartupTimeout,
    /// Nobody has used the VM for its idle time: it goes down, or is asked whether it is busy.
    Idle,
    /// The VM has not said in time whether it is busy.
    BusyCheck,
    /// A VM that its schedule keeps awake is looked at: nobody else would notice that it is gone.
    KeepAwakeLook,
    /// The schedule starts the VM.
    ScheduleStart,
    /// A suspended VM has slept for so long that it is stopped.
    DeepSleep,
    /// The VM has run for as long as it may this month, or the month has ended.
    MonthlyLimit,
    /// Nobody has asked for the VM since its start failed: what the start has left goes down.
    FailedIdle,
}

/// The timers that are set: of them only the next is kept.
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
