//! The alarm, which outlives the object that contains the lifecycle.

use std::time::Duration;

use super::Lifecycle;
use crate::time::Timestamp;

/// The maximum interval between alarms while calls or probes are in progress: the alarm loads an
/// object that was lost, which then continues.
const WATCH_INTERVAL: Duration = Duration::from_secs(10);

const MIN_DELAY: Duration = Duration::from_millis(100);

/// The maximum interval between alarms while the VM may be running: the VM may have been removed
/// from the configuration.
const CONFIGURATION_INTERVAL: Duration = Duration::from_secs(60 * 60);

impl Lifecycle {
    /// Returns the time to which the alarm, which is set to `set`, must be moved. `None` means that
    /// it stays unchanged.
    ///
    /// If the deadline is later than the alarm, the alarm stays, and is moved when it fires.
    /// Activity, which postpones the deadline, therefore costs no write.
    pub fn new_alarm(&self, set: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let wanted = if self.is_busy() {
            now + WATCH_INTERVAL
        } else {
            let configuration_check = self.may_run().then_some(now + CONFIGURATION_INTERVAL);
            self.deadline().into_iter().chain(configuration_check).min()?
        };
        // An alarm in the past might fire repeatedly.
        let wanted = wanted.max(now + MIN_DELAY);
        set.is_none_or(|set| wanted < set || set <= now).then_some(wanted)
    }
}
