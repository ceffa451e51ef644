//! The invariants. Each has its check here, and its own message.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use vmproxy::driver::Ticket;
use vmproxy::lifecycle::{Event, FailureKind, Lifecycle, Outcome, ReadyToken};
use vmproxy::time::Timestamp;
use vmproxy::{Endpoint, VmState};

use super::compute::{Actor, Zone};
use super::configuration::{self, Configuration};
use super::host::Sent;
use super::monthly_limit::Hours;
use super::ready::Token;
use super::world::World;

/// How much later than its deadline something may happen: a timer's lateness, and the way.
pub const SLACK: Duration = Duration::from_secs(2);

/// How much later than at its idle deadline a VM may begin to go down: the alarm's lateness, and a loss or two.
pub const IDLE_SLACK: Duration = Duration::from_secs(60);

/// How many probes of one endpoint may be under way.
const MOST_PROBES: usize = 4;

/// How many events of its own a lifecycle may have in a second: probes that begin 100 ms apart, and calls.
const MOST_EVENTS: usize = 40;

pub const MINUTE: Duration = Duration::from_secs(60);

/// What has been seen so far, as far as an invariant needs it.
#[derive(Default)]
pub struct Observations {
    /// When a client last wanted something, or had something.
    pub last_use: Timestamp,
    /// When activity last reached the store.
    pub reported_at: Timestamp,
    /// Since when the VM is shown as it is.
    pub changed_at: Timestamp,
    pub lost_at: Timestamp,
    /// Since when the VM is to be awake by its schedule, and until when that has been looked at.
    pub awake_since: Option<Timestamp>,
    pub timed_at: Timestamp,
    /// Whether its schedule has called it, and nothing has come of that yet.
    pub is_called: bool,
    /// When the VM last said that it is busy, and when it was last asked.
    pub busy_at: Timestamp,
    pub asked_at: Timestamp,
    /// When the object last got a configuration.
    pub configured_at: Timestamp,
    /// The operator was the last to ask for something.
    pub operator_wants_down: bool,
    /// Whether the operator's stop waits for the end of a start. Another schedule does not call that off.
    pub stop_waits: bool,
    /// When each request id was first used; and those of the starts.
    pub first_used: BTreeMap<String, Timestamp>,
    pub starts: VecDeque<Timestamp>,
    /// When each client has woken the VM.
    wakes: BTreeMap<String, VecDeque<Timestamp>>,
    /// Whether the last that was refused had woken it too often.
    pub turned_away: bool,
    /// The endpoints by generation: those probed, and those found healthy.
    probed: BTreeMap<u64, Endpoint>,
    pub healthy: BTreeMap<u64, Endpoint>,
    pub calls: VecDeque<Timestamp>,
    pub losses: VecDeque<Timestamp>,
    caused: VecDeque<Timestamp>,
    /// The start under way: since when, and its calls.
    pub start: Option<(Timestamp, u64)>,
    /// After the history was lost, the zones to look into, and those looked into, until the VM is created.
    pub searched: Option<(Vec<Zone>, BTreeSet<Zone>)>,
    pub hours: Hours,
    /// The tokens that there have been, and the newest that the lifecycle has given out.
    pub tokens: Vec<ReadyToken>,
    pub newest: Option<Token>,
    /// Which token the machine at an address has read, and which have been said.
    pub read_at: BTreeMap<IpAddr, Token>,
    pub said: BTreeSet<Token>,
    /// How many starts were refused one after another, and when the last.
    pub refused: (u32, Timestamp),
    /// Since when every answer has been a refusal for good.
    pub refused_since: Option<Timestamp>,
}

impl Observations {
    pub fn lost(&mut self, now: Timestamp) {
        self.lost_at = now;
        self.losses.push_back(now);
    }
}

pub fn is_starting(state: VmState) -> bool {
    matches!(state, VmState::Starting | VmState::Booting)
}

pub fn is_going_down(state: VmState) -> bool {
    matches!(state, VmState::Stopping | VmState::Suspending | VmState::Deleting)
}

pub fn is_down(state: VmState) -> bool {
    matches!(state, VmState::Absent | VmState::Stopped | VmState::Suspended)
}

/// How many of `times` lie in the last `span`; older ones are forgotten.
pub fn count_within(times: &mut VecDeque<Timestamp>, span: Duration, now: Timestamp) -> usize {
    while times.front().is_some_and(|first| *first + span < now) {
        times.pop_front();
    }
    times.len()
}

impl World {
    /// The lifecycle has taken an event.
    pub fn observe_event(&mut self, event: &Event) {
        let deadline = self.object.lifecycle().and_then(Lifecycle::deadline);
        let deadline = deadline.filter(|deadline| *deadline <= self.now);
        match (event, deadline) {
            (Event::Timer, Some(deadline)) => {
                self.violated(|| format!("the deadline does not move: {deadline:?} after a tick"));
            }
            (Event::Responded { .. } | Event::Probed { .. }, _) => self.observe_bustle(),
            _ => {}
        }
    }

    /// Something has happened that the lifecycle itself has caused: a timer, an answer.
    pub fn observe_bustle(&mut self) {
        self.observed.caused.push_back(self.now);
        let events = count_within(&mut self.observed.caused, Duration::from_secs(1), self.now);
        if events > MOST_EVENTS {
            self.violated(|| format!("a busy loop: {events} events in a second"));
        }
    }

    /// The configuration of the VM that the object knows.
    pub fn known(&self) -> &Configuration {
        &self.scenario.configurations[self.object.configuration()]
    }

    /// The object has got a configuration.
    pub fn observe_configured(&mut self) {
        self.coverage.count("the VM", "gets a configuration");
        let known = self.known().zones.clone();
        if let Some((zones, _)) = self.observed.searched.as_mut().filter(|(zones, _)| zones.is_empty()) {
            *zones = known;
        }
        self.observed.configured_at = self.now;
        self.observed.refused.0 = 0;
        self.observed.refused_since = None;
    }

    /// The record is lost, and with it the history.
    pub fn forget_all(&mut self) {
        self.coverage.count("the VM", "is recovered");
        self.observed.operator_wants_down = false;
        self.observed.probed.clear();
        self.observed.healthy.clear();
        self.observed.starts.clear();
        self.observed.wakes.clear();
        self.observed.searched = Some((Vec::new(), BTreeSet::new()));
        self.hours_before(Duration::ZERO);
        for operation in self.compute.operations.iter_mut().filter(|o| o.by == Actor::Engine) {
            operation.by = Actor::Forgotten;
        }
    }

    /// What the lifecycle has made of an event is in the store.
    pub fn observe_transition(&mut self, event: &Event, refuses: bool, before: VmState) {
        let Some(stored) = self.object.stored.as_ref().map(|record| &record.lifecycle) else { return };
        let (after, failure, now) = (stored.vm_state(), stored.failure().map(|f| f.kind), self.now);
        let stored_since = stored.since();
        let is_called = std::mem::take(&mut self.observed.is_called);
        let moves = !self.known().zones.contains(&configuration::number(stored.zone()));
        match event {
            Event::Wake { force, .. } => {
                (self.observed.reported_at, self.observed.operator_wants_down) = (now, false);
                (self.observed.last_use, self.observed.stop_waits) = (now, false);
                if *force {
                    self.observed.refused.0 = 0;
                    self.observed.refused_since = None;
                }
            }
            Event::Touch => self.observed.reported_at = now,
            Event::BusyChecked { busy, .. } => {
                self.coverage.count(
                    "the VM",
                    if *busy { "answers that it is busy" } else { "answers that it is not" },
                );
                if *busy {
                    self.observed.busy_at = now;
                }
            }
            Event::TakeDown(_) => {
                self.observed.operator_wants_down = true;
                self.observed.stop_waits = is_starting(after);
                self.observed.refused.0 = 0;
                self.observed.refused_since = None;
            }
            Event::Timer | Event::Responded { .. } | Event::Probed { .. } | Event::ReadyPushed { .. } => {}
        }
        if before == after {
            return;
        }
        self.coverage.transition(Some(before), after);
        if let (Event::ReadyPushed { token }, VmState::Running) = (event, after) {
            self.observe_word(token);
        }
        if (before, after) == (VmState::Starting, VmState::Running) {
            self.coverage.count("the VM", "is up before its operation is done");
        }
        self.coverage.state(after);
        self.observed.changed_at = now;
        if stored_since != now {
            self.violated(|| format!("shown as {after:?} since {stored_since:?}"));
        }
        if after == VmState::Running && moves {
            self.violated(|| "begins to serve in a zone that is not configured any more".to_owned());
        }
        if is_going_down(after) && !is_going_down(before) {
            match before {
                _ if moves => self.coverage.count("the VM", "leaves a zone"),
                VmState::Suspended if !self.observed.operator_wants_down => {
                    self.coverage.count("the VM", "begins to sleep deeply");
                }
                _ if self.may_be_used_up() => self.coverage.count("the VM", "goes down for its hours"),
                // Preempted as often as it may be started.
                _ if failure == Some(FailureKind::OverLimit) => {}
                _ if self.observed.operator_wants_down || self.observed.stop_waits => {}
                _ => self.check_idle(before),
            }
        }
        if is_starting(after) && !is_starting(before) {
            self.observed.start = Some((now, 0));
            if is_down(before) && self.observed.operator_wants_down {
                self.violated(|| "it is started although the operator wants it down".to_owned());
            }
            if before != VmState::Running {
                self.check_hours();
            }
            if (is_down(before) || before == VmState::Failed)
                && matches!(event, Event::Wake { force: false, .. })
                // Its schedule may start it at the moment when a request comes, or when one may not.
                && !is_called
                && !refuses
            {
                self.check_starts();
                self.check_wakes(event);
            }
            let (times, last) = self.observed.refused;
            if before == VmState::Failed && times >= 4 && now.since(last) < MINUTE * 3 / 4 {
                let pause = now.since(last);
                self.violated(|| format!("refused {times} times, and tried again after {pause:?} only"));
            }
        }
        if !is_starting(after) {
            (self.observed.start, self.observed.stop_waits) = (None, false);
        }
        match (after, failure) {
            (VmState::Failed, Some(FailureKind::Refused)) => {
                self.observed.refused = (self.observed.refused.0 + 1, now);
            }
            (VmState::Failed | VmState::Running, _) => self.observed.refused.0 = 0,
            (state, _) if is_down(state) => self.observed.refused.0 = 0,
            _ => {}
        }
    }

    pub fn observe_probe(&mut self, endpoint: Endpoint) {
        for instance in self.compute.instances.values_mut() {
            instance.probed |= instance.address == Some(endpoint.ip);
        }
        let known = *self.observed.probed.entry(endpoint.generation).or_insert(endpoint);
        if known != endpoint {
            self.violated(|| format!("one generation, two endpoints: {known:?} and {endpoint:?}"));
        }
        let probes = self.object.memory.iter().flat_map(|memory| &memory.probes);
        let probes = probes.filter(|(_, generation)| *generation == endpoint.generation).count();
        if probes >= MOST_PROBES {
            self.violated(|| format!("{probes} probes of one endpoint at once, and one more"));
        }
    }

    /// A VM goes down because nobody uses it.
    fn check_idle(&mut self, before: VmState) {
        self.check_awake();
        let vm = &self.known().vm;
        let (idle_timeout, asks) = (vm.idle_timeout, vm.busy_path.is_some() && before == VmState::Running);
        let Observations { reported_at, busy_at, asked_at, .. } = self.observed;
        let asks = asks && self.now.since(reported_at) < vm.busy_limit;
        let (idle_for, busy_for) = (self.now.since(reported_at), self.now.since(busy_at));
        if idle_for < idle_timeout {
            self.violated(|| format!("a VM in use is brought down: activity was reported {idle_for:?} ago"));
        }
        if asks && busy_for < idle_timeout {
            self.violated(|| format!("a busy VM is brought down: it said that it is busy {busy_for:?} ago"));
        }
        if asks && asked_at < reported_at {
            self.violated(|| "a VM is brought down that has not been asked whether it is busy".to_owned());
        }
    }

    /// A request has begun a start.
    fn check_starts(&mut self) {
        let Some(most) = self.known().vm.max_starts_per_hour else { return };
        let starts = count_within(&mut self.observed.starts, 60 * MINUTE, self.now);
        if starts >= most as usize {
            self.violated(|| format!("a start too many: {starts} within an hour before it, of {most}"));
        }
    }

    /// The same, of whoever has sent it.
    fn check_wakes(&mut self, event: &Event) {
        let (Event::Wake { client: Some(client), .. }, now) = (event, self.now) else { return };
        let Some(most) = self.known().vm.wake.wakes_per_hour else { return };
        let wakes = self.observed.wakes.entry(client.clone()).or_default();
        wakes.push_back(now);
        let count = count_within(wakes, 60 * MINUTE, now);
        if count > most as usize {
            self.violated(|| format!("{client} wakes it {count} times within an hour, of {most}"));
        }
    }

    /// The VM is being asked whether it is busy.
    pub fn observe_question(&mut self) {
        self.observed.asked_at = self.now;
    }

    /// The lifecycle answers the held requests.
    pub fn observe_release(&mut self, outcome: &Outcome) {
        let endpoint = match outcome {
            Outcome::Ready { endpoint, .. } => endpoint,
            Outcome::Failed(failure) if failure.message.contains("max_hours_per_month") => {
                return self.check_refusal_for_hours();
            }
            Outcome::Failed(_) => return,
        };
        let stored = self.object.stored.as_ref().map(|record| &record.lifecycle);
        let present = stored.filter(|s| s.vm_state() == VmState::Running).and_then(Lifecycle::endpoint);
        if present != Some(*endpoint) {
            self.violated(|| format!("told an endpoint that is not the present one: {endpoint:?}"));
        }
        if self.observed.healthy.get(&endpoint.generation) == Some(endpoint) {
            return;
        }
        if self.has_said_so(endpoint.ip) {
            self.coverage.count("the VM", "is ready by its own word");
        } else {
            self.violated(|| format!("told an endpoint that no probe has found healthy: {endpoint:?}"));
        }
    }

    /// A request is sent on.
    pub fn check_forward(&mut self, endpoint: Endpoint, told_at: Timestamp, touch_interval: Duration) {
        let (age, limit) = (self.now.since(told_at), 2 * touch_interval);
        if age >= limit {
            self.violated(|| format!("forwarded to an endpoint that was told {age:?} ago: {endpoint:?}"));
        }
    }

    /// A held request should have been answered by now.
    pub fn overdue(&mut self, ticket: Ticket) {
        let Some(memory) = &self.object.memory else { return };
        if let Some(Sent::Wake { request: Some(request), .. }) = memory.tickets.get(&ticket) {
            let request = *request;
            let limit = self.scenario.startup_timeout();
            self.violated(|| format!("request {request} is held for more than {limit:?}"));
        }
    }
}
