//! Repeated probes of the health path until it responds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::vm::Endpoint;

/// The gap between two probes is the 40th part of the time since the first, within these bounds. A
/// request therefore waits at most that much longer than the VM takes.
const MIN_GAP: Duration = Duration::from_millis(100);
const MAX_GAP: Duration = Duration::from_secs(1);
const GAP_DIVISOR: u32 = 40;

/// The maximum number of probes in progress. A probe of a port without a listener may hang, so the
/// next does not wait for it; but a Worker has only six simultaneous connections.
const MAX_IN_PROGRESS: u8 = 4;

/// The probes of one endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Probing {
    pub endpoint: Endpoint,
    began: Timestamp,
    next_at: Timestamp,
    #[serde(skip)]
    in_progress: u8,
}

impl Probing {
    pub fn new(endpoint: Endpoint, now: Timestamp) -> Self {
        Self { endpoint, began: now, next_at: now, in_progress: 0 }
    }

    /// Returns the time of the next probe. `None` means that the maximum number of probes is in
    /// progress.
    pub fn due_at(&self) -> Option<Timestamp> {
        (self.in_progress < MAX_IN_PROGRESS).then_some(self.next_at)
    }

    /// Begins a probe if one is due. Returns whether it must be made.
    pub fn begin(&mut self, now: Timestamp) -> bool {
        let due = self.due_at().is_some_and(|due_at| now >= due_at);
        if due {
            self.in_progress += 1;
            self.next_at = now + (now.since(self.began) / GAP_DIVISOR).clamp(MIN_GAP, MAX_GAP);
        }
        due
    }

    /// Counts a probe as ended.
    pub fn end(&mut self) {
        self.in_progress = self.in_progress.saturating_sub(1);
    }

    /// Forgets the probes that were in progress: the object that made them was lost.
    pub fn forget(&mut self, now: Timestamp) {
        (self.in_progress, self.next_at) = (0, now);
    }
}
