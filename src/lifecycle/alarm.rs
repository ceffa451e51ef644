//! The alarm, which outlives the object that the lifecycle is in.

use std::time::Duration;

use super::Lifecycle;
use crate::time::Timestamp;

/// While something is under way, the alarm rings at least this often, so that an object that was lost takes it
/// up again.
const WATCH_INTERVAL: Duration = Duration::from_secs(10);

const SHORTEST_ALARM: Duration = Duration::from_millis(100);

/// A VM that may run is looked after this often, however long it stays: the configuration may have lost it.
const CONFIGURATION_INTERVAL: Duration = Duration::from_secs(60 * 60);

impl Lifecycle {
    /// When the alarm is to ring that is set to `set` now; `None` if it may stay as it is.
    ///
    /// A later deadline than the alarm's is left to the alarm, which is set again when it rings: so activity, which
    /// moves the deadline, costs no write.
    pub fn new_alarm(&self, set: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let wanted = if self.is_busy() {
            now + WATCH_INTERVAL
        } else {
            let look_after = self.may_run().then_some(now + CONFIGURATION_INTERVAL);
            self.deadline().into_iter().chain(look_after).min()?
        };
        // An alarm in the past might ring again and again.
        let wanted = wanted.max(now + SHORTEST_ALARM);
        set.is_none_or(|set| wanted < set || set <= now).then_some(wanted)
    }
}
