//! The moment from which a server listens.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// The time since which a server listens. Clones share it.
#[derive(Clone, Default)]
pub struct Listening(Arc<Mutex<Option<SystemTime>>>);

impl Listening {
    /// Records that the server begins or stops to listen.
    pub fn set(&self, listens: bool) {
        *self.0.lock().unwrap() = listens.then(SystemTime::now);
    }

    /// Returns the time at which the server began to listen. `None` means that it does not listen.
    pub fn since(&self) -> Option<SystemTime> {
        *self.0.lock().unwrap()
    }
}
