//! Schedules, computed without the code under test, and their invariants.

use std::time::Duration;

use vmproxy::lifecycle::FailureKind;
use vmproxy::time::Timestamp;
use vmproxy::{Vm, VmState};

use super::event_queue::WorldEvent;
use super::host::Sent;
use super::invariants::{IDLE_SLACK, MINUTE};
use super::random::Random;
use super::scenario::Scenario;
use super::world::World;

/// The interval of the Worker's cron trigger.
const CRON_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// The maximum time until a VM in its window that does not run is noticed.
const NOTICED_AFTER: Duration = Duration::from_secs(6 * 60);

/// The windows and wakes of one run, which is shorter than a day.
#[derive(Clone, Debug, Default)]
pub struct Timetable {
    windows: Vec<(Timestamp, Timestamp)>,
    wakes: Vec<Timestamp>,
}

impl Timetable {
    fn draw(random: &mut Random, scenario: &Scenario) -> Self {
        let span = scenario.calm_from.since(scenario.begin);
        let early = Timestamp::from_millis(scenario.begin.as_millis() - 10 * 60_000);
        let windows = (0..random.below(3)).map(|_| {
            let from = whole_minute(early + random.between(Duration::ZERO, span + 10 * MINUTE));
            let to = from + random.between(MINUTE, 20 * MINUTE);
            let lasts = random.chance(250);
            (from, whole_minute(if lasts { scenario.end + 120 * MINUTE } else { to }))
        });
        let windows = windows.collect();
        let wakes = (0..random.below(3))
            .map(|_| whole_minute(scenario.begin + random.between(Duration::ZERO, span)))
            .collect();
        Self { windows, wakes }
    }

    /// Writes the timetable to the configuration.
    fn write(&self, vm: &mut Vm) {
        let clock = |at: &Timestamp| at.to_rfc3339()[11..16].to_owned();
        let window = |(from, to): &(Timestamp, Timestamp)| format!("daily {}-{} UTC", clock(from), clock(to));
        vm.keep_awake = self.windows.iter().map(window).collect();
        vm.wake_at = self.wakes.iter().map(|at| format!("daily {} UTC", clock(at))).collect();
    }

    fn is_open(&self, now: Timestamp) -> bool {
        self.windows.iter().any(|(from, to)| (*from..*to).contains(&now))
    }

    /// Returns whether a window begins or a wake is due after `earlier`, and until `now`.
    fn wakes(&self, earlier: Timestamp, now: Timestamp) -> bool {
        let mut all = self.windows.iter().map(|(from, _)| from).chain(&self.wakes);
        all.any(|at| earlier < *at && *at <= now)
    }

    pub fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.wakes.is_empty()
    }
}

fn whole_minute(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() / 60_000 * 60_000)
}

impl Scenario {
    /// Gives schedules to some runs. All other runs stay the same.
    pub fn draw_timetables(&mut self, random: &mut Random) {
        if !random.chance(400) {
            return;
        }
        let mut timetable = Timetable::draw(random, self);
        for number in 0..self.configurations.len() {
            if random.chance(300) {
                timetable = Timetable::draw(random, self);
            }
            let configuration = &mut self.configurations[number];
            timetable.write(&mut configuration.vm);
            configuration.timetable = timetable.clone();
        }
    }
}

impl World {
    pub fn plan_cron(&mut self) {
        if self.scenario.configurations.iter().any(|configuration| !configuration.timetable.is_empty()) {
            self.plan_in(Duration::ZERO, WorldEvent::Cron);
        }
    }

    /// Fires the Worker's cron trigger.
    pub fn cron(&mut self) {
        if !self.scenario.is_removed_in(0, self.now) {
            self.send(Sent::Follow);
        }
        self.plan_in(CRON_INTERVAL, WorldEvent::Cron);
    }

    /// Observes the windows and wakes since the last call.
    pub fn observe_timetable(&mut self) {
        if self.object.lifecycle().is_none() {
            return;
        }
        let (now, timetable) = (self.now, &self.known().timetable);
        let (wakes, is_open) = (timetable.wakes(self.observed.timed_at, now), timetable.is_open(now));
        if wakes {
            (self.observed.last_use, self.observed.is_called) = (now, true);
            (self.observed.operator_wants_down, self.observed.stop_waits) = (false, false);
            self.coverage.count("the VM", "is to be woken");
        }
        let was_open = self.observed.awake_since.is_some();
        if was_open || is_open {
            self.observed.last_use = now;
        }
        if was_open != is_open {
            self.observed.awake_since = is_open.then_some(now);
        }
        self.observed.timed_at = now;
    }

    /// Checks that a VM that goes down for lack of requests is in no window.
    pub fn check_awake(&mut self) {
        if self.observed.awake_since.is_some() {
            self.violated(|| "a VM is brought down in its window".to_owned());
        }
    }

    /// Checks that a VM is up in its window once the faults have ended.
    pub fn inspect_timetable(&mut self) {
        let Some(lifecycle) = self.object.lifecycle() else { return };
        let over_limit = lifecycle.failure().is_some_and(|failure| failure.kind == FailureKind::OverLimit);
        let exempt = over_limit || self.observed.operator_wants_down || self.is_removed();
        let Some(since) = self.observed.awake_since.filter(|_| !exempt) else { return };
        let since = since.max(self.scenario.calm_from).max(self.observed.configured_at);
        let limit = 2 * self.scenario.startup_timeout() + NOTICED_AFTER + 3 * MINUTE + IDLE_SLACK;
        let (state, lasts) = (lifecycle.vm_state(), self.now.since(since));
        if lasts <= limit {
            return;
        }
        self.coverage.count("the VM", "is kept awake");
        if state != VmState::Running || !self.is_its_vm_up() {
            self.violated(|| format!("in its window for {lasts:?}, and not up: {state:?}"));
        }
    }

    fn is_removed(&self) -> bool {
        self.scenario.rollout.removed_from.is_some_and(|from| from <= self.now)
    }
}
