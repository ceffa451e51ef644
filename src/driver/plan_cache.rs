//! When the VM's schedule has to be read again.

use crate::schedule::{Offsets, Plan};
use crate::time::Timestamp;
use crate::vm::Vm;

/// Knows for how long the lifecycle's plan is valid. A new object has none.
#[derive(Clone, Debug, Default)]
pub(super) struct PlanCache {
    validity: Validity,
}

#[derive(Clone, Copy, Debug, Default)]
enum Validity {
    #[default]
    Expired,
    /// `None` means for ever.
    Until(Option<Timestamp>),
}

impl PlanCache {
    /// Drops the plan: the schedule has changed.
    pub fn forget(&mut self) {
        self.validity = Validity::Expired;
    }

    /// Returns a new plan, if one is due.
    pub fn plan(&mut self, vm: &Vm, now: Timestamp, offsets: Offsets) -> Option<Plan> {
        if matches!(self.validity, Validity::Until(until) if until.is_none_or(|until| now < until)) {
            return None;
        }
        let plan = Plan::of(vm, now, offsets);
        self.validity = Validity::Until(plan.holds_until());
        Some(plan)
    }
}
