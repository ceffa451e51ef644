//! The VM's object: a shell around the lifecycle that does line by line what
//! `src/durable_object/shell.rs` does, and may be lost at any of them.

mod actions;

use std::time::Duration;

use vmproxy::compute::{CallError, InstanceStatus, Response, TakeDown};
use vmproxy::lifecycle::{CallId, Event, Lifecycle, Policy, ProbeResult};
use vmproxy::time::Timestamp;
use vmproxy::Endpoint;

use super::agenda::{About, Happening};
use super::configuration;
use super::ready::Token;
use super::rollout::Own;
use super::scenario::Fault;
use super::timetable::Planner;
use super::witness::{MINUTE, SLACK};
use super::world::World;

/// A message to the object.
#[derive(Clone, Debug)]
pub enum Message {
    Wake {
        request: Option<u64>,
        unreachable: Option<u64>,
        insist: bool,
    },
    Touch {
        isolate: usize,
    },
    GoDown(TakeDown),
    Status,
    Ready {
        token: Token,
    },
    /// Follow the schedule.
    Follow,
}

/// Who sends a request: one of a few.
fn client(request: u64) -> String {
    format!("client {}", request % 3)
}

/// What there is of the object: the store and the alarm outlive its memory.
#[derive(Default)]
pub struct Object {
    pub stored: Option<Lifecycle>,
    /// The number of the configuration that is stored with it.
    stored_configuration: usize,
    /// Whether the schedule of the VM that is stored with it has been taken off.
    stored_without_schedule: bool,
    /// Whether the record in the store cannot be read.
    unreadable: bool,
    alarm: Option<(u64, Timestamp)>,
    pub memory: Option<Memory>,
    /// Numbers calls, probes, timers and alarms, over all lives.
    numbers: u64,
}

pub struct Memory {
    pub lifecycle: Option<Lifecycle>,
    configuration: usize,
    without_schedule: bool,
    planner: Planner,
    /// What its own version of the Worker has of the VM.
    own: Own,
    fresh: bool,
    is_readable: bool,
    /// What those have asked for who wait for the VM to be down.
    pub waiting_for_down: Vec<TakeDown>,
    /// The requests that are held, each with the number of its holding.
    pub waiting: Vec<(u64, u64)>,
    alarm_at: Option<Timestamp>,
    timer: Option<u64>,
    calls: Vec<(u64, CallId)>,
    /// The probes under way, each with the generation of its endpoint.
    pub probes: Vec<(u64, u64)>,
    questions: Vec<u64>,
}

impl Object {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// The lifecycle as the next event meets it.
    pub fn lifecycle(&self) -> Option<&Lifecycle> {
        let in_memory = self.memory.as_ref().and_then(|memory| memory.lifecycle.as_ref());
        in_memory.or(self.stored.as_ref())
    }

    /// The number of the configuration that the next event meets unless it brings another.
    pub fn configuration(&self) -> usize {
        self.memory.as_ref().map_or(self.stored_configuration, |memory| memory.configuration)
    }
}

impl Memory {
    fn serving(&self) -> Option<Endpoint> {
        self.lifecycle.as_ref().and_then(Lifecycle::serving)
    }
}

impl World {
    /// A message reaches the object.
    pub fn receive(&mut self, message: Message) {
        let sent = self.scenario.configured_in(self.sender(&message), self.now);
        self.load();
        match self.object.memory.as_ref().map_or(Own::Unknown, |memory| memory.own) {
            Own::Configured(own) => {
                if own != sent {
                    let older = if sent < own { "an older" } else { "a newer" };
                    self.coverage.count("the VM", &format!("is sent {older} configuration"));
                }
                self.configure(own);
            }
            Own::Unknown | Own::Removed => self.configure(sent),
        }
        self.resume();
        if self.object.memory.is_none() {
            return self.unanswered(&message);
        }
        match message {
            Message::Touch { isolate } => {
                self.step(Event::Touch);
                let Some(endpoint) = self.object.memory.as_ref().map(Memory::serving) else { return };
                let takes = self.random.between(Duration::from_millis(1), Duration::from_millis(60));
                self.plan_in(takes, Happening::Reported { isolate, endpoint });
            }
            Message::Status | Message::Follow => self.step(Event::Timer),
            Message::Ready { token } => self.said_ready(token),
            Message::GoDown(mutation) => {
                if let Some(memory) = &mut self.object.memory {
                    memory.waiting_for_down.push(mutation);
                }
                self.step(Event::TakeDown(mutation));
            }
            Message::Wake { request, unreachable, insist } => {
                let holding = self.object.number();
                if let (Some(request), Some(memory)) = (request, &mut self.object.memory) {
                    memory.waiting.push((holding, request));
                    let limit = self.scenario.startup_timeout() + SLACK;
                    self.plan_in(limit, Happening::Overdue { holding });
                }
                self.step(Event::Wake { unreachable, force: insist, client: request.map(client) });
                if request.is_none() && self.object.memory.is_none() {
                    self.unanswered(&message);
                }
            }
        }
    }

    /// The alarm rings.
    pub fn alarm_rings(&mut self, alarm: u64, duplicate: bool) {
        let set = self.object.alarm.is_some_and(|(number, _)| number == alarm);
        if !set && !duplicate {
            return;
        }
        if set {
            self.object.alarm = None;
        }
        self.load();
        let Some(memory) = &mut self.object.memory else { return };
        memory.alarm_at = None;
        let (own, known) = (memory.own, memory.lifecycle.is_some() || !memory.is_readable);
        if let (Own::Configured(own), true) = (own, known) {
            self.configure(own);
        }
        if own == Own::Removed {
            self.take_off_the_schedule();
        }
        self.resume();
        if own == Own::Removed && self.object.lifecycle().is_some_and(Lifecycle::may_run) {
            self.coverage.count("the VM", "is removed");
            self.step(Event::TakeDown(TakeDown::Stop));
        }
        self.step(Event::Timer);
        // At least once: what was lost while it rang, is rung for again.
        if self.object.memory.is_none() && self.object.alarm.is_none() {
            self.set_alarm(self.now + Duration::from_secs(2));
        }
    }

    /// A timer of the memory runs out.
    pub fn timer_runs_out(&mut self, timer: u64) {
        let Some(memory) = &mut self.object.memory else { return };
        if memory.timer == Some(timer) {
            memory.timer = None;
            self.witness_bustle();
            self.step(Event::Timer);
        }
    }

    /// The answer to a call of this memory, or of an earlier one, which nobody hears.
    pub fn answered(&mut self, call: u64, result: Result<Response, CallError>) {
        let Some(memory) = &mut self.object.memory else { return };
        let Some(at) = memory.calls.iter().position(|(number, _)| *number == call) else { return };
        let (_, id) = memory.calls.remove(at);
        self.witness_answer(&result);
        let token_took = Duration::from_millis(self.random.below(50));
        self.step(Event::Responded { call: id, result, token_took });
    }

    pub fn probed(&mut self, probe: u64, endpoint: Endpoint, result: ProbeResult) {
        let Some(memory) = &mut self.object.memory else { return };
        let Some(at) = memory.probes.iter().position(|(number, _)| *number == probe) else { return };
        memory.probes.remove(at);
        if result == ProbeResult::Healthy {
            self.witness.healthy.insert(endpoint.generation, endpoint);
        }
        self.step(Event::Probed { generation: endpoint.generation, result });
    }

    pub fn asked(&mut self, asking: u64, endpoint: Endpoint, busy: bool) {
        let Some(memory) = &mut self.object.memory else { return };
        let Some(at) = memory.questions.iter().position(|number| *number == asking) else { return };
        memory.questions.remove(at);
        self.step(Event::BusyChecked { generation: endpoint.generation, busy });
    }

    /// The memory is lost, and with it the timer, the held requests and the answers to come.
    pub fn lose_object(&mut self) {
        let Some(memory) = self.object.memory.take() else { return };
        self.note(|| "object: lost".to_owned());
        self.witness.lost(self.now);
        for (_, request) in memory.waiting {
            self.plan_in(Duration::from_millis(20), Happening::Unanswered { request });
        }
        for mutation in memory.waiting_for_down {
            self.unanswered(&Message::GoDown(mutation));
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
        // Through the store's JSON, as in the shell; written out only when somebody reads it, for speed.
        let lifecycle = self.object.stored.as_ref().map(|stored| {
            let text = serde_json::to_string(stored).expect("the record can be written");
            let lifecycle: Lifecycle = serde_json::from_str(&text).expect("the record can be read");
            let vm = &self.scenario.configurations[self.object.stored_configuration].vm;
            lifecycle.restored(Policy::of(vm))
        });
        self.object.memory = Some(Memory {
            lifecycle,
            configuration: self.object.stored_configuration,
            without_schedule: self.object.stored_without_schedule,
            planner: Planner::default(),
            own: self.scenario.own(self.now),
            fresh: true,
            is_readable: !self.object.unreadable,
            waiting_for_down: Vec::new(),
            questions: Vec::new(),
            waiting: Vec::new(),
            alarm_at: None,
            timer: None,
            calls: Vec::new(),
            probes: Vec::new(),
        });
    }

    /// Whether the VM can be found by the configurations alone that may come next: an instance in another zone
    /// cannot, nor one of a VM that has been removed, nor one that is only going to be created.
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
        // One that is going down may yet stay.
        let down = [InstanceStatus::Terminated, InstanceStatus::Stopped, InstanceStatus::Suspended];
        let up = self.compute.instances.iter().filter(|(_, instance)| !down.contains(&instance.status));
        let in_all = |zone| next.iter().all(|zones| zones.contains(zone));
        up.map(|(zone, _)| zone).all(in_all) && !self.a_change_is_on_its_way()
    }

    fn configure(&mut self, newest: usize) {
        let policy = Policy::of(&self.scenario.configurations[newest].vm);
        let Some(memory) = &mut self.object.memory else { return };
        match &mut memory.lifecycle {
            Some(_) if memory.configuration == newest && !memory.without_schedule => return,
            Some(lifecycle) => {
                let before = &self.scenario.configurations[memory.configuration].vm;
                let after = &self.scenario.configurations[newest].vm;
                let is_same = before.keep_awake == after.keep_awake && before.wake_at == after.wake_at;
                if !is_same || memory.without_schedule {
                    lifecycle.forget_plan();
                    memory.planner = Planner::default();
                    self.witness.operator_wants_down = false;
                }
                lifecycle.configure(policy, self.now);
            }
            None => {
                let new = if memory.is_readable { Lifecycle::new } else { Lifecycle::recovered };
                memory.lifecycle = Some(new(self.random.number(), policy, self.now));
            }
        }
        memory.without_schedule = false;
        let before = std::mem::replace(&mut memory.configuration, newest);
        // By messages alone it cannot know which one is newer.
        if newest < before && matches!(memory.own, Own::Configured(_)) {
            self.violated(|| format!("goes back from the configuration {before} to {newest}"));
        }
        self.note(|| format!("object: configured with the configuration {newest}"));
        self.witness_configured();
    }

    fn take_off_the_schedule(&mut self) {
        let Some(memory) = &mut self.object.memory else { return };
        if let Some(lifecycle) = &mut memory.lifecycle {
            lifecycle.forget_plan();
            (memory.without_schedule, memory.planner) = (true, Planner::default());
        }
    }

    fn resume(&mut self) {
        let Some(memory) = &mut self.object.memory else { return };
        if memory.lifecycle.is_some() && std::mem::replace(&mut memory.fresh, false) {
            let random = self.random.number().to_le_bytes();
            self.step(Event::Loaded { seed: std::array::from_fn(|byte| random[byte % random.len()]) });
        }
    }

    /// Handle, persist, act, alarm last. The object may be lost between any two of them.
    pub fn step(&mut self, event: Event) {
        self.count_hours();
        self.witness_timetable();
        let Some(memory) = &mut self.object.memory else { return };
        let Some(lifecycle) = &mut memory.lifecycle else { return };
        let vm = &self.scenario.configurations[memory.configuration].vm;
        let plan = memory.planner.plan(Some(vm).filter(|_| !memory.without_schedule), self.now);
        if let Some(plan) = plan {
            lifecycle.set_plan(plan, self.now);
        }
        let actions = lifecycle.handle(event.clone(), self.now);
        let (after, configuration) = (lifecycle.clone(), memory.configuration);
        let without_schedule = memory.without_schedule;
        self.note(|| {
            let state = after.vm_state();
            format!("lifecycle: {event:?} -> {state:?}, {actions:?}, next {:?}", after.next_timer())
        });
        self.witness_event(&event, &after);
        if self.loses_object(Fault::LossBeforePersist) {
            return;
        }
        let settings = self.scenario.configurations[configuration].settings;
        let (zone, token) = (configuration::number(after.zone()), self.present_token());
        let about = About { zone, settings, token };
        let before = self.object.stored.replace(after).map(|before| before.vm_state());
        (self.object.stored_configuration, self.object.unreadable) = (configuration, false);
        self.object.stored_without_schedule = without_schedule;
        self.witness_transition(&event, &actions, before);
        if self.loses_object(Fault::LossBeforeActions) {
            return;
        }
        for action in actions {
            self.act(action, about);
            if self.loses_object(Fault::LossAmongActions) {
                return;
            }
        }
        if self.loses_object(Fault::LossBeforeAlarm) {
            return;
        }
        self.schedule();
    }

    fn loses_object(&mut self, at: Fault) -> bool {
        let strikes = self.strikes(at);
        if strikes {
            self.lose_object();
        }
        strikes
    }

    /// Whoever sent this message sees it fail, and tries again.
    pub fn unanswered(&mut self, message: &Message) {
        match message {
            Message::Wake { request: Some(request), .. } => {
                let request = *request;
                self.plan_in(Duration::from_millis(20), Happening::Unanswered { request });
            }
            _ if self.scenario.is_removed_in(self.sender(message), self.now) => {}
            Message::Wake { request: None, .. } | Message::GoDown(_) | Message::Follow => {
                let pause = self.random.between(Duration::from_secs(1), Duration::from_secs(4));
                self.plan_in(pause, Happening::Message(message.clone()));
            }
            Message::Touch { .. } | Message::Status | Message::Ready { .. } => {}
        }
    }
}
