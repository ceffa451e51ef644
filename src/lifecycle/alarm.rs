//! The alarm, which outlives the object that contains the lifecycle.

use std::time::Duration;

use super::timers::{Deadlines, Timer};
use super::Lifecycle;
use crate::time::Timestamp;

/// The maximum interval between alarms while calls or probes are in progress: the alarm loads an
/// object that was lost, which then continues.
const WATCH_INTERVAL: Duration = Duration::from_secs(10);

const MIN_DELAY: Duration = Duration::from_millis(100);

/// The maximum interval between alarms while the VM may be running: the VM may have been removed
/// from the configuration.
const CONFIGURATION_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The times at which the lifecycle must be called again.
pub struct NextCall {
    /// The time for a timer. `None` means that the alarm suffices.
    pub timer: Option<Timestamp>,
    /// The time to which the alarm must be moved. `None` means that it stays unchanged.
    pub alarm: Option<Timestamp>,
}

impl Lifecycle {
    /// Returns the times at which the lifecycle must be called again, if the alarm is set to `set`.
    ///
    /// If the deadline is later than the alarm, the alarm stays, and is moved when it fires.
    /// Activity, which postpones the deadline, therefore costs no write.
    pub fn next_call(&self, set: Option<Timestamp>, now: Timestamp) -> NextCall {
        let (deadline, is_busy) = (self.deadline(), self.state.is_busy());
        let wanted = if is_busy {
            Some(now + WATCH_INTERVAL)
        } else {
            let configuration_check = self.state.may_run().then_some(now + CONFIGURATION_INTERVAL);
            deadline.into_iter().chain(configuration_check).min()
        };
        // An alarm in the past might fire repeatedly.
        let wanted = wanted.map(|at| at.max(now + MIN_DELAY));
        NextCall {
            timer: deadline.filter(|_| is_busy),
            alarm: wanted.filter(|wanted| set.is_none_or(|set| *wanted < set || set <= now)),
        }
    }

    /// Returns the time at which [`Event::Timer`](super::Event::Timer) is due if no other event
    /// occurs before. `None` means that no timer is set.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.next_timer().map(|(_, at)| at)
    }

    /// Returns the next timer that is due if no other event occurs before, and its time.
    pub fn next_timer(&self) -> Option<(Timer, Timestamp)> {
        let Self { state, context: cx } = self;
        let mut deadlines = Deadlines::default();
        state.deadlines(cx, &mut deadlines);
        deadlines.set(Timer::ScheduleStart, cx.schedule.wake_at());
        deadlines.next()
    }
}
