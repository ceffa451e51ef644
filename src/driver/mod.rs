//! A VM's object without its runtime: decides what every message, alarm, timer and response leads
//! to.
//!
//! [`Driver::handle`] takes an [`Input`] and returns [`Output`]s in the order in which they are to
//! be carried out: [`Output::Store`] precedes all that leaves the object, the alarm follows, and
//! the reply to the message comes last. An object that is lost between any two of them is taken up
//! again by its alarm, or by the sender, who has had no reply and sends the message again.
//!
//! The Durable Object (`durable_object/effects.rs`) carries the outputs out. So does the
//! simulation, which loses the driver between any two of them.

mod input;
mod output;
mod plan_cache;
mod protocol;
mod record;
mod start_status;
#[cfg(test)]
mod tests;
mod vm_json;

pub use crate::error::Level;
pub use input::{Host, Input, Stored};
pub use output::{Output, Ticket};
pub use protocol::{Command, Hold, Message, Reply, TakeDownRequest, Wake, Watch};
pub use record::Record;
pub use start_status::StartStatus;

use std::rc::Rc;

use crate::compute::TakeDown;
use crate::lifecycle::{Action, Event, Lifecycle, NextCall, Outcome, Policy, Progress, View};
use crate::time::Timestamp;
use crate::vm::{Endpoint, Vm, VmState};
use plan_cache::PlanCache;

/// Decides what a VM's object does. It has no clock, no storage and no network.
#[derive(Clone, Debug)]
pub struct Driver {
    record: Option<Record>,
    /// `false` if the stored record is of another version: the VM may be in any state.
    is_readable: bool,
    /// `true` until the first event after the record was read.
    is_fresh: bool,
    /// The VMs of the Worker's configuration, in the version of the Worker that the object has.
    /// `None` means that it cannot be read, or that the VMs are in the Worker's code.
    configured: Option<Vec<Rc<Vm>>>,
    plans: PlanCache,
    waiting_for_up: Vec<Ticket>,
    waiting_for_down: Vec<Ticket>,
    /// The time to which the alarm is set.
    alarm: Option<Timestamp>,
    /// The state that the log shows. `None` before the first event.
    logged: Option<VmState>,
}

/// One input's time, surroundings and outputs.
struct Turn<'a, H> {
    now: Timestamp,
    host: &'a mut H,
    outputs: Vec<Output>,
}

/// The result of an event.
#[derive(Default)]
struct Handled {
    /// The end of the wait for the VM. `None` means that it goes on.
    outcome: Option<Outcome>,
    /// The endpoint of a VM that serves.
    serving: Option<Endpoint>,
}

impl Driver {
    /// A driver that takes up what is stored, with the VMs of the Worker's configuration. `None`
    /// means that the VMs come with the messages alone. Nothing happens before the first input.
    pub fn new(stored: Stored, configured: Option<Vec<Rc<Vm>>>) -> Self {
        let is_readable = !matches!(stored, Stored::Unreadable);
        let record = match stored {
            Stored::Record(record) => Some(*record),
            Stored::Nothing | Stored::Unreadable => None,
        };
        Self {
            record,
            is_readable,
            is_fresh: true,
            configured,
            plans: PlanCache::default(),
            waiting_for_up: Vec::new(),
            waiting_for_down: Vec::new(),
            alarm: None,
            logged: None,
        }
    }

    /// Returns the record that [`Output::Store`] writes. `None` before the first message.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// Returns the progress of the start, for those who watch it. `None` before the first message.
    pub fn start_status(&self, now: Timestamp) -> Option<StartStatus> {
        self.record.as_ref().map(|record| StartStatus::of(record, now))
    }

    /// Returns the requests that wait for the VM to be down, oldest first.
    pub fn waiting_for_down(&self) -> &[Ticket] {
        &self.waiting_for_down
    }

    /// Handles an input that arrived at `now`. Returns the outputs to carry out, in this order.
    pub fn handle<H: Host>(&mut self, input: Input, now: Timestamp, host: &mut H) -> Vec<Output> {
        let mut turn = Turn { now, host, outputs: Vec::new() };
        match input {
            Input::Message { ticket, message } => self.handle_message(ticket, *message, &mut turn),
            Input::HoldEnded(ticket) => self.handle_hold_ended(ticket, &mut turn),
            Input::Alarm { name } => self.handle_alarm(name, &mut turn),
            Input::AlarmNotSet(at) => {
                // The next event sets it.
                self.alarm = self.alarm.filter(|set| *set != at);
            }
            Input::Event(event) => drop(self.step(event, &mut turn)),
        }
        turn.outputs
    }

    fn handle_message<H: Host>(&mut self, ticket: Ticket, message: Message, turn: &mut Turn<H>) {
        let Message { vm, command } = message;
        if let Command::Ready(token) = &command {
            let present = self.record.as_ref().and_then(|record| record.lifecycle.ready_token());
            // What does not come from the VM's present boot changes nothing, and costs no write.
            if present != Some(token) {
                return turn.reply(ticket, Reply::Forbidden);
            }
        }
        // Other versions of the Worker may be in service beside the object's. Its own takes
        // precedence: it must not follow each of them in turn.
        let configured = self.configured_vm(&vm.instance.name).cloned();
        self.apply_config(configured.unwrap_or(vm), turn);
        match command {
            Command::Wake(wake) => self.wake(ticket, wake, turn),
            Command::Touch => {
                let serving = self.step(Event::Touch, turn).serving;
                turn.reply(ticket, Reply::Endpoint(serving));
            }
            Command::GetEndpoint => {
                let serving = self.step(Event::Timer, turn).serving;
                turn.reply(ticket, Reply::Endpoint(serving));
            }
            Command::TakeDown(TakeDownRequest { take_down, wait: true }) => {
                self.waiting_for_down.push(ticket);
                self.step(Event::TakeDown(take_down), turn);
            }
            Command::TakeDown(TakeDownRequest { take_down, wait: false }) => {
                self.step(Event::TakeDown(take_down), turn);
                turn.reply(ticket, self.status());
            }
            Command::Status => {
                self.step(Event::Timer, turn);
                turn.reply(ticket, self.status());
            }
            Command::Watch(watch) => {
                // While somebody watches, the deadlines are met.
                self.step(Event::Timer, turn);
                turn.outputs.push(Output::Show(ticket, watch));
            }
            Command::Ready(token) => {
                self.step(Event::ReadyPushed { token }, turn);
                turn.reply(ticket, Reply::Done);
            }
        }
    }

    fn wake<H: Host>(&mut self, ticket: Ticket, wake: Wake, turn: &mut Turn<H>) {
        let Wake { unreachable, hold, force, client } = wake;
        if hold != Hold::No {
            self.waiting_for_up.push(ticket);
        }
        let outcome = self.step(Event::Wake { unreachable, force, client }, turn).outcome;
        if hold == Hold::No {
            let pending = || Reply::Pending(self.progress(turn.now));
            turn.reply(ticket, outcome.map_or_else(pending, Reply::Outcome));
        }
    }

    /// The request has been held for as long as it wants to be.
    fn handle_hold_ended<H>(&mut self, ticket: Ticket, turn: &mut Turn<H>) {
        let waiting = self.waiting_for_up.len();
        self.waiting_for_up.retain(|other| *other != ticket);
        if self.waiting_for_up.len() < waiting {
            turn.reply(ticket, Reply::Pending(self.progress(turn.now)));
        }
    }

    /// The alarm has rung: for a deadline, or to see whether the object was lost.
    fn handle_alarm<H: Host>(&mut self, name: Option<String>, turn: &mut Turn<H>) {
        self.alarm = None;
        let known = self.record.as_ref().map(|record| record.vm.instance.name.clone());
        let name = known.or(name.filter(|_| !self.is_readable));
        let configured = name.as_ref().and_then(|name| self.configured_vm(name)).cloned();
        let is_removed = configured.is_none() && self.configured.is_some();
        if let Some(vm) = configured {
            self.apply_config(vm, turn);
        }
        if is_removed {
            self.clear_schedule();
        }
        // No request will come for a VM that is not configured, and no idle time may end.
        let event = match &self.record {
            Some(Record { vm, lifecycle }) if is_removed && lifecycle.may_run() => {
                turn.log(
                    Level::Info,
                    format!("{}: not in the configuration: it is stopped", vm.instance.name),
                );
                Event::TakeDown(TakeDown::Stop)
            }
            _ => Event::Timer,
        };
        self.step(event, turn);
    }

    fn configured_vm(&self, name: &str) -> Option<&Rc<Vm>> {
        self.configured.as_ref()?.iter().find(|vm| vm.instance.name == name)
    }

    fn apply_config<H: Host>(&mut self, vm: Rc<Vm>, turn: &mut Turn<H>) {
        match &mut self.record {
            Some(record) if record.vm == vm => {}
            Some(record) => {
                if (&record.vm.keep_awake, &record.vm.wake_at) != (&vm.keep_awake, &vm.wake_at) {
                    record.lifecycle.forget_plan();
                    self.plans.forget();
                }
                record.lifecycle.configure(Policy::of(&vm), turn.now);
                record.vm = vm;
            }
            None => {
                let new = if self.is_readable { Lifecycle::new } else { Lifecycle::recovered };
                let lifecycle = new(turn.host.identity(), Policy::of(&vm), turn.now);
                self.record = Some(Record { vm, lifecycle });
            }
        }
    }

    /// A VM that is not configured is not started by its schedule.
    fn clear_schedule(&mut self) {
        if let Some(record) = &mut self.record {
            let vm = Rc::make_mut(&mut record.vm);
            vm.keep_awake.clear();
            vm.wake_at.clear();
            record.lifecycle.forget_plan();
            self.plans.forget();
        }
    }

    /// Has the lifecycle handle an event.
    fn step<H: Host>(&mut self, event: Event, turn: &mut Turn<H>) -> Handled {
        let mut handled = Handled::default();
        let Some(Record { vm, lifecycle }) = &mut self.record else { return handled };
        let (now, before) = (turn.now, self.logged.unwrap_or_else(|| lifecycle.vm_state()));
        let plan = self.plans.plan(vm, now, &|zone, at| turn.host.offset(zone, at));
        let seed = std::mem::take(&mut self.is_fresh).then(|| turn.host.seed());
        lifecycle.prepare(plan, seed, now);
        let actions = lifecycle.handle(event, now);
        let View { state, serving, zone, ready_token } = lifecycle.view();
        if before != state {
            turn.log(Level::Info, format!("{}: {before:?} -> {state:?}", vm.instance.name));
        }
        self.logged = Some(state);
        handled.serving = serving;
        turn.outputs.push(Output::Store);
        let mut vm = Rc::clone(vm);
        if ready_token.is_some() {
            Rc::make_mut(&mut vm).announce(ready_token);
        }
        for action in actions {
            let vm = Rc::clone(&vm);
            turn.outputs.push(match action {
                Action::Call(id, call) => Output::Call { id, call, zone: zone.to_owned(), vm },
                Action::Probe(endpoint) => Output::Probe { endpoint, vm },
                Action::CheckBusy(endpoint) => Output::CheckBusy { endpoint, vm },
                Action::Release(released) => {
                    if let Outcome::Failed(failure) = &released {
                        turn.log(Level::Error, format!("{}: {}", vm.instance.name, failure.message));
                    }
                    handled.outcome.get_or_insert_with(|| released.clone());
                    turn.reply_all(&mut self.waiting_for_up, Reply::Outcome(released));
                    continue;
                }
                Action::ReleaseDown(result) => {
                    let failed = |failure| Reply::Outcome(Outcome::Failed(failure));
                    let reply = result.map_or_else(failed, |()| Reply::Done);
                    turn.reply_all(&mut self.waiting_for_down, reply);
                    continue;
                }
            });
        }
        turn.outputs.push(Output::Publish);
        // A timer is exact and costs nothing; the alarm outlives the object.
        let NextCall { timer, alarm } = lifecycle.next_call(self.alarm, now);
        turn.outputs.extend(timer.map(Output::SetTimer));
        turn.outputs.extend(alarm.map(Output::SetAlarm));
        self.alarm = alarm.or(self.alarm);
        handled
    }

    fn progress(&self, now: Timestamp) -> Progress {
        self.record.as_ref().and_then(|record| record.lifecycle.progress(now)).unwrap_or_default()
    }

    fn status(&self) -> Reply {
        self.record.as_ref().map_or(Reply::Done, |record| Reply::Status(Box::new(record.status())))
    }
}

impl<H> Turn<'_, H> {
    fn log(&mut self, level: Level, message: String) {
        self.outputs.push(Output::Log(level, message));
    }

    fn reply(&mut self, ticket: Ticket, reply: Reply) {
        self.outputs.push(Output::Reply { to: vec![ticket], reply });
    }

    fn reply_all(&mut self, waiting: &mut Vec<Ticket>, reply: Reply) {
        if !waiting.is_empty() {
            self.outputs.push(Output::Reply { to: std::mem::take(waiting), reply });
        }
    }
}
