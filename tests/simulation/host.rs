//! The host of the VM's object: it holds the real [`Driver`], passes every input to it, and may
//! lose it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use vmproxy::compute::{CallError, InstanceStatus, Response, TakeDown};
use vmproxy::driver::{
    Command, Driver, Hold, Host, Input, Message, Record, Stored, TakeDownRequest, Ticket, Wake,
};
use vmproxy::lifecycle::{CallId, Event, Lifecycle, ProbeResult};
use vmproxy::schedule::Offset;
use vmproxy::time::Timestamp;
use vmproxy::Endpoint;

use super::event_queue::WorldEvent;
use super::invariants::{MINUTE, SLACK};
use super::random::Random;
use super::ready::Token;
use super::rollout::Own;
use super::scenario::Fault;
use super::world::World;

/// A message to the object.
#[derive(Clone, Debug)]
pub enum Sent {
    Wake {
        request: Option<u64>,
        unreachable: Option<u64>,
        force: bool,
    },
    Touch {
        isolate: usize,
    },
    TakeDown(TakeDown),
    Status,
    Ready {
        token: Token,
    },
    /// The cron trigger's message: follow the schedule.
    Follow,
}

/// Returns the client that sends a request: one of three.
fn client(request: u64) -> String {
    format!("client {}", request % 3)
}

/// The object: the storage and the alarm outlive its memory.
#[derive(Default)]
pub struct Object {
    pub stored: Option<Record>,
    /// `true` if the stored record cannot be read.
    pub unreadable: bool,
    pub alarm: Option<(u64, Timestamp)>,
    pub memory: Option<Memory>,
    /// The number of calls, probes, timers, alarms and tickets so far, of all loads.
    numbers: u64,
}

pub struct Memory {
    pub driver: Driver,
    /// The messages that wait for a reply.
    pub tickets: BTreeMap<Ticket, Sent>,
    /// The configuration of the object's own version of the Worker.
    own: Own,
    /// The configuration that the next event must find.
    configuration: Option<usize>,
    pub timer: Option<u64>,
    pub calls: Vec<(u64, CallId)>,
    /// The probes in progress, each with the generation of its endpoint.
    pub probes: Vec<(u64, u64)>,
    pub busy_checks: Vec<u64>,
}

impl Object {
    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn record(&self) -> Option<&Record> {
        let in_memory = self.memory.as_ref().and_then(|memory| memory.driver.record());
        in_memory.or(self.stored.as_ref())
    }

    /// Returns the lifecycle as the next event finds it.
    pub fn lifecycle(&self) -> Option<&Lifecycle> {
        self.record().map(|record| &record.lifecycle)
    }

    /// Returns the number of the configuration that the next event finds.
    pub fn configuration(&self) -> usize {
        let due = self.memory.as_ref().and_then(|memory| memory.configuration);
        due.or(self.record().map(number)).unwrap_or_default()
    }
}

/// Returns the number of the configuration in a record.
fn number(record: &Record) -> usize {
    let number = record.vm.path.strip_prefix('/').and_then(|number| number.parse().ok());
    number.expect("each configuration of a scenario has a path of its own")
}

/// The driver's host. Its time zone is UTC.
struct Machine<'a>(&'a mut Random);

impl Host for Machine<'_> {
    fn identity(&mut self) -> u64 {
        self.0.number()
    }

    fn seed(&mut self) -> [u8; 32] {
        let random = self.0.number().to_le_bytes();
        std::array::from_fn(|byte| random[byte % random.len()])
    }

    fn offset(&self, _: &str, _: Timestamp) -> Option<Offset> {
        Some(Offset::from_secs(0))
    }
}

impl World {
    /// Handles a message to the object.
    pub fn receive(&mut self, sent: Sent) {
        let sender_has = self.scenario.configured_in(self.sender(&sent), self.now);
        self.load();
        let is_believed = match sent {
            Sent::Ready { token } => self.is_present_token(token),
            _ => true,
        };
        if is_believed {
            let own = self.object.memory.as_ref().map_or(Own::Unknown, |memory| memory.own);
            if let Own::Configured(own) = own {
                if own != sender_has {
                    let older = if sender_has < own { "an older" } else { "a newer" };
                    self.coverage.count("the VM", &format!("is sent {older} configuration"));
                }
                self.expect_configuration(own);
            } else {
                self.expect_configuration(sender_has);
            }
        }
        let ticket = Ticket(self.object.number());
        if let Sent::Wake { request: Some(_), .. } = sent {
            let limit = self.scenario.startup_timeout() + SLACK;
            self.plan_in(limit, WorldEvent::Overdue { ticket });
        }
        let (command, event) = self.command(&sent);
        if let Some(memory) = &mut self.object.memory {
            memory.tickets.insert(ticket, sent);
        }
        let vm = Rc::new(self.scenario.configurations[sender_has].vm.clone());
        let message = Box::new(Message { vm, command });
        self.drive(Input::Message { ticket, message }, &event);
    }

    /// Returns the command of a message, and the lifecycle's event for it.
    fn command(&self, sent: &Sent) -> (Command, Event) {
        match sent {
            Sent::Wake { request, unreachable, force } => {
                let (unreachable, force, client) = (*unreachable, *force, request.map(client));
                let hold = if request.is_some() { Hold::UntilDone } else { Hold::No };
                let wake = Wake { unreachable, hold, force, client: client.clone() };
                (Command::Wake(wake), Event::Wake { unreachable, force, client })
            }
            Sent::Touch { .. } => (Command::Touch, Event::Touch),
            Sent::TakeDown(take_down) => {
                let request = TakeDownRequest { take_down: *take_down, wait: true };
                (Command::TakeDown(request), Event::TakeDown(*take_down))
            }
            Sent::Status | Sent::Follow => (Command::Status, Event::Timer),
            Sent::Ready { token } => {
                let token = self.observed.tokens[*token].clone();
                (Command::Ready(token.clone()), Event::ReadyPushed { token })
            }
        }
    }

    /// Handles the alarm.
    pub fn alarm_rings(&mut self, alarm: u64, duplicate: bool) {
        let set = self.object.alarm.is_some_and(|(number, _)| number == alarm);
        if !set && !duplicate {
            return;
        }
        if set {
            self.object.alarm = None;
        }
        self.load();
        let Some(memory) = &self.object.memory else { return };
        let own = memory.own;
        let is_known = memory.driver.record().is_some() || self.object.unreadable;
        if let (Own::Configured(own), true) = (own, is_known) {
            self.expect_configuration(own);
        }
        let is_removed = own == Own::Removed && self.object.lifecycle().is_some_and(Lifecycle::may_run);
        if is_removed {
            self.coverage.count("the VM", "is removed");
        }
        let event = if is_removed { Event::TakeDown(TakeDown::Stop) } else { Event::Timer };
        self.drive(Input::Alarm { name: Some("backend".to_owned()) }, &event);
        // An alarm is delivered at least once: if the object is lost meanwhile, the alarm fires
        // again.
        if self.object.memory.is_none() && self.object.alarm.is_none() {
            self.set_alarm(self.now + Duration::from_secs(2));
        }
    }

    /// Handles a timer of the memory.
    pub fn timer_runs_out(&mut self, timer: u64) {
        let Some(memory) = &mut self.object.memory else { return };
        if memory.timer == Some(timer) {
            memory.timer = None;
            self.observe_bustle();
            self.report(Event::Timer);
        }
    }

    /// Handles the response to a call. Responses to calls of an earlier load are dropped.
    pub fn responded(&mut self, call: u64, result: Result<Response, CallError>) {
        let Some(memory) = &mut self.object.memory else { return };
        let Some(at) = memory.calls.iter().position(|(number, _)| *number == call) else { return };
        let (_, id) = memory.calls.remove(at);
        self.observe_response(&result);
        let token_took = Duration::from_millis(self.random.below(50));
        self.report(Event::Responded { call: id, result, token_took });
    }

    pub fn probed(&mut self, probe: u64, endpoint: Endpoint, result: ProbeResult) {
        let Some(memory) = &mut self.object.memory else { return };
        let Some(at) = memory.probes.iter().position(|(number, _)| *number == probe) else { return };
        memory.probes.remove(at);
        if result == ProbeResult::Healthy {
            self.observed.healthy.insert(endpoint.generation, endpoint);
        }
        self.report(Event::Probed { generation: endpoint.generation, result });
    }

    pub fn busy_checked(&mut self, check: u64, endpoint: Endpoint, busy: bool) {
        let Some(memory) = &mut self.object.memory else { return };
        let Some(at) = memory.busy_checks.iter().position(|number| *number == check) else { return };
        memory.busy_checks.remove(at);
        self.report(Event::BusyChecked { generation: endpoint.generation, busy });
    }

    fn report(&mut self, event: Event) {
        self.drive(Input::Event(event.clone()), &event);
    }

    /// Passes an input to the driver and carries out the outputs. `event` is the lifecycle's event
    /// for the input.
    fn drive(&mut self, input: Input, event: &Event) {
        self.count_hours();
        self.observe_timetable();
        let Some(memory) = &mut self.object.memory else { return };
        let outputs = memory.driver.handle(input, self.now, &mut Machine(&mut self.random));
        let due = memory.configuration.take();
        let known = memory.driver.record().map(number);
        if due.is_some_and(|due| known != Some(due)) {
            self.violated(|| format!("the configuration {due:?} is due, and it has {known:?}"));
        }
        self.observe_event(event);
        self.carry_out(outputs, event);
    }

    /// Loses the memory, and with it the timer, the held requests and the calls in progress.
    pub fn lose_object(&mut self) {
        let Some(memory) = self.object.memory.take() else { return };
        self.note(|| "object: lost".to_owned());
        self.observed.lost(self.now);
        let is_request = |sent: &Sent| matches!(sent, Sent::Wake { request: Some(_), .. });
        let (requests, others): (Vec<_>, Vec<_>) = memory.tickets.into_values().partition(is_request);
        for sent in requests.iter().chain(&others) {
            self.lost(sent);
        }
    }

    fn load(&mut self) {
        if self.object.memory.is_some() {
            return;
        }
        if self.object.stored.is_some() && self.can_be_found_again() && self.strikes(Fault::LostRecord) {
            self.object.unreadable = true;
            self.note(|| "object: the record cannot be read".to_owned());
            self.object.stored = None;
            self.forget_all();
        }
        let stored = match &self.object.stored {
            Some(record) => {
                let text = record.to_json().expect("the record can be written");
                Stored::Record(Box::new(Record::from_json(&text).expect("the record can be read")))
            }
            None if self.object.unreadable => Stored::Unreadable,
            None => Stored::Nothing,
        };
        let own = self.scenario.own(self.now);
        let configured = match own {
            Own::Unknown => None,
            Own::Removed => Some(Vec::new()),
            Own::Configured(own) => Some(vec![Rc::new(self.scenario.configurations[own].vm.clone())]),
        };
        self.object.memory = Some(Memory {
            driver: Driver::new(stored, configured),
            tickets: BTreeMap::new(),
            own,
            configuration: None,
            timer: None,
            calls: Vec::new(),
            probes: Vec::new(),
            busy_checks: Vec::new(),
        });
    }

    /// Returns whether the VM can be found by the next configurations alone. That is not possible
    /// for an instance in another zone, for a VM that has been removed, or for an instance whose
    /// insert is on its way.
    fn can_be_found_again(&self) -> bool {
        let oldest = match self.scenario.own(self.now) {
            Own::Configured(own) => own,
            Own::Removed => return false,
            Own::Unknown => {
                let sent = (0..self.scenario.isolates).map(|i| self.scenario.configured_in(i, self.now));
                sent.min().unwrap_or_default()
            }
        };
        let soon = self.now + 5 * MINUTE;
        let next = self.scenario.configurations[oldest..].iter().filter(|c| c.from <= soon);
        let next: Vec<_> = next.map(|configuration| &configuration.zones).collect();
        // A take-down in progress may still be cancelled.
        let down = [InstanceStatus::Terminated, InstanceStatus::Stopped, InstanceStatus::Suspended];
        let up = self.compute.instances.iter().filter(|(_, instance)| !down.contains(&instance.status));
        let in_all = |zone| next.iter().all(|zones| zones.contains(zone));
        up.map(|(zone, _)| zone).all(in_all) && !self.a_change_is_on_its_way()
    }

    /// Records that the next input must give this configuration to the object.
    fn expect_configuration(&mut self, due: usize) {
        let Some(memory) = &mut self.object.memory else { return };
        memory.configuration = Some(due);
        if let Some(before) = memory.driver.record() {
            let after = &self.scenario.configurations[due].vm;
            if *before.vm == *after {
                return;
            }
            if (&before.vm.keep_awake, &before.vm.wake_at) != (&after.keep_awake, &after.wake_at) {
                self.observed.operator_wants_down = false;
            }
            let before = number(before);
            // From messages alone the object cannot know which configuration is newer.
            if due < before && matches!(memory.own, Own::Configured(_)) {
                self.violated(|| format!("goes back from the configuration {before} to {due}"));
            }
        }
        self.note(|| format!("object: configured with the configuration {due}"));
        self.observe_configured();
    }

    /// Handles the loss of a message: its sender notices, and repeats it.
    pub fn lost(&mut self, sent: &Sent) {
        match sent {
            Sent::Wake { request: Some(request), .. } => {
                let request = *request;
                self.plan_in(Duration::from_millis(20), WorldEvent::NoReply { request });
            }
            _ if self.scenario.is_removed_in(self.sender(sent), self.now) => {}
            Sent::Wake { request: None, .. } | Sent::TakeDown(_) | Sent::Follow => {
                let pause = self.random.between(Duration::from_secs(1), Duration::from_secs(4));
                self.plan_in(pause, WorldEvent::Message(sent.clone()));
            }
            Sent::Touch { .. } | Sent::Status | Sent::Ready { .. } => {}
        }
    }
}
