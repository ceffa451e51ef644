//! Every order of events in a small world: two requests, one loss of the object, one preemption,
//! and calls whose responses arrive or are lost. The simulation samples many possibilities at
//! random; this test covers few of them completely. Both run the [`Driver`] of the Durable Object.
//!
//! A model checker such as stateright needs a finite set of recurring states. The states of the
//! lifecycle contain the time and numbers that only grow. So two states are the same here if they
//! are equal with all times relative to the present, and the search is bounded by the possible
//! events, not by depth.
//!
//! `scripts/mutants.mjs` applies the patches of `tests/simulation/mutants/`, some of which this
//! test must find.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use vmproxy::compute::{
    ApiError, BringUp, Call, CallError, Change, InstanceStatus, InstanceView, OperationName, OperationView,
    Response, Update,
};
use vmproxy::driver::{
    Command, Driver, Hold, Host, Input, Message, Output, Record, Reply, Stored, Ticket, Wake,
};
use vmproxy::lifecycle::{CallId, Endpoint, Event, Lifecycle, Outcome, ProbeResult, ReadyToken, Seed};
use vmproxy::schedule::Offset;
use vmproxy::time::Timestamp;
use vmproxy::{Instance, Vm, VmState, WakePolicy};

const SEED: Seed = [7; 32];

#[test]
fn every_order_of_events_ends_well() {
    let seen = explore(World::new(None));
    assert!(seen > 1_000, "only {seen} states: the world has become too small");
}

/// The VM sends two ready pushes, at any time after its boot, and a stranger sends one.
#[test]
fn every_order_of_events_ends_well_with_the_vms_own_word() {
    let ready_push = Some("https://app.example.com");
    let world =
        World { words_left: 2, strange_words_left: 1, lost_responses_left: 0, ..World::new(ready_push) };
    let seen = explore(world);
    assert!(seen > 1_000, "only {seen} states: the world has become too small");
}

/// A window of the schedule is open, and there is one request.
#[test]
fn every_order_of_events_in_a_window_ends_with_the_vm_up() {
    let seen = explore(World::in_a_window());
    assert!(seen > 1_000, "only {seen} states: the world has become too small");
}

/// Explores all orders of events. Returns the number of states.
fn explore(begin: World) -> usize {
    let mut seen = HashSet::new();
    let mut open = vec![begin];
    let mut met = HashSet::new();
    while let Some(world) = open.pop() {
        if !seen.insert(world.key()) {
            continue;
        }
        met.insert(format!("{:?}", world.lifecycle().vm_state()));
        world.clone().calms_down();
        open.extend(world.choices().into_iter().map(|choice| world.clone().chosen(choice)));
    }
    println!("{} states", seen.len());
    for state in ["Starting", "Booting", "Running"] {
        assert!(met.contains(state), "never {state}: {met:?}");
    }
    seen.len()
}

/// A possible next event.
#[derive(Clone, Debug)]
enum Choice {
    /// A request arrives.
    Request,
    /// A call takes effect, and its response arrives.
    Respond(usize),
    /// A call takes effect, and its response is lost.
    LoseResponse(usize),
    /// The oldest probe ends.
    Probe,
    /// The object is lost, and with it calls, probes and held requests, which are sent again.
    LoseObject,
    /// Compute Engine preempts the instance.
    Preempt,
    /// Nothing else happens until the deadline.
    Tick,
    /// The VM sends a ready push.
    Word,
    /// A late ready push of an earlier boot arrives, or one with a guessed token.
    StrangeWord,
}

#[derive(Clone)]
struct World {
    vm: Rc<Vm>,
    driver: Driver,
    stored: Option<Rc<Record>>,
    now: Timestamp,
    instance: Model,
    addresses: u8,
    carried_out: Vec<String>,
    inserts: u8,
    /// Each call with the token at the time of the call.
    calls: Vec<(CallId, Call, Option<ReadyToken>)>,
    probes: Vec<Endpoint>,
    tickets: u64,
    requests_left: u8,
    held: u8,
    losses_left: u8,
    lost_responses_left: u8,
    preemptions_left: u8,
    words_left: u8,
    strange_words_left: u8,
    /// The token in the instance's metadata, the token that it has read there, and that of an
    /// earlier boot.
    in_metadata: Option<ReadyToken>,
    read: Option<ReadyToken>,
    earlier: Option<ReadyToken>,
    /// The number of deadlines that may pass in a window while nothing is in progress.
    looks_left: u8,
    is_in_a_window: bool,
    /// The generation of the last endpoint that a request found unreachable.
    gone: Option<u64>,
    trace: Vec<Choice>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Model {
    Absent,
    Running(IpAddr),
    Terminated,
}

/// The driver's host. Its time zone is UTC.
struct Machine;

impl Host for Machine {
    fn identity(&mut self) -> u64 {
        7
    }

    fn seed(&mut self) -> Seed {
        SEED
    }

    fn offset(&self, _: &str, _: Timestamp) -> Option<Offset> {
        Some(Offset::from_secs(0))
    }
}

impl World {
    fn new(ready_push: Option<&str>) -> Self {
        let instance = Instance { name: "vm".into(), zone: "zone".into(), ..Instance::default() };
        // A client needs only one wake for one start, whatever happens during it.
        let wake = WakePolicy { wakes_per_hour: Some(1), ..WakePolicy::default() };
        let ready_push = ready_push.map(Into::into);
        Self::with(Vm { instance, wake, ready_push, ..Vm::default() })
    }

    fn with(vm: Vm) -> Self {
        let mut world = Self {
            vm: Rc::new(vm),
            driver: Driver::new(Stored::Nothing, None),
            stored: None,
            // 2023-11-14T22:13:00Z.
            now: Timestamp::from_millis(1_699_999_980_000),
            instance: Model::Absent,
            addresses: 0,
            carried_out: Vec::new(),
            inserts: 0,
            calls: Vec::new(),
            probes: Vec::new(),
            tickets: 0,
            requests_left: 2,
            held: 0,
            losses_left: 1,
            lost_responses_left: 1,
            preemptions_left: 1,
            words_left: 0,
            strange_words_left: 0,
            in_metadata: None,
            read: None,
            earlier: None,
            looks_left: 0,
            is_in_a_window: false,
            gone: None,
            trace: Vec::new(),
        };
        world.send(Command::Status);
        world
    }

    fn lifecycle(&self) -> &Lifecycle {
        &self.driver.record().expect("there is a record after the first message").lifecycle
    }

    /// Creates a world with an open window of an hour.
    fn in_a_window() -> Self {
        let keep_awake = vec!["daily 22:13-23:13 UTC".to_owned()];
        let first = Self::with(Vm { keep_awake, ..Vm::clone(&Self::new(None).vm) });
        let few = Self { requests_left: 1, lost_responses_left: 0, ..first };
        Self { looks_left: 1, is_in_a_window: true, ..few }
    }

    fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        if self.requests_left > 0 {
            choices.push(Choice::Request);
        }
        choices.extend((0..self.calls.len()).map(Choice::Respond));
        if self.lost_responses_left > 0 {
            choices.extend((0..self.calls.len()).map(Choice::LoseResponse));
        }
        // All probes of one endpoint are the same.
        if !self.probes.is_empty() {
            choices.push(Choice::Probe);
        }
        if self.losses_left > 0 && !matches!(self.lifecycle().vm_state(), VmState::Absent) {
            choices.push(Choice::LoseObject);
        }
        if self.preemptions_left > 0 && matches!(self.instance, Model::Running(_)) {
            choices.push(Choice::Preempt);
        }
        if self.words_left > 0 && self.read.is_some() {
            choices.push(Choice::Word);
        }
        if self.strange_words_left > 0 {
            choices.push(Choice::StrangeWord);
        }
        let is_due = self.lifecycle().is_busy() || self.looks_left > 0;
        if self.calls.is_empty() && self.probes.is_empty() && is_due {
            choices.push(Choice::Tick);
        }
        choices
    }

    fn chosen(mut self, choice: Choice) -> Self {
        self.trace.push(choice.clone());
        match choice {
            Choice::Request => {
                self.requests_left -= 1;
                self.held += 1;
                // Like the proxy, a request reports that the endpoint is unreachable.
                let serving = self.lifecycle().serving();
                let gone = serving.filter(|endpoint| self.instance != Model::Running(endpoint.ip));
                let unreachable = gone.map(|endpoint| endpoint.generation);
                self.gone = unreachable.or(self.gone);
                let client = Some("client".into());
                self.send(Command::Wake(Wake { unreachable, hold: Hold::UntilDone, force: false, client }));
            }
            Choice::Respond(index) => {
                let (call, what, token) = self.calls.remove(index);
                let result = self.carry_out(&what, token);
                self.report(Event::Responded { call, result, token_took: Duration::ZERO });
            }
            Choice::LoseResponse(index) => {
                self.lost_responses_left -= 1;
                let (call, what, token) = self.calls.remove(index);
                let _ = self.carry_out(&what, token);
                let result = Err(CallError::NoResponse("lost".into()));
                self.report(Event::Responded { call, result, token_took: Duration::ZERO });
            }
            Choice::Probe => {
                let endpoint = self.probes.remove(0);
                let healthy = self.instance == Model::Running(endpoint.ip);
                let result = if healthy { ProbeResult::Healthy } else { ProbeResult::Unreachable };
                self.report(Event::Probed { generation: endpoint.generation, result });
            }
            Choice::LoseObject => {
                self.losses_left -= 1;
                self.calls.clear();
                self.probes.clear();
                self.requests_left += std::mem::take(&mut self.held);
                let stored = self.stored.as_ref().expect("something is stored").to_json().unwrap();
                let record = Record::from_json(&stored).unwrap();
                self.driver = Driver::new(Stored::Record(Box::new(record)), None);
                self.input(Input::Alarm { name: None });
            }
            Choice::Preempt => {
                self.preemptions_left -= 1;
                self.instance = Model::Terminated;
                self.earlier = self.read.take().or(self.earlier.take());
            }
            Choice::Word => {
                self.words_left -= 1;
                let token = self.read.clone().expect("it has read a token");
                self.send(Command::Ready(token));
            }
            Choice::StrangeWord => {
                self.strange_words_left -= 1;
                let before = self.lifecycle().vm_state();
                // A boot whose end the lifecycle has not yet noticed is no earlier boot.
                let token =
                    self.earlier.clone().filter(|token| self.lifecycle().ready_token() != Some(token));
                self.send(Command::Ready(token.unwrap_or(ReadyToken::from("guess"))));
                let after = self.lifecycle().vm_state();
                assert_eq!(before, after, "the word of an earlier boot is believed: {:?}", self.trace);
            }
            Choice::Tick => {
                self.looks_left -= u8::from(!self.lifecycle().is_busy());
                let deadline =
                    self.lifecycle().deadline().expect("something is under way without a deadline");
                assert!(deadline > self.now, "the deadline does not move: {:?}", self.trace);
                self.now = deadline;
                self.report(Event::Timer);
            }
        }
        self
    }

    /// Checks that without further faults every request gets its response, from a VM that serves.
    fn calms_down(mut self) {
        self.losses_left = 0;
        self.lost_responses_left = 0;
        self.preemptions_left = 0;
        (self.words_left, self.strange_words_left) = (0, 0);
        self.looks_left = u8::from(self.is_in_a_window);
        for _ in 0..500 {
            let Some(choice) = self.choices().pop() else {
                assert_eq!(self.held, 0, "requests are held for ever: {:?}", self.trace);
                let is_up = matches!(self.instance, Model::Running(_));
                assert!(is_up || !self.is_in_a_window, "down in its window: {:?}", self.trace);
                return;
            };
            self = self.chosen(choice);
        }
        panic!("it does not come to rest: {:?}", self.trace);
    }

    fn send(&mut self, command: Command) {
        let message = Box::new(Message { vm: Rc::clone(&self.vm), command });
        self.tickets += 1;
        self.input(Input::Message { ticket: Ticket(self.tickets), message });
    }

    fn report(&mut self, event: Event) {
        self.input(Input::Event(event));
    }

    fn input(&mut self, input: Input) {
        for output in self.driver.handle(input, self.now, &mut Machine) {
            match output {
                Output::Store => self.stored = self.driver.record().cloned().map(Rc::new),
                Output::Call { id, call, .. } => {
                    self.calls.push((id, call, self.lifecycle().ready_token().cloned()));
                    let changes =
                        self.calls.iter().filter(|(_, call, _)| matches!(call, Call::Change { .. }));
                    assert!(changes.count() <= 1, "two changes at once: {:?}", self.trace);
                }
                Output::Probe { endpoint, .. } => self.probes.push(endpoint),
                Output::Reply { to, reply: Reply::Outcome(outcome) } => self.released(to.len(), &outcome),
                Output::Reply { .. }
                | Output::Log(..)
                | Output::CheckBusy { .. }
                | Output::Show(..)
                | Output::Publish
                | Output::SetTimer(_)
                | Output::SetAlarm(_) => {}
            }
        }
    }

    /// Handles a reply to this number of held requests.
    fn released(&mut self, requests: usize, outcome: &Outcome) {
        let requests = u8::try_from(requests).unwrap();
        assert!(requests <= self.held, "a second reply to a request: {:?}", self.trace);
        self.held -= requests;
        match outcome {
            Outcome::Ready { endpoint, cold_start } => {
                assert_ne!(Some(endpoint.generation), self.gone, "sent there again: {:?}", self.trace);
                if cold_start.is_some() {
                    let healthy = Model::Running(endpoint.ip);
                    assert_eq!(self.instance, healthy, "sent where nothing is: {:?}", self.trace);
                }
            }
            Outcome::Failed(failure) => {
                panic!("nothing fails for good here, but: {}: {:?}", failure.message, self.trace)
            }
        }
    }

    fn carry_out(&mut self, call: &Call, token: Option<ReadyToken>) -> Result<Response, CallError> {
        let done = Ok(Response::Operation(OperationView {
            name: OperationName("operation".into()),
            outcome: Some(Ok(())),
        }));
        let (change, request_id) = match call {
            Call::Change { change, request_id } => (change, request_id),
            Call::Update { update: Update::Ready { .. }, .. } => {
                self.in_metadata = token;
                return done;
            }
            _ => return self.look(),
        };
        if self.carried_out.contains(&request_id.to_string()) {
            return done;
        }
        match (change, self.instance) {
            (Change::Up(BringUp::Insert), Model::Absent) => {
                self.inserts += 1;
                assert_eq!(self.inserts, 1, "a second instance: {:?}", self.trace);
                self.in_metadata = token;
            }
            (Change::Up(BringUp::Start), Model::Terminated) => {}
            (Change::Up(BringUp::Start), Model::Running(_)) => return done,
            _ => return Err(refused(409, "alreadyExists")),
        }
        self.carried_out.push(request_id.to_string());
        self.addresses += 1;
        self.read.clone_from(&self.in_metadata);
        self.instance = Model::Running(IpAddr::V4(Ipv4Addr::new(203, 0, 113, self.addresses)));
        done
    }

    fn look(&self) -> Result<Response, CallError> {
        let (status, ip) = match self.instance {
            Model::Absent => return Err(refused(404, "notFound")),
            Model::Running(ip) => (InstanceStatus::Running, Some(ip)),
            Model::Terminated => (InstanceStatus::Terminated, None),
        };
        let ready = Some(Update::Ready { fingerprint: "f".into(), others: BTreeMap::new() });
        Ok(Response::Instance(InstanceView { status, ip, drift: vec![], ready }))
    }

    /// Returns what distinguishes this world from others: all but the absolute time and the trace.
    fn key(&self) -> String {
        let mut lifecycle = serde_json::to_value(self.lifecycle()).unwrap();
        relative(&mut lifecycle, self.now.as_millis());
        let Self { instance, calls, probes, requests_left, held, losses_left, .. } = self;
        let left = (requests_left, held, losses_left, self.lost_responses_left);
        let tokens = [&self.in_metadata, &self.read, &self.earlier]
            .map(|token| token.as_ref().map(ReadyToken::as_str));
        let left = (left, self.preemptions_left, self.looks_left);
        let left = (left, self.words_left, self.strange_words_left, tokens);
        let calls: Vec<&Call> = calls.iter().map(|(_, call, _)| call).collect();
        format!("{lifecycle} {instance:?} {calls:?} {probes:?} {left:?} {:?}", self.carried_out)
    }
}

/// Makes every time relative to `now`.
fn relative(value: &mut Value, now: u64) {
    match value {
        Value::Number(number) => {
            if let Some(time) = number.as_u64().filter(|time| time.abs_diff(now) < 1_000_000_000) {
                *value = format!("{:+}", i128::from(time) - i128::from(now)).into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| relative(value, now)),
        Value::Object(fields) => {
            // The history does not influence any decision.
            fields.remove("cold_starts");
            fields.values_mut().for_each(|value| relative(value, now));
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn refused(status: u16, reason: &str) -> CallError {
    CallError::Api(ApiError { status, reason: reason.into(), message: "refused".into() })
}
