//! Where the instance is when that is not known: its history has been lost, and there are several zones.

use serde::{Deserialize, Serialize};

use super::Lifecycle;

/// The zones that are still to be looked into.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Search {
    /// The last one first.
    left: Vec<String>,
    /// Where there is an instance, but none that is up. One that is up may be elsewhere.
    found: Option<String>,
}

impl Search {
    /// Looks through `zones`, of which the first is looked into already.
    pub fn through(zones: &[String]) -> Self {
        Self { left: zones.iter().skip(1).rev().cloned().collect(), found: None }
    }
}

impl Lifecycle {
    /// Nothing is up in the present zone, although there may be an instance. Goes on to the next zone that is to be
    /// looked into, and at last back to where there was one: whether there is such a zone.
    pub(super) fn goes_on_searching(&mut self, is_there: bool) -> bool {
        let Search { left, found } = &mut self.search;
        if is_there {
            found.get_or_insert_with(|| self.zone.clone());
        }
        left.retain(|zone| *zone != self.zone);
        let next = left.pop().or_else(|| found.take().filter(|zone| *zone != self.zone));
        let goes_on = next.is_some();
        self.zone = next.unwrap_or_else(|| std::mem::take(&mut self.zone));
        goes_on
    }

    /// The instance is up here, and so none that is down elsewhere is the VM.
    pub(super) fn has_found_it(&mut self) {
        self.search.found = None;
    }
}
