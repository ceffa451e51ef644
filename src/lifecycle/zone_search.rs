//! Where the instance is when that is not known: its history has been lost, and there are several zones.

use serde::{Deserialize, Serialize};

/// The zones that are still to be looked into.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ZoneSearch {
    /// The last one first.
    left: Vec<String>,
    /// Where there is an instance, but none that is up. One that is up may be elsewhere.
    found: Option<String>,
}

impl ZoneSearch {
    /// Looks through `zones`, of which the first is looked into already.
    pub fn through(zones: &[String]) -> Self {
        Self { left: zones.iter().skip(1).rev().cloned().collect(), found: None }
    }

    /// The zone to look into after `zone`, in which nothing is up, although there may be an instance: the next of those
    /// that are left, and at last the one where there is an instance. `None` means that the search is over.
    pub fn next_zone(&mut self, zone: &str, is_there: bool) -> Option<String> {
        let Self { left, found } = self;
        if is_there {
            found.get_or_insert_with(|| zone.to_owned());
        }
        left.retain(|other| other != zone);
        left.pop().or_else(|| found.take().filter(|other| other != zone))
    }

    /// The instance is up, and so none that is down elsewhere is the VM.
    pub fn end(&mut self) {
        self.found = None;
    }
}
