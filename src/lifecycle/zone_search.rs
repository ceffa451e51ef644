//! The search for an instance in several zones after its history has been lost.

use serde::{Deserialize, Serialize};

/// The zones in which the search has yet to look for the instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ZoneSearch {
    /// The remaining zones, the last one first.
    left: Vec<String>,
    /// The first zone with an instance that is down. Another zone may have one that is up.
    found: Option<String>,
}

impl ZoneSearch {
    /// Creates a search through `zones`, in the first of which a look is already due.
    pub fn through(zones: &[String]) -> Self {
        Self { left: zones.iter().skip(1).rev().cloned().collect(), found: None }
    }

    /// Returns the zone to look in after `zone`, which has no instance that is up; `exists` is
    /// whether it has one that is down. It is the next of the remaining zones, and finally the
    /// first zone with an instance. `None` means that the search is over.
    pub fn next_zone(&mut self, zone: &str, exists: bool) -> Option<String> {
        let Self { left, found } = self;
        if exists {
            found.get_or_insert_with(|| zone.to_owned());
        }
        left.retain(|other| other != zone);
        left.pop().or_else(|| found.take().filter(|other| other != zone))
    }

    /// Ends the search: an instance that is up takes precedence over those that are down elsewhere.
    pub fn end(&mut self) {
        self.found = None;
    }
}
