//! The invariants. Each has its check here, and its own message.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use vmproxy::lifecycle::{Action, Event, FailureKind, Lifecycle, Outcome, ReadyToken};
use vmproxy::time::Timestamp;
use vmproxy::{Endpoint, VmState};

use super::compute::{Actor, Zone};
use super::configuration::{self, Configuration};
use super::hours::Hours;
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
pub struct Witness {
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

impl Witness {
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
    pub fn witness_event(&mut self, event: &Event, after: &Lifecycle) {
        let deadline = after.deadline().filter(|deadline| *deadline <= self.now);
        match (event, deadline) {
            (Event::Timer, Some(deadline)) => {
                self.violated(|| format!("the deadline does not move: {deadline:?} after a tick"));
            }
            (Event::Responded { .. } | Event::Probed { .. }, _) => self.witness_bustle(),
            _ => {}
        }
    }

    /// Something has happened that the lifecycle itself has caused: a timer, an answer.
    pub fn witness_bustle(&mut self) {
        self.witness.caused.push_back(self.now);
        let events = count_within(&mut self.witness.caused, Duration::from_secs(1), self.now);
        if events > MOST_EVENTS {
            self.violated(|| format!("a busy loop: {events} events in a second"));
        }
    }

    /// The configuration of the VM that the object knows.
    pub fn known(&self) -> &Configuration {
        &self.scenario.configurations[self.object.configuration()]
    }

    /// The object has got a configuration.
    pub fn witness_configured(&mut self) {
        self.coverage.count("the VM", "gets a configuration");
        let known = self.known().zones.clone();
        if let Some((zones, _)) = self.witness.searched.as_mut().filter(|(zones, _)| zones.is_empty()) {
            *zones = known;
        }
        self.witness.configured_at = self.now;
        self.witness.refused.0 = 0;
        self.witness.refused_since = None;
    }

    /// The record is lost, and with it the history.
    pub fn forget_all(&mut self) {
        self.coverage.count("the VM", "is recovered");
        self.witness.operator_wants_down = false;
        self.witness.probed.clear();
        self.witness.healthy.clear();
        self.witness.starts.clear();
        self.witness.wakes.clear();
        self.witness.searched = Some((Vec::new(), BTreeSet::new()));
        self.hours_before(Duration::ZERO);
        for operation in self.compute.operations.iter_mut().filter(|o| o.by == Actor::Engine) {
            operation.by = Actor::Forgotten;
        }
    }

    /// What the lifecycle has made of an event is in the store.
    pub fn witness_transition(&mut self, event: &Event, actions: &[Action], stored_before: Option<VmState>) {
        let Some(stored) = &self.object.stored else { return };
        let (after, failure, now) = (stored.vm_state(), stored.failure().map(|f| f.kind), self.now);
        let stored_since = stored.since();
        let is_called = std::mem::take(&mut self.witness.is_called);
        let moves = !self.known().zones.contains(&configuration::number(stored.zone()));
        match event {
            Event::Wake { force, .. } => {
                (self.witness.reported_at, self.witness.operator_wants_down) = (now, false);
                (self.witness.last_use, self.witness.stop_waits) = (now, false);
                if *force {
                    self.witness.refused.0 = 0;
                    self.witness.refused_since = None;
                }
            }
            Event::Touch => self.witness.reported_at = now,
            Event::BusyChecked { busy, .. } => {
                self.coverage.count(
                    "the VM",
                    if *busy { "answers that it is busy" } else { "answers that it is not" },
                );
                if *busy {
                    self.witness.busy_at = now;
                }
            }
            Event::TakeDown(_) => {
                self.witness.operator_wants_down = true;
                self.witness.stop_waits = is_starting(after);
                self.witness.refused.0 = 0;
                self.witness.refused_since = None;
            }
            Event::Loaded { .. }
            | Event::Timer
            | Event::Responded { .. }
            | Event::Probed { .. }
            | Event::ReadyPushed { .. } => {}
        }
        if stored_before == Some(after) {
            return;
        }
        self.coverage.transition(stored_before, after);
        if let (Event::ReadyPushed { token }, VmState::Running) = (event, after) {
            self.witness_word(token);
        }
        if (stored_before, after) == (Some(VmState::Starting), VmState::Running) {
            self.coverage.count("the VM", "is up before its operation is done");
        }
        let before = stored_before.unwrap_or(VmState::Absent);
        self.coverage.state(after);
        self.witness.changed_at = now;
        if stored_since != now {
            self.violated(|| format!("shown as {after:?} since {stored_since:?}"));
        }
        if after == VmState::Running && moves {
            self.violated(|| "begins to serve in a zone that is not configured any more".to_owned());
        }
        if is_going_down(after) && !is_going_down(before) {
            match before {
                _ if moves => self.coverage.count("the VM", "leaves a zone"),
                VmState::Suspended if !self.witness.operator_wants_down => {
                    self.coverage.count("the VM", "begins to sleep deeply");
                }
                _ if self.may_be_used_up() => self.coverage.count("the VM", "goes down for its hours"),
                // Preempted as often as it may be started.
                _ if failure == Some(FailureKind::OverLimit) => {}
                _ if self.witness.operator_wants_down || self.witness.stop_waits => {}
                _ => self.check_idle(before),
            }
        }
        if is_starting(after) && !is_starting(before) {
            self.witness.start = Some((now, 0));
            if is_down(before) && self.witness.operator_wants_down {
                self.violated(|| "it is started although the operator wants it down".to_owned());
            }
            if before != VmState::Running {
                self.check_hours();
            }
            if (is_down(before) || before == VmState::Failed)
                && matches!(event, Event::Wake { force: false, .. })
                // Its schedule may start it at the moment when a request comes, or when one may not.
                && !is_called
                && !actions.iter().any(|action| matches!(action, Action::Release(Outcome::Failed(_))))
            {
                self.check_starts();
                self.check_wakes(event);
            }
            let (times, last) = self.witness.refused;
            if before == VmState::Failed && times >= 4 && now.since(last) < MINUTE * 3 / 4 {
                let pause = now.since(last);
                self.violated(|| format!("refused {times} times, and tried again after {pause:?} only"));
            }
        }
        if !is_starting(after) {
            (self.witness.start, self.witness.stop_waits) = (None, false);
        }
        match (after, failure) {
            (VmState::Failed, Some(FailureKind::Refused)) => {
                self.witness.refused = (self.witness.refused.0 + 1, now);
            }
            (VmState::Failed | VmState::Running, _) => self.witness.refused.0 = 0,
            (state, _) if is_down(state) => self.witness.refused.0 = 0,
            _ => {}
        }
    }

    pub fn witness_probe(&mut self, endpoint: Endpoint) {
        for instance in self.compute.instances.values_mut() {
            instance.probed |= instance.address == Some(endpoint.ip);
        }
        let known = *self.witness.probed.entry(endpoint.generation).or_insert(endpoint);
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
        let Witness { reported_at, busy_at, asked_at, .. } = self.witness;
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
        let starts = count_within(&mut self.witness.starts, 60 * MINUTE, self.now);
        if starts >= most as usize {
            self.violated(|| format!("a start too many: {starts} within an hour before it, of {most}"));
        }
    }

    /// The same, of whoever has sent it.
    fn check_wakes(&mut self, event: &Event) {
        let (Event::Wake { client: Some(client), .. }, now) = (event, self.now) else { return };
        let Some(most) = self.known().vm.wake.wakes_per_hour else { return };
        let wakes = self.witness.wakes.entry(client.clone()).or_default();
        wakes.push_back(now);
        let count = count_within(wakes, 60 * MINUTE, now);
        if count > most as usize {
            self.violated(|| format!("{client} wakes it {count} times within an hour, of {most}"));
        }
    }

    /// The VM is being asked whether it is busy.
    pub fn witness_question(&mut self) {
        self.witness.asked_at = self.now;
    }

    /// The lifecycle answers the held requests.
    pub fn witness_release(&mut self, outcome: &Outcome) {
        let endpoint = match outcome {
            Outcome::Ready { endpoint, .. } => endpoint,
            Outcome::Failed(failure) if failure.message.contains("max_hours_per_month") => {
                return self.check_refusal_for_hours();
            }
            Outcome::Failed(_) => return,
        };
        let stored = self.object.stored.as_ref();
        let present = stored.filter(|s| s.vm_state() == VmState::Running).and_then(Lifecycle::endpoint);
        if present != Some(*endpoint) {
            self.violated(|| format!("told an endpoint that is not the present one: {endpoint:?}"));
        }
        if self.witness.healthy.get(&endpoint.generation) == Some(endpoint) {
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
    pub fn overdue(&mut self, holding: u64) {
        let Some(memory) = &self.object.memory else { return };
        if let Some((_, request)) = memory.waiting.iter().copied().find(|(number, _)| *number == holding) {
            let limit = self.scenario.startup_timeout();
            self.violated(|| format!("request {request} is held for more than {limit:?}"));
        }
    }
}
