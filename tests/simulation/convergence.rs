//! The invariants of the whole world: at any time, and at the end.

use std::time::Duration;

use vmproxy::compute::InstanceStatus;
use vmproxy::lifecycle::FailureKind;
use vmproxy::time::Timestamp;
use vmproxy::{OnIdle, VmState};

use super::compute::{Actor, Instance};
use super::configuration;
use super::invariants::{is_down, is_going_down, is_starting, Observations, IDLE_SLACK, MINUTE};
use super::world::World;

/// The time after which a deadline belongs to the next day's schedule.
const TOMORROW: Duration = Duration::from_secs(12 * 60 * 60);

impl World {
    /// Checks the result of a request.
    pub fn check_end(&mut self, arrived: Timestamp, served: bool, how: &str) {
        if how == "OverLimit" {
            self.coverage.count("the VM", "is refused for want of starts");
        }
        if how.starts_with("Over") {
            return;
        }
        if arrived >= self.scenario.settled_from && !served {
            self.violated(|| format!("all is well for long, and a request is not served: {how}"));
        }
    }

    /// Checks the invariants that hold at any time.
    pub fn inspect(&mut self) {
        self.count_hours();
        self.observe_timetable();
        self.inspect_timetable();
        let Some(lifecycle) = self.object.lifecycle() else { return };
        let (state, now) = (lifecycle.vm_state(), self.now);
        let (vm, startup_timeout) = (&self.known().vm, self.scenario.startup_timeout());
        let ours = self.compute.instances.values().filter(|instance| instance.up_by == Actor::Engine);
        let up = ours.filter(|instance| instance.is_up(&self.compute.operations)).count();
        if up > 1 {
            self.violated(|| format!("two instances: {up} are up"));
            return;
        }
        let lasts = now.since(self.observed.changed_at.max(self.observed.lost_at));
        if is_starting(state) && lasts > startup_timeout + IDLE_SLACK {
            self.violated(|| format!("a start does not end: {state:?} for {lasts:?}"));
            return;
        }
        let Observations { last_use, changed_at, lost_at, busy_at, configured_at, .. } = self.observed;
        let used_at = last_use.max(changed_at).max(lost_at).max(busy_at).max(configured_at);
        // The touch interval is at most a tenth of the idle timeout.
        let limit = vm.idle_timeout * 11 / 10 + IDLE_SLACK;
        let (idle_for, never) = (now.since(used_at), vm.on_idle == OnIdle::Never);
        if never || idle_for <= limit || is_starting(state) || is_going_down(state) || !self.is_its_vm_up() {
            return;
        }
        self.violated(|| format!("an idle VM is not brought down: nobody has used it for {idle_for:?}"));
    }

    /// Returns whether a VM is up that the lifecycle has brought up or has probed.
    pub fn is_its_vm_up(&self) -> bool {
        let ours = |instance: &&Instance| instance.up_by == Actor::Engine || instance.probed;
        self.compute.instances.values().filter(ours).any(|i| i.is_up(&self.compute.operations))
    }

    /// Returns whether the VM is up in a zone that the object's configuration does not have.
    fn is_out_of_place_up(&self) -> bool {
        let known = &self.known().zones;
        let mut elsewhere = self.compute.instances.iter().filter(|(zone, _)| !known.contains(zone));
        elsewhere.any(|(_, i)| i.up_by == Actor::Engine && i.is_up(&self.compute.operations))
    }

    /// Checks the invariants that hold at the end.
    pub fn check_settled(&mut self) {
        let Some(lifecycle) = self.object.lifecycle() else { return };
        let (state, deadline) = (lifecycle.vm_state(), lifecycle.deadline());
        let zone = configuration::number(lifecycle.zone());
        let there = self.compute.instances.get(&zone);
        let running = there.is_some_and(|instance| instance.status == InstanceStatus::Running);
        let over_limit = lifecycle.failure().is_some_and(|failure| failure.kind == FailureKind::OverLimit);
        let memory = self.object.memory.as_ref();
        if memory.is_some_and(|memory| !memory.driver.waiting_for_down().is_empty()) {
            self.violated(|| {
                format!("does not converge: somebody waits for it to be down, and it is {state:?}")
            });
        }
        if self.is_out_of_place_up() {
            self.violated(|| {
                format!("does not converge: it is up in a zone that is not configured, and {state:?}")
            });
        }
        if self.scenario.wanted_at_end {
            if (state != VmState::Running || !running) && !over_limit && !self.observed.turned_away {
                self.violated(|| format!("does not converge: the VM is wanted, and is {state:?}"));
            }
            return;
        }
        let is_removed = self.scenario.rollout.removed_from.is_some();
        if self.observed.awake_since.is_some() && !is_removed {
            return;
        }
        let kept = self.known().vm.on_idle == OnIdle::Never && !is_removed;
        // The end of the month is a deadline: the VM may then run again.
        let may_be_due = kept && self.known().vm.max_hours_per_month.is_some();
        let deadline = deadline.filter(|deadline| deadline.since(self.now) < TOMORROW);
        let quiet = is_down(state) || state == VmState::Failed || (kept && state == VmState::Running);
        if !quiet || (deadline.is_some() && !may_be_due) {
            self.violated(|| format!("does not converge: nobody wants the VM, and it is {state:?}"));
        }
        if !kept && self.is_its_vm_up() {
            let why = if is_removed { "removed, " } else { "" };
            self.violated(|| format!("does not converge: {why}shown as {state:?}, and the VM is up"));
        }
        if self.observed.calls.back().is_some_and(|last| *last + MINUTE > self.now) {
            self.violated(|| "does not converge: calls go on although nobody wants the VM".to_owned());
        }
    }
}
