//! When a VM is kept awake, and when it is started: by the clocks of time zones, whose offsets from UTC somebody
//! else has to know. So this is pure, and has no table of zones.

mod entry;
mod local_time;
#[cfg(test)]
mod tests;

pub(crate) use entry::Entry;
pub(crate) use local_time::parse_offset;
pub use local_time::{Offset, Offsets};

use crate::time::Timestamp;
use crate::vm::Vm;

/// What a VM's schedule means at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Until when the VM is kept awake, if it is to be awake now. Windows that touch or overlap are one.
    pub awake_until: Option<Timestamp>,
    /// When it is started next: the beginning of a window, or a wake.
    pub wake_at: Option<Timestamp>,
}

impl Plan {
    /// What [`keep_awake`](Vm::keep_awake) and [`wake_at`](Vm::wake_at) mean at `now`. What is no entry, or of an
    /// unknown zone, is left out: a VM that has been checked has none such.
    pub fn of(vm: &Vm, now: Timestamp, offsets: Offsets) -> Self {
        let (mut windows, mut wakes) = (Vec::new(), Vec::new());
        for entry in vm.keep_awake.iter().filter_map(|text| Entry::window(text).ok()) {
            entry.occurrences(now, offsets, &mut windows);
        }
        for entry in vm.wake_at.iter().filter_map(|text| Entry::wake(text).ok()) {
            entry.occurrences(now, offsets, &mut wakes);
        }
        let mut until = now;
        // At the end of a window that is open then, another one may be open.
        while let Some((_, to)) = windows.iter().find(|(from, to)| *from <= until && until < *to) {
            until = *to;
        }
        let begin = windows.iter().filter(|(from, to)| until < *from && from < to);
        let wake = wakes.iter().filter(|(at, _)| now < *at);
        Self {
            awake_until: Some(until).filter(|until| now < *until),
            wake_at: begin.chain(wake).map(|(at, _)| *at).min(),
        }
    }

    /// Until when it holds; after that the schedule means something else.
    pub fn holds_until(&self) -> Option<Timestamp> {
        self.awake_until.into_iter().chain(self.wake_at).min()
    }
}
