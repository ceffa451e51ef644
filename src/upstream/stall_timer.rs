//! A timer for a VM that stalls.

use std::cell::Cell;
use std::time::Duration;

use crate::platform::{now, sleep};
use crate::time::Timestamp;

/// Measures how long the proxy waits for the VM to send or read something. Stopped while it waits
/// for anything else.
#[derive(Default)]
pub(super) struct StallTimer(Cell<Option<Timestamp>>);

impl StallTimer {
    /// Starts to wait for the VM.
    pub fn start(&self) {
        self.0.set(Some(now()));
    }

    /// Stops: the VM has sent or read something.
    pub fn stop(&self) {
        self.0.set(None);
    }

    /// Waits until the VM has stalled for `limit`.
    pub async fn expired(&self, limit: Duration) {
        loop {
            let left = self.0.get().map_or(limit, |since| limit.saturating_sub(now().since(since)));
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}
