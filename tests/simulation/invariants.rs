//! The invariants, each with its check and its own message.

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

/// The tolerance for deadlines: the lateness of a timer, and the latency of a message.
pub const SLACK: Duration = Duration::from_secs(2);

/// The tolerance for the idle timeout: the lateness of the alarm, and a few losses of the object.
pub const IDLE_SLACK: Duration = Duration::from_secs(60);

/// The maximum number of probes of one endpoint in progress.
const MOST_PROBES: usize = 4;

/// The maximum number of events per second that the lifecycle causes itself: probes that begin 100
/// ms apart, and calls.
const MOST_EVENTS: usize = 40;

pub const MINUTE: Duration = Duration::from_secs(60);

/// The observations that the invariants need.
#[derive(Default)]
pub struct Observations {
    /// The time of the last use by a client.
    pub last_use: Timestamp,
    /// The time at which activity was last stored.
    pub reported_at: Timestamp,
    /// The time at which the visible state changed.
    pub changed_at: Timestamp,
    pub lost_at: Timestamp,
    /// The beginning of the open window, and the time at which the timetable was last read.
    pub awake_since: Option<Timestamp>,
    pub timed_at: Timestamp,
    /// `true` if the schedule has woken the VM, and no event has been handled since.
    pub is_called: bool,
    /// The time at which the VM last reported that it is busy, and of the last busy check.
    pub busy_at: Timestamp,
    pub checked_at: Timestamp,
    /// The time at which the object last got a configuration.
    pub configured_at: Timestamp,
    /// `true` if the last command was the operator's take-down.
    pub operator_wants_down: bool,
    /// `true` if the operator's take-down waits for the end of a start. A changed schedule does not
    /// cancel it.
    pub stop_waits: bool,
    /// The time of the first use of each request id, and of the starts.
    pub first_used: BTreeMap<String, Timestamp>,
    pub starts: VecDeque<Timestamp>,
    /// The times at which each client has woken the VM.
    wakes: BTreeMap<String, VecDeque<Timestamp>>,
    /// `true` if the last refused client had exceeded its wake rate.
    pub turned_away: bool,
    /// The endpoints by generation: those probed, and those found healthy.
    probed: BTreeMap<u64, Endpoint>,
    pub healthy: BTreeMap<u64, Endpoint>,
    pub calls: VecDeque<Timestamp>,
    pub losses: VecDeque<Timestamp>,
    caused: VecDeque<Timestamp>,
    /// The beginning of the start in progress, and the number of its calls.
    pub start: Option<(Timestamp, u64)>,
    /// After a loss of the history, the zones to search and the zones searched, until the VM is
    /// created.
    pub searched: Option<(Vec<Zone>, BTreeSet<Zone>)>,
    pub hours: Hours,
    /// All tokens so far, and the newest token of the lifecycle.
    pub tokens: Vec<ReadyToken>,
    pub newest: Option<Token>,
    /// The token that the machine at each address has read, and the tokens of all ready pushes.
    pub read_at: BTreeMap<IpAddr, Token>,
    pub said: BTreeSet<Token>,
    /// The number of consecutive refused starts, and the time of the last.
    pub refused: (u32, Timestamp),
    /// The time since which every response has been a final refusal.
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

/// Returns how many of `times` are within the last `span`, and removes the older ones.
pub fn count_within(times: &mut VecDeque<Timestamp>, span: Duration, now: Timestamp) -> usize {
    while times.front().is_some_and(|first| *first + span < now) {
        times.pop_front();
    }
    times.len()
}

impl World {
    /// Observes an event that the lifecycle has handled.
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

    /// Observes an event that the lifecycle itself has caused: a timer or a response.
    pub fn observe_bustle(&mut self) {
        self.observed.caused.push_back(self.now);
        let events = count_within(&mut self.observed.caused, Duration::from_secs(1), self.now);
        if events > MOST_EVENTS {
            self.violated(|| format!("a busy loop: {events} events in a second"));
        }
    }

    /// Returns the object's configuration of the VM.
    pub fn known(&self) -> &Configuration {
        &self.scenario.configurations[self.object.configuration()]
    }

    /// Observes that the object gets a configuration.
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

    /// Forgets the history with the record.
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

    /// Observes a stored transition.
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
                // The VM was preempted as often as it may be started.
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
                // The schedule may start the VM at the time of the request, and when a request may
                // not.
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

    /// Checks a take-down for lack of requests.
    fn check_idle(&mut self, before: VmState) {
        self.check_awake();
        let vm = &self.known().vm;
        let (idle_timeout, asks) = (vm.idle_timeout, vm.busy_path.is_some() && before == VmState::Running);
        let Observations { reported_at, busy_at, checked_at, .. } = self.observed;
        let asks = asks && self.now.since(reported_at) < vm.busy_limit;
        let (idle_for, busy_for) = (self.now.since(reported_at), self.now.since(busy_at));
        if idle_for < idle_timeout {
            self.violated(|| format!("a VM in use is brought down: activity was reported {idle_for:?} ago"));
        }
        if asks && busy_for < idle_timeout {
            self.violated(|| {
                format!("a busy VM is brought down: it reported that it is busy {busy_for:?} ago")
            });
        }
        if asks && checked_at < reported_at {
            self.violated(|| "a VM is brought down without a busy check".to_owned());
        }
    }

    /// Checks a start by a request.
    fn check_starts(&mut self) {
        let Some(most) = self.known().vm.max_starts_per_hour else { return };
        let starts = count_within(&mut self.observed.starts, 60 * MINUTE, self.now);
        if starts >= most as usize {
            self.violated(|| format!("a start too many: {starts} within an hour before it, of {most}"));
        }
    }

    /// Checks the wake rate of the client that sent the request.
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

    /// Observes a busy check.
    pub fn observe_busy_check(&mut self) {
        self.observed.checked_at = self.now;
    }

    /// Observes the release of the held requests.
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
            self.violated(|| format!("sent an endpoint that is not the present one: {endpoint:?}"));
        }
        if self.observed.healthy.get(&endpoint.generation) == Some(endpoint) {
            return;
        }
        if self.has_said_so(endpoint.ip) {
            self.coverage.count("the VM", "is ready by its own word");
        } else {
            self.violated(|| format!("sent an endpoint that no probe has found healthy: {endpoint:?}"));
        }
    }

    /// Checks that a request is forwarded to an endpoint that was reported recently.
    pub fn check_forward(&mut self, endpoint: Endpoint, reported_at: Timestamp, touch_interval: Duration) {
        let (age, limit) = (self.now.since(reported_at), 2 * touch_interval);
        if age >= limit {
            self.violated(|| format!("forwarded to an endpoint that was reported {age:?} ago: {endpoint:?}"));
        }
    }

    /// Checks that a held request has got its reply in time.
    pub fn overdue(&mut self, ticket: Ticket) {
        let Some(memory) = &self.object.memory else { return };
        if let Some(Sent::Wake { request: Some(request), .. }) = memory.tickets.get(&ticket) {
            let request = *request;
            let limit = self.scenario.startup_timeout();
            self.violated(|| format!("request {request} is held for more than {limit:?}"));
        }
    }
}
