//! When the VM's schedule has to be looked at again.

use std::cell::Cell;

use crate::platform::time_zone::offset;
use crate::schedule::Plan;
use crate::time::Timestamp;
use crate::vm::Vm;

/// Knows how long the plan holds that the lifecycle has. A new object does not.
#[derive(Default)]
pub(super) struct PlanCache {
    holds: Cell<Validity>,
}

#[derive(Clone, Copy, Default)]
enum Validity {
    #[default]
    NoMore,
    Until(Option<Timestamp>),
}

impl PlanCache {
    /// The schedule is another one.
    pub fn forget(&self) {
        self.holds.set(Validity::NoMore);
    }

    /// A new plan, if one is due.
    pub fn plan(&self, vm: &Vm, now: Timestamp) -> Option<Plan> {
        if matches!(self.holds.get(), Validity::Until(until) if until.is_none_or(|until| now < until)) {
            return None;
        }
        let plan = Plan::of(vm, now, &offset);
        self.holds.set(Validity::Until(plan.holds_until()));
        Some(plan)
    }
}
