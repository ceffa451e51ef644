//! How long a VM keeps one waiting.

use std::cell::Cell;
use std::time::Duration;

use crate::platform::{now, sleep};
use crate::time::Timestamp;

/// Since when it is the VM's turn to send or to take something; nothing while it is somebody else's.
#[derive(Default)]
pub(super) struct Silence(Cell<Option<Timestamp>>);

impl Silence {
    /// It is the VM's turn.
    pub fn begin(&self) {
        self.0.set(Some(now()));
    }

    /// The VM has done something.
    pub fn end(&self) {
        self.0.set(None);
    }

    /// Ends when the VM has done nothing for `limit` while it was its turn.
    pub async fn lasts(&self, limit: Duration) {
        loop {
            let left = self.0.get().map_or(limit, |since| limit.saturating_sub(now().since(since)));
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}
