//! One run: everything there is, and its clock.

use std::time::Duration;

use vmproxy::compute::Call;
use vmproxy::lifecycle::Policy;
use vmproxy::time::Timestamp;

use super::agenda::{Agenda, Happening};
use super::api::Hold;
use super::clients::Clients;
use super::compute::Compute;
use super::configuration::Configuration;
use super::coverage::Coverage;
use super::hours::history;
use super::object::Object;
use super::random::Random;
use super::scenario::{Fault, Scenario};
use super::witness::Witness;

/// The invariants are checked at least this often.
const INSPECTION_INTERVAL: Duration = Duration::from_secs(10);

pub struct World {
    pub now: Timestamp,
    pub random: Random,
    pub scenario: Scenario,
    agenda: Agenda,
    pub compute: Compute,
    pub holds: Vec<Hold>,
    pub object: Object,
    pub clients: Clients,
    pub witness: Witness,
    pub coverage: Coverage,
    trace: Option<Vec<String>>,
    violation: Option<String>,
}

/// How a run ended.
pub struct Report {
    pub violation: Option<String>,
    pub coverage: Coverage,
    pub trace: Vec<String>,
}

impl World {
    /// Runs a seed, which is the same run for ever.
    pub fn run(seed: u64, traced: bool) -> Report {
        let mut random = Random::new(seed);
        let mut scenario = Scenario::draw(&mut random);
        scenario.draw_timetables(&mut Random::new(!seed));
        let mut world = Self {
            now: scenario.begin,
            random,
            scenario,
            agenda: Agenda::default(),
            compute: Compute::default(),
            holds: Vec::new(),
            object: Object::default(),
            clients: Clients::default(),
            witness: Witness::default(),
            coverage: Coverage::default(),
            trace: traced.then(Vec::new),
            violation: None,
        };
        world.introduce();
        world.plan_in(Duration::ZERO, Happening::Demand);
        world.remember();
        world.plan_in(world.scenario.calm_from.since(world.now), Happening::Calm);
        world.plan_deployments();
        world.plan_cron();
        world.plan_in(INSPECTION_INTERVAL, Happening::Inspection);
        world.plan_strikes();
        while let Some((at, happening)) = world.agenda.next() {
            if at > world.scenario.end || world.violation.is_some() {
                break;
            }
            world.now = at;
            world.happen(happening);
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

    /// The VM has a history if its hours are limited.
    fn remember(&mut self) {
        let ran = self.scenario.ran_before;
        self.hours_before(ran);
        if ran > Duration::ZERO {
            let policy = Policy::of(&self.scenario.configurations[0].vm);
            self.object.stored = Some(history(self.random.number(), policy, ran, self.now));
        }
    }

    /// Whether a change is on its way to Compute Engine.
    pub fn a_change_is_on_its_way(&self) -> bool {
        self.agenda
            .has(|happening| matches!(happening, Happening::CallArrives { what: Call::Change { .. }, .. }))
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Demand => self.demand(),
            Happening::Sent { request } => self.serve(request),
            Happening::NotConnected { request, endpoint } => self.not_connected(request, endpoint),
            Happening::Reported { isolate, endpoint } => self.reported(isolate, endpoint),
            Happening::Told { request, outcome } => self.told(request, &outcome),
            Happening::Unanswered { request } => self.ask_again(request),
            Happening::Beat { request } => self.beat(request),
            Happening::Message(message) => self.receive(message),
            Happening::Timer { timer } => self.timer_runs_out(timer),
            Happening::Alarm { alarm, duplicate } => self.alarm_rings(alarm, duplicate),
            Happening::Overdue { holding } => self.overdue(holding),
            Happening::CallArrives { call, what, about } => self.call_arrives(call, &what, about),
            Happening::Answered { call, result } => self.answered(call, result),
            Happening::WaitExpires { call } => self.wait_expires(call),
            Happening::ProbeArrives { probe, endpoint } => self.probe_arrives(probe, endpoint),
            Happening::Probed { probe, endpoint, result } => self.probed(probe, endpoint, result),
            Happening::Question { asking, endpoint } => self.question(asking, endpoint),
            Happening::Asked { asking, endpoint, busy } => self.asked(asking, endpoint, busy),
            Happening::Operation { operation, phase } => self.operation_goes_on(operation, phase),
            Happening::ServerUp { run } => self.server_up(run),
            Happening::Cron => self.cron(),
            Happening::Strike(fault) => self.strike(fault),
            Happening::Deployment => self.deploy(),
            Happening::Calm => self.calm(),
            Happening::Inspection => self.plan_in(INSPECTION_INTERVAL, Happening::Inspection),
        }
    }

    pub fn plan_in(&mut self, after: Duration, happening: Happening) {
        self.agenda.plan(self.now + after, happening);
    }

    /// Whether a fault strikes what is being done now.
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

    /// An invariant does not hold. The first one ends the run.
    pub fn violated(&mut self, message: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let message = message();
            self.note(|| format!("VIOLATED: {message}"));
            self.violation = Some(message);
        }
    }
}
