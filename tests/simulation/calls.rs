//! The invariants of calls.

use vmproxy::compute::{BringUp, Call, CallError, Change, InstanceStatus, Response, Verdict};
use vmproxy::{OnDrift, VmState};

use super::compute::{inserts, name, Actor, Setting, Task, Zone};
use super::event_queue::About;
use super::invariants::{count_within, MINUTE};
use super::world::World;

impl World {
    /// Observes a response that reaches the lifecycle.
    pub fn observe_response(&mut self, result: &Result<Response, CallError>) {
        self.observe_up(result);
        if let Ok(Response::Instance(instance)) = result {
            self.coverage.count("looked", &format!("{:?}", instance.status));
        }
        let for_good = result.as_ref().err().is_some_and(|error| error.verdict() == Verdict::GiveUp);
        let since = self.observed.refused_since.unwrap_or(self.now);
        self.observed.refused_since = for_good.then_some(since);
    }

    /// Observes a call that the lifecycle makes.
    pub fn observe_call(&mut self, what: &Call, about: About) {
        self.coverage.count("calls", what.method_id());
        let now = self.now;
        let state = self.object.lifecycle().map(vmproxy::lifecycle::Lifecycle::vm_state);
        if (state, what) == (Some(VmState::Booting), &Call::Get) {
            self.coverage.count("the VM", "is looked at while it is probed");
        }
        if (state, what) == (Some(VmState::Running), &Call::Get) {
            self.coverage.count("the VM", "is looked at in its window");
        }
        self.observe_request_id(what, about);
        self.observe_search(what, about);
        self.observed.calls.push_back(now);
        let calls = count_within(&mut self.observed.calls, 2 * MINUTE, now);
        let losses = count_within(&mut self.observed.losses, 2 * MINUTE, now);
        // One look a second for two minutes, and all other calls.
        if calls > 180 + 3 * losses {
            self.violated(|| format!("too many Compute calls: {calls} in two minutes"));
        }
        let long_refused = self.observed.refused_since.is_some_and(|since| since + 5 * MINUTE < now);
        // One attempt a minute, and those that follow each other more closely when a take-down
        // begins.
        if long_refused && calls > 24 + 2 * losses {
            self.violated(|| format!("too many Compute calls: {calls} in two minutes, and all are refused"));
        }
        let zones = self.known().zones.len() as u64;
        if let Some((began, calls)) = &mut self.observed.start {
            *calls += 1;
            let (calls, lasts) = (*calls, now.since(*began));
            if calls > 12 + 4 * zones + lasts.as_secs() * 3 / 2 + 2 * losses as u64 {
                self.violated(|| format!("too many Compute calls: {calls} for a start that lasts {lasts:?}"));
            }
        }
    }

    /// Checks that after the history was lost, all zones are searched before the VM is created.
    fn observe_search(&mut self, what: &Call, about: About) {
        let now_creates =
            matches!(what, Call::Change { change: Change::Up(change), .. } if change.is_insert());
        let Some((zones, looked_into)) = &mut self.observed.searched else { return };
        if *what == Call::Get && looked_into.insert(about.zone) && looked_into.len() == 2 {
            self.coverage.count("the VM", "is looked for in another zone");
        }
        if now_creates {
            let all_looked_into = zones.iter().all(|zone| looked_into.contains(zone));
            self.observed.searched = None;
            if !all_looked_into {
                self.violated(|| "it is created, and has not been looked for in all zones".to_owned());
            }
        }
    }

    /// Records the request id of a change, and counts the change if it is another start.
    fn observe_request_id(&mut self, what: &Call, about: About) {
        let (Call::Change { request_id, .. } | Call::Update { request_id, .. }) = what else { return };
        let (request_id, now) = (request_id.to_string(), self.now);
        if self.observed.first_used.contains_key(&request_id) {
            return;
        }
        self.observed.first_used.insert(request_id, now);
        let starts = self.object.lifecycle().is_some_and(|l| l.vm_state() == VmState::Starting);
        let Call::Change { change, .. } = what else { return };
        let in_the_first_zone = self.known().zones.first() == Some(&about.zone);
        // An insert in another zone belongs to the same start.
        let is_one_more = match change {
            Change::Up(BringUp::Insert) => in_the_first_zone,
            Change::Up(BringUp::Start | BringUp::Resume) => true,
            Change::Up(BringUp::InsertStandard) | Change::Down(_) => false,
        };
        if starts && is_one_more {
            self.observed.starts.push_back(now);
        }
    }

    /// Checks a change that reaches Compute Engine.
    pub fn check_change(&mut self, what: &Call, about: About) {
        let (Call::Change { request_id, .. } | Call::Update { request_id, .. }) = what else { return };
        let request_id = request_id.to_string();
        // A message that arrives twice has no second effect.
        if self.compute.of_request(&request_id).is_some() {
            return;
        }
        let (task, inserts) = match what {
            Call::Change { change, .. } => (name(*change), inserts(*change)),
            _ => ("Adapt".to_owned(), false),
        };
        if let Some(other) = self.compute.under_way(Actor::Engine) {
            let other_asked_at = other.request_id.as_ref().and_then(|id| self.observed.first_used.get(id));
            let began = self.observed.start.map(|(began, _)| began);
            let of_this_start = began.is_some_and(|began| other_asked_at >= Some(&began));
            // The response to its call is lost, and the call that was repeated may be refused.
            let of_a_lost_object = other_asked_at.is_some_and(|at| *at <= self.observed.lost_at);
            let other = other.task;
            // An update for an earlier start, or by a late call of a lost object, cannot be seen
            // from outside. The API refuses the second change.
            if matches!(other, Task::Adapt(..)) && (!of_this_start || of_a_lost_object || task == "Adapt") {
                return;
            }
            if inserts && other.inserts() {
                self.violated(|| "two instances: an insert while another is under way".to_owned());
            }
            self.violated(|| format!("two mutations in flight: {task} during {other:?}"));
        }
        if matches!(what, Call::Change { change: Change::Up(BringUp::Start), .. }) {
            self.check_drift(&request_id, about.zone);
        }
    }

    /// Checks that an instance starts with the settings that were configured when the start was
    /// first requested.
    fn check_drift(&mut self, request_id: &str, zone: Zone) {
        let Some(instance) = self.compute.instances.get(&zone) else { return };
        let known = self.known();
        let first_used = self.observed.first_used.get(request_id).copied().unwrap_or_default();
        let recent = self.observed.configured_at + self.scenario.startup_timeout() > first_used;
        let is_down = matches!(instance.status, InstanceStatus::Terminated | InstanceStatus::Stopped);
        let differs = instance.settings != known.settings;
        if known.vm.on_drift == OnDrift::Apply && is_down && differs && !recent {
            self.violated(|| "an instance is started that differs from the configuration".to_owned());
        }
    }

    /// Counts a change that the engine has begun.
    pub fn cover_change(&mut self, zone: Zone, task: Task) {
        match task {
            Task::Change(change) => {
                self.coverage.count("changes", &name(change));
                if change == Change::Up(BringUp::Insert) && self.known().zones.first() != Some(&zone) {
                    self.coverage.count("changes", "Insert elsewhere");
                }
            }
            Task::Adapt(Setting::MachineType, _) => self.coverage.count("changes", "Adapt MachineType"),
            Task::Adapt(Setting::Tags, _) => self.coverage.count("changes", "Adapt Tags"),
            Task::Adapt(Setting::Ready(_), _) => self.coverage.count("changes", "Adapt Ready"),
            Task::Repair => {}
        }
    }
}
