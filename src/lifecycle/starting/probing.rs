//! Asking for the health path again and again until it answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::vm::Endpoint;

/// Between two probes lies the fortieth part of the time since the first, within these bounds: so whoever waits for
/// a VM waits at most that much longer than it takes.
const FIRST_GAP: Duration = Duration::from_millis(100);
const LONGEST_GAP: Duration = Duration::from_secs(1);
const PART: u32 = 40;

/// A probe of a port that nobody listens on yet may hang, so the next does not wait for it; but a request has
/// only six connections.
const MOST_AT_ONCE: u8 = 4;

/// The probes of one endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Probing {
    pub endpoint: Endpoint,
    began: Timestamp,
    next_at: Timestamp,
    #[serde(skip)]
    under_way: u8,
}

impl Probing {
    pub fn new(endpoint: Endpoint, now: Timestamp) -> Self {
        Self { endpoint, began: now, next_at: now, under_way: 0 }
    }

    /// When the next probe is due; `None` while as many are under way as may be.
    pub fn due_at(&self) -> Option<Timestamp> {
        (self.under_way < MOST_AT_ONCE).then_some(self.next_at)
    }

    /// Begins a probe if one is due: whether it is to be made.
    pub fn begin(&mut self, now: Timestamp) -> bool {
        let due = self.due_at().is_some_and(|due_at| now >= due_at);
        if due {
            self.under_way += 1;
            self.next_at = now + (now.since(self.began) / PART).clamp(FIRST_GAP, LONGEST_GAP);
        }
        due
    }

    /// A probe has ended.
    pub fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// The object was lost, and the probes with it.
    pub fn forget(&mut self, now: Timestamp) {
        (self.under_way, self.next_at) = (0, now);
    }
}
