//! One run: the world and its clock.

use std::rc::Rc;
use std::time::Duration;

use vmproxy::compute::Call;
use vmproxy::driver::Record;
use vmproxy::lifecycle::Policy;
use vmproxy::time::Timestamp;

use super::api::Hold;
use super::clients::Clients;
use super::compute::Compute;
use super::configuration::Configuration;
use super::coverage::Coverage;
use super::event_queue::{EventQueue, WorldEvent};
use super::host::Object;
use super::invariants::Observations;
use super::monthly_limit::history;
use super::random::Random;
use super::scenario::{Fault, Scenario};

/// The maximum interval between checks of the invariants.
const INSPECTION_INTERVAL: Duration = Duration::from_secs(10);

pub struct World {
    pub now: Timestamp,
    pub random: Random,
    pub scenario: Scenario,
    events: EventQueue,
    pub compute: Compute,
    pub holds: Vec<Hold>,
    pub object: Object,
    pub clients: Clients,
    pub observed: Observations,
    pub coverage: Coverage,
    trace: Option<Vec<String>>,
    violation: Option<String>,
}

/// The result of a run.
pub struct Report {
    pub violation: Option<String>,
    pub coverage: Coverage,
    pub trace: Vec<String>,
}

impl World {
    /// Runs a seed. The same seed is always the same run.
    pub fn run(seed: u64, traced: bool) -> Report {
        let mut random = Random::new(seed);
        let mut scenario = Scenario::draw(&mut random);
        scenario.draw_timetables(&mut Random::new(!seed));
        let mut world = Self {
            now: scenario.begin,
            random,
            scenario,
            events: EventQueue::default(),
            compute: Compute::default(),
            holds: Vec::new(),
            object: Object::default(),
            clients: Clients::default(),
            observed: Observations::default(),
            coverage: Coverage::default(),
            trace: traced.then(Vec::new),
            violation: None,
        };
        world.introduce();
        world.plan_in(Duration::ZERO, WorldEvent::Demand);
        world.remember();
        world.plan_in(world.scenario.calm_from.since(world.now), WorldEvent::Calm);
        world.plan_deployments();
        world.plan_cron();
        world.plan_in(INSPECTION_INTERVAL, WorldEvent::Inspection);
        world.plan_strikes();
        while let Some((at, event)) = world.events.next() {
            if at > world.scenario.end || world.violation.is_some() {
                break;
            }
            world.now = at;
            world.occur(event);
            world.inspect();
        }
        if world.violation.is_none() {
            world.check_settled();
        }
        Report {
            violation: world.violation,
            coverage: world.coverage,
            trace: world.trace.unwrap_or_default(),
        }
    }

    fn introduce(&mut self) {
        let (begin, wanted) = (self.scenario.begin, self.scenario.wanted_at_end);
        let calm = self.scenario.calm_from.since(begin);
        let (strengths, configurations) =
            (self.scenario.strengths.clone(), self.scenario.configurations.clone());
        self.note(|| format!("calm after {calm:?}; wanted at the end: {wanted}"));
        let rollout = (self.scenario.rollout.is_of_its_own, self.scenario.rollout.removed_from);
        self.note(|| format!("of its own, removed: {rollout:?}"));
        for Configuration { from, vm, .. } in configurations {
            self.note(|| format!("configured from {:?}: {vm:?}", from.since(begin)));
        }
        for s in strengths {
            self.note(|| {
                let (from, to) = (s.from.since(begin), s.to.since(begin));
                format!("{:?} from {from:?} to {to:?}: {} permille, {:?} apart", s.fault, s.permille, s.apart)
            });
        }
    }

    /// Gives a history to a VM whose hours are limited.
    fn remember(&mut self) {
        let ran = self.scenario.ran_before;
        self.hours_before(ran);
        if ran > Duration::ZERO {
            let policy = Policy::of(&self.scenario.configurations[0].vm);
            let lifecycle = history(self.random.number(), policy, ran, self.now);
            let vm = Rc::new(self.scenario.configurations[0].vm.clone());
            self.object.stored = Some(Record { vm, lifecycle });
        }
    }

    /// Returns whether a change is on its way to Compute Engine.
    pub fn a_change_is_on_its_way(&self) -> bool {
        self.events.has(|event| matches!(event, WorldEvent::CallArrives { what: Call::Change { .. }, .. }))
    }

    fn occur(&mut self, event: WorldEvent) {
        match event {
            WorldEvent::Demand => self.demand(),
            WorldEvent::Sent { request } => self.serve(request),
            WorldEvent::NotConnected { request, endpoint } => self.not_connected(request, endpoint),
            WorldEvent::Reported { isolate, endpoint } => self.reported(isolate, endpoint),
            WorldEvent::Replied { request, outcome } => self.replied(request, &outcome),
            WorldEvent::NoReply { request } => self.ask_again(request),
            WorldEvent::Beat { request } => self.beat(request),
            WorldEvent::Message(sent) => self.receive(sent),
            WorldEvent::Timer { timer } => self.timer_runs_out(timer),
            WorldEvent::Alarm { alarm, duplicate } => self.alarm_rings(alarm, duplicate),
            WorldEvent::Overdue { ticket } => self.overdue(ticket),
            WorldEvent::CallArrives { call, what, about } => self.call_arrives(call, &what, about),
            WorldEvent::Responded { call, result } => self.responded(call, result),
            WorldEvent::WaitExpires { call } => self.wait_expires(call),
            WorldEvent::ProbeArrives { probe, endpoint } => self.probe_arrives(probe, endpoint),
            WorldEvent::Probed { probe, endpoint, result } => self.probed(probe, endpoint, result),
            WorldEvent::BusyCheckArrives { check, endpoint } => self.busy_check_arrives(check, endpoint),
            WorldEvent::BusyChecked { check, endpoint, busy } => self.busy_checked(check, endpoint, busy),
            WorldEvent::Operation { operation, phase } => self.operation_goes_on(operation, phase),
            WorldEvent::ServerUp { run } => self.server_up(run),
            WorldEvent::Cron => self.cron(),
            WorldEvent::Strike(fault) => self.strike(fault),
            WorldEvent::Deployment => self.deploy(),
            WorldEvent::Calm => self.calm(),
            WorldEvent::Inspection => self.plan_in(INSPECTION_INTERVAL, WorldEvent::Inspection),
        }
    }

    pub fn plan_in(&mut self, after: Duration, event: WorldEvent) {
        self.events.plan(self.now + after, event);
    }

    /// Returns whether a fault strikes now.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let permille = self.scenario.permille(fault, self.now);
        let strikes = permille > 0 && self.random.chance(permille);
        if strikes {
            self.note(|| format!("struck: {fault:?}"));
            self.coverage.fault(fault);
        }
        strikes
    }

    /// Writes a line of the trace.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let at = self.now.since(self.scenario.begin);
            trace.push(format!("{:5}.{:03} {}", at.as_secs(), at.subsec_millis(), line()));
        }
    }

    /// Records a violation of an invariant. The first one ends the run.
    pub fn violated(&mut self, message: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let message = message();
            self.note(|| format!("VIOLATED: {message}"));
            self.violation = Some(message);
        }
    }
}
