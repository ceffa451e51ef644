//! The moment from which a server listens.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// Records since when a server listens; clones share the record.
#[derive(Clone, Default)]
pub struct Listening(Arc<Mutex<Option<SystemTime>>>);

impl Listening {
    /// Records that the server listens from this moment on, or that it has stopped listening.
    pub fn set(&self, listens: bool) {
        *self.0.lock().unwrap() = listens.then(SystemTime::now);
    }

    /// Returns the moment at which the server began to listen. `None` means that it does not listen.
    pub fn since(&self) -> Option<SystemTime> {
        *self.0.lock().unwrap()
    }
}
