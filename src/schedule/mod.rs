//! The schedule by which a VM is kept awake and started, in the local times of time zones. Pure:
//! the caller provides the zones' offsets from UTC, so the module needs no time zone database.

mod entry;
mod local_time;
#[cfg(test)]
mod tests;

pub(crate) use entry::Entry;
pub(crate) use local_time::parse_offset;
pub use local_time::{Offset, Offsets};

use crate::time::Timestamp;
use crate::vm::Vm;

/// The meaning of a VM's schedule at one point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The time until which the VM is kept awake. `None` means that no window is open. Windows that
    /// touch or overlap count as one.
    pub awake_until: Option<Timestamp>,
    /// The time of the next start: the beginning of a window, or a wake.
    pub wake_at: Option<Timestamp>,
}

impl Plan {
    /// Evaluates [`keep_awake`](Vm::keep_awake) and [`wake_at`](Vm::wake_at) at `now`. Invalid
    /// entries and unknown zones are ignored: a VM that has been checked has none.
    pub fn of(vm: &Vm, now: Timestamp, offsets: Offsets) -> Self {
        let (mut windows, mut wakes) = (Vec::new(), Vec::new());
        for entry in vm.keep_awake.iter().filter_map(|text| Entry::window(text).ok()) {
            entry.occurrences(now, offsets, &mut windows);
        }
        for entry in vm.wake_at.iter().filter_map(|text| Entry::wake(text).ok()) {
            entry.occurrences(now, offsets, &mut wakes);
        }
        let mut until = now;
        // Another window may be open at the end of one.
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

    /// Returns the time until which the plan is valid. `None` means that it stays valid.
    pub fn holds_until(&self) -> Option<Timestamp> {
        self.awake_until.into_iter().chain(self.wake_at).min()
    }
}
