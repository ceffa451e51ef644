//! The invariants of `max_hours_per_month`.

use std::time::Duration;

use vmproxy::compute::{CallError, InstanceStatus, Response, TakeDown};
use vmproxy::lifecycle::{Action, CallId};
use vmproxy::lifecycle::{Event, Lifecycle, Policy, ProbeResult};
use vmproxy::time::Timestamp;
use vmproxy::VmState;

use super::compute::Actor;
use super::invariants::{is_down, is_going_down, is_starting, IDLE_SLACK, MINUTE};
use super::world::World;

pub const HOUR: Duration = Duration::from_secs(60 * 60);

/// The running time of this month.
#[derive(Default)]
pub struct Hours {
    /// The minimum, from what the responses have reported to the lifecycle.
    pub reported: Duration,
    /// The maximum, from the states that the lifecycle has shown.
    pub shown: Duration,
    /// `true` if a response has reported that the VM is up.
    is_reported: bool,
    counts: (bool, bool),
    counted_to: Timestamp,
}

impl World {
    /// Returns the maximum running time in a month.
    fn most_hours(&self) -> Option<Duration> {
        self.known().vm.max_hours_per_month.map(|most| HOUR * most)
    }

    pub fn hours_before(&mut self, ran: Duration) {
        let now = self.now;
        self.observed.hours = Hours { reported: ran, shown: ran, counted_to: now, ..Hours::default() };
    }

    /// Observes a response before it reaches the lifecycle: it may report that the VM is up.
    pub fn observe_up(&mut self, result: &Result<Response, CallError>) {
        let starts = self.object.lifecycle().is_some_and(|lifecycle| is_starting(lifecycle.vm_state()));
        let is_up = match result {
            Ok(Response::Instance(instance)) => instance.status == InstanceStatus::Running,
            Ok(Response::Operation(view)) => {
                let operation = self.compute.named(&view.name).map(|number| &self.compute.operations[number]);
                operation.is_some_and(|o| o.by == Actor::Engine && o.task.goes_up() && view.outcome.is_none())
            }
            Err(_) => false,
        };
        self.observed.hours.is_reported |= starts && is_up;
    }

    /// Counts the time since the last call, and checks the limit.
    pub fn count_hours(&mut self) {
        let (now, turns_at) = (self.now, self.scenario.month_turns_at);
        let state = self.object.lifecycle().map_or(VmState::Absent, Lifecycle::vm_state);
        let is_up = self.is_its_vm_up();
        let hours = &mut self.observed.hours;
        if hours.counted_to < turns_at && turns_at <= now {
            (hours.reported, hours.shown, hours.counted_to) = (Duration::ZERO, Duration::ZERO, turns_at);
        }
        let passed = now.since(hours.counted_to);
        hours.reported += if hours.counts.0 { passed } else { Duration::ZERO };
        hours.shown += if hours.counts.1 { passed } else { Duration::ZERO };
        hours.is_reported &= is_up;
        (hours.counts, hours.counted_to) = ((hours.is_reported, !is_down(state)), now);
        let (reported, is_reported) = (hours.reported, hours.is_reported);
        let Some(most) = self.most_hours() else { return };
        let latest = most + self.scenario.startup_timeout() + IDLE_SLACK;
        if reported > latest && is_reported && !is_going_down(state) && !is_starting(state) {
            self.violated(|| {
                format!("hours are used up, and it stays: {reported:?} of {most:?}, and {state:?}")
            });
        }
    }

    /// Returns whether the limit may be the reason for which a VM goes down or stays down.
    pub fn may_be_used_up(&self) -> bool {
        self.most_hours().is_some_and(|most| self.observed.hours.shown + MINUTE / 30 >= most)
    }

    /// Checks the start of a VM that did not run.
    pub fn check_hours(&mut self) {
        let (reported, most) = (self.observed.hours.reported, self.most_hours());
        if most.is_some_and(|most| reported >= most + IDLE_SLACK) {
            self.violated(|| format!("hours are used up, and it is started: {reported:?} of {most:?}"));
        }
        if self.now >= self.scenario.month_turns_at && most.is_some() {
            self.coverage.count("the VM", "is started in a new month");
        }
    }

    /// Checks the refusal of a request because the hours are used up.
    pub fn check_refusal_for_hours(&mut self) {
        self.coverage.count("the VM", "is refused for want of hours");
        let (shown, most) = (self.observed.hours.shown, self.most_hours());
        if !self.may_be_used_up() {
            self.violated(|| format!("hours are not used up, and it is refused: {shown:?} of {most:?}"));
        }
    }
}

/// Returns the lifecycle of a VM that has run for `ran`, and was deleted at `now`.
pub fn history(identity: u64, policy: Policy, ran: Duration, now: Timestamp) -> Lifecycle {
    let running =
        r#"{"status": "RUNNING", "networkInterfaces": [{"accessConfigs": [{"natIP": "192.0.2.1"}]}]}"#;
    let done = r#"{"name": "operation", "status": "DONE"}"#;
    let call = |actions: &[Action]| {
        actions.iter().find_map(|action| match action {
            Action::Call(id, call) => Some((*id, call.clone())),
            _ => None,
        })
    };
    let began = Timestamp::from_millis(now.as_millis() - u64::try_from(ran.as_millis()).expect("short"));
    let mut lifecycle = Lifecycle::new(identity, policy, began);
    let respond = |lifecycle: &mut Lifecycle, actions: &[Action], body: &str, at: Timestamp| {
        let (call, what): (CallId, _) = call(actions).expect("a call is made");
        let result = Response::read(&what, &vmproxy::Instance::default(), 200, body);
        lifecycle.handle(Event::Responded { call, result, token_took: Duration::ZERO }, at)
    };
    let actions = lifecycle.handle(Event::Wake { unreachable: None, force: false, client: None }, began);
    respond(&mut lifecycle, &actions, running, began);
    lifecycle.handle(Event::Probed { generation: 1, result: ProbeResult::Healthy }, began);
    let actions = lifecycle.handle(Event::TakeDown(TakeDown::Delete), now);
    respond(&mut lifecycle, &actions, done, now);
    assert_eq!(lifecycle.vm_state(), VmState::Absent, "it has a history");
    lifecycle
}
