//! The shell around the lifecycle: it feeds it events, keeps what it knows, and does what it asks.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use chrono::DateTime;
use futures::channel::oneshot;
use futures::future::{abortable, AbortHandle};
use web_sys::Response;
use worker::{Env, State};

use super::compute_client::ComputeClient;
use super::event_streams::{EventStreams, HEARTBEAT};
use super::plan_cache::PlanCache;
use super::start_status::StartStatus;
use super::store::{Record, Store};
use super::{Command, Hold, Message, Reply, TakeDownRequest, Wake, Watch};
use crate::compute::{Call, CallError, TakeDown};
use crate::config::parse_vms;
use crate::lifecycle::{
    Action, CallId, Endpoint, Event, Failure, Lifecycle, Outcome, Policy, Progress, ReadyToken,
};
use crate::platform::env::variable;
use crate::platform::response::{event_response, json_text_response};
use crate::platform::{now, random, random_bytes, sleep, spawn, within};
use crate::proxy::probe::{is_busy, probe};
use crate::time::Timestamp;
use crate::vm::{StartEstimates, Status, Vm};

/// The object's memory. What matters of it is in the store.
pub(super) struct Shell {
    state: State,
    env: Env,
    compute: ComputeClient,
    store: RefCell<Store>,
    plans: PlanCache,
    record: RefCell<Option<Record>>,
    /// Whether the record was read from the store, and nothing has been done with it yet.
    fresh: Cell<bool>,
    /// Whether there was a record of this version, or none. With another the VM may be in any state.
    is_readable: bool,
    /// The VMs of the ready-made Worker's configuration, as the object's own version of it has them.
    vms: OnceCell<Option<Vec<Vm>>>,
    waiting_for_up: RefCell<Vec<oneshot::Sender<Outcome>>>,
    waiting_for_down: RefCell<Vec<oneshot::Sender<Result<(), Failure>>>>,
    streams: RefCell<EventStreams>,
    /// Whether the streams' heartbeat is at work.
    beats: Cell<bool>,
    alarm_at: Cell<Option<Timestamp>>,
    /// The timer for the next deadline; a newer one replaces it.
    timer: RefCell<Option<AbortHandle>>,
}

impl Shell {
    /// Reads what is known of the VM. Nothing is done about it before the first message or alarm.
    pub fn new(state: State, env: Env) -> Self {
        let mut store = Store::new(state.storage().sql());
        let (record, is_readable) = match store.load() {
            Ok(record) => (record, true),
            Err(error) => {
                worker::console_error!("vmproxy: the stored record cannot be read, starting afresh: {error}");
                (None, false)
            }
        };
        Self {
            state,
            compute: ComputeClient::new(env.clone()),
            env,
            store: RefCell::new(store),
            plans: PlanCache::default(),
            record: RefCell::new(record),
            fresh: Cell::new(true),
            is_readable,
            vms: OnceCell::new(),
            waiting_for_up: RefCell::default(),
            waiting_for_down: RefCell::default(),
            streams: RefCell::default(),
            beats: Cell::new(false),
            alarm_at: Cell::new(None),
            timer: RefCell::default(),
        }
    }

    /// Does what a message asks for.
    ///
    /// # Errors
    /// The text of the exception.
    pub async fn receive(self: &Rc<Self>, Message { vm, command }: Message) -> Result<Response, String> {
        self.follow(vm);
        let reply = match command {
            Command::Wake(wake) => self.wake(wake).await,
            Command::Touch => {
                self.step(Event::Touch);
                Reply::Endpoint(self.serving())
            }
            Command::GetEndpoint => {
                self.step(Event::Timer);
                Reply::Endpoint(self.serving())
            }
            Command::TakeDown(way) => self.take_down(way).await,
            Command::Status => {
                self.step(Event::Timer);
                self.status()
            }
            Command::Watch(watch) => return self.watch(watch),
            Command::Ready(token) => self.believe(token),
        };
        let text = serde_json::to_string(&reply).map_err(|error| error.to_string())?;
        Ok(json_text_response(200, &text))
    }

    async fn wake(self: &Rc<Self>, Wake { unreachable, hold, force, client }: Wake) -> Reply {
        let (sender, mut receiver) = oneshot::channel();
        self.waiting_for_up.borrow_mut().push(sender);
        self.step(Event::Wake { unreachable, force, client });
        let outcome = match hold {
            Hold::No => receiver.try_recv().ok().flatten(),
            Hold::Until(end) => within(end.since(now()), &mut receiver).await.and_then(Result::ok),
            Hold::UntilDone => (&mut receiver).await.ok(),
        };
        if let Some(outcome) = outcome {
            return Reply::Outcome(outcome);
        }
        drop(receiver);
        self.waiting_for_up.borrow_mut().retain(|waiting| !waiting.is_canceled());
        Reply::Pending(self.progress())
    }

    async fn take_down(self: &Rc<Self>, TakeDownRequest { take_down, wait }: TakeDownRequest) -> Reply {
        let (sender, receiver) = oneshot::channel();
        self.waiting_for_down.borrow_mut().push(sender);
        self.step(Event::TakeDown(take_down));
        if !wait {
            return self.status();
        }
        match receiver.await {
            Ok(Err(failure)) => Reply::Outcome(Outcome::Failed(failure)),
            Ok(Ok(())) | Err(oneshot::Canceled) => Reply::Done,
        }
    }

    /// Shows a visitor how the VM's start is.
    fn watch(self: &Rc<Self>, watch: Watch) -> Result<Response, String> {
        // While somebody watches, the deadlines are met.
        if self.streams.borrow().is_empty() {
            self.step(Event::Timer);
        }
        let Some(start_status) = self.start_status() else { return Err("there is no record".to_owned()) };
        match watch {
            Watch::Once => Ok(json_text_response(200, &start_status.json)),
            Watch::Live => {
                let stream = self.streams.borrow_mut().add(&start_status)?;
                self.keep_alive();
                Ok(event_response(&stream))
            }
        }
    }

    /// The VM says that it is ready.
    fn believe(self: &Rc<Self>, token: ReadyToken) -> Reply {
        let knows = |record: &Record| record.lifecycle.ready_token() == Some(&token);
        if !self.record.borrow().as_ref().is_some_and(knows) {
            return Reply::Forbidden;
        }
        self.step(Event::ReadyPushed { token });
        Reply::Done
    }

    /// Keeps the streams' streams alive as long as there are any.
    fn keep_alive(self: &Rc<Self>) {
        if self.streams.borrow().is_empty() || self.beats.replace(true) {
            return;
        }
        let shell = Rc::clone(self);
        spawn(async move {
            while !shell.streams.borrow().is_empty() {
                sleep(HEARTBEAT).await;
                shell.streams.borrow_mut().beat();
            }
            shell.beats.set(false);
        });
    }

    fn start_status(&self) -> Option<StartStatus> {
        self.record.borrow().as_ref().map(|record| StartStatus::of(record, now()))
    }

    fn progress(&self) -> Progress {
        let record = self.record.borrow();
        record.as_ref().and_then(|record| record.lifecycle.progress(now())).unwrap_or_default()
    }

    /// The alarm has rung: for a deadline, or to see whether the object was lost.
    pub fn alarm(self: &Rc<Self>) {
        self.alarm_at.set(None);
        let known = self.record.borrow().as_ref().map(|record| record.vm.instance.name.clone());
        let unknown = || self.state.id().name().filter(|_| !self.is_readable);
        let configured = known.or_else(unknown).and_then(|name| self.configured_vm(&name).cloned());
        let is_removed = configured.is_none() && self.vms().is_some();
        if let Some(vm) = configured {
            self.configure(vm);
        }
        if is_removed {
            self.take_off_the_schedule();
        }
        self.resume();
        if is_removed {
            self.go_down_for_good();
        }
        self.step(Event::Timer);
    }

    /// Follows the configuration that came with a message.
    fn follow(self: &Rc<Self>, vm: Vm) {
        // Other versions of the Worker may be in service beside the object's: it must not follow each in turn.
        let configured = self.configured_vm(&vm.instance.name).cloned();
        self.configure(configured.unwrap_or(vm));
        self.resume();
    }

    fn configure(&self, vm: Vm) {
        let mut record = self.record.borrow_mut();
        match record.as_mut() {
            Some(record) if record.vm == vm => {}
            Some(record) => {
                if (&record.vm.keep_awake, &record.vm.wake_at) != (&vm.keep_awake, &vm.wake_at) {
                    record.lifecycle.forget_plan();
                    self.plans.forget();
                }
                record.lifecycle.configure(Policy::of(&vm), now());
                record.vm = vm;
            }
            None => {
                let new = if self.is_readable { Lifecycle::new } else { Lifecycle::recovered };
                let lifecycle = new(random(), Policy::of(&vm), now());
                *record = Some(Record { vm, lifecycle });
            }
        }
    }

    /// Takes up what an earlier object left under way.
    fn resume(self: &Rc<Self>) {
        if self.record.borrow().is_some() && self.fresh.replace(false) {
            self.step(Event::Loaded { seed: random_bytes() });
        }
    }

    /// Load, handle, persist, act, alarm last.
    fn step(self: &Rc<Self>, event: Event) {
        let Some((actions, vm, zone)) = self.handle(event) else { return };
        let name = &vm.instance.name;
        for action in actions {
            match action {
                Action::Call(id, call) => self.call(id, call, zone.clone(), vm.clone()),
                Action::Probe(endpoint) => self.probe(endpoint, vm.clone()),
                Action::CheckBusy(endpoint) => self.ask_if_busy(endpoint, vm.clone()),
                Action::ReleaseDown(result) => {
                    for waiting in self.waiting_for_down.take() {
                        let _ = waiting.send(result.clone());
                    }
                }
                Action::Release(outcome) => {
                    if let Outcome::Failed(failure) = &outcome {
                        worker::console_error!("vmproxy: {name}: {}", failure.message);
                    }
                    for waiting in self.waiting_for_up.take() {
                        // Whoever has gone away needs no answer.
                        let _ = waiting.send(outcome.clone());
                    }
                }
            }
        }
        if !self.streams.borrow().is_empty() {
            if let Some(start_status) = self.start_status() {
                self.streams.borrow_mut().tell(&start_status);
            }
        }
        self.schedule();
    }

    fn handle(&self, event: Event) -> Option<(Vec<Action>, Rc<Vm>, String)> {
        let mut record = self.record.borrow_mut();
        let record = record.as_mut()?;
        let before = record.lifecycle.vm_state();
        if let Some(plan) = self.plans.plan(&record.vm, now()) {
            record.lifecycle.set_plan(plan, now());
        }
        let actions = record.lifecycle.handle(event, now());
        let after = record.lifecycle.vm_state();
        let name = record.vm.instance.name.clone();
        if before != after {
            worker::console_log!("vmproxy: {name}: {before:?} -> {after:?}");
        }
        if let Err(error) = self.store.borrow_mut().save(record) {
            worker::console_error!("vmproxy: {name}: the record cannot be stored: {error}");
        }
        let mut vm = record.vm.clone();
        vm.announce(record.lifecycle.ready_token());
        Some((actions, Rc::new(vm), record.lifecycle.zone().to_owned()))
    }

    fn call(self: &Rc<Self>, id: CallId, call: Call, zone: String, vm: Rc<Vm>) {
        let shell = Rc::clone(self);
        spawn(async move {
            let (result, token_took) = shell.compute.call(&vm.instance, &zone, &call).await;
            // That an instance is not there yet is an answer as good as any.
            let expected = |error: &CallError| call == Call::Get && error.is_not_found();
            if let Some(error) = result.as_ref().err().filter(|error| !expected(error)) {
                worker::console_warn!("vmproxy: {}: {}: {error}", vm.instance.name, call.method_id());
            }
            shell.step(Event::Responded { call: id, result, token_took });
        });
    }

    fn probe(self: &Rc<Self>, endpoint: Endpoint, vm: Rc<Vm>) {
        let shell = Rc::clone(self);
        spawn(async move {
            let result = probe(&vm, &shell.env, &endpoint).await;
            shell.step(Event::Probed { generation: endpoint.generation, result });
        });
    }

    fn ask_if_busy(self: &Rc<Self>, endpoint: Endpoint, vm: Rc<Vm>) {
        let shell = Rc::clone(self);
        spawn(async move {
            let busy = is_busy(&vm, &shell.env, &endpoint).await;
            shell.step(Event::BusyChecked { generation: endpoint.generation, busy });
        });
    }

    /// What the configuration has, if it can be read. A Worker of one's own has its VMs elsewhere.
    fn vms(&self) -> Option<&[Vm]> {
        let read = || parse_vms(&variable(&self.env, "VMS")?).ok();
        self.vms.get_or_init(|| read().filter(|_| cfg!(feature = "ready-made"))).as_deref()
    }

    fn configured_vm(&self, name: &str) -> Option<&Vm> {
        self.vms()?.iter().find(|vm| vm.instance.name == name)
    }

    /// Nothing of a VM that the configuration does not name any more is to begin.
    fn take_off_the_schedule(&self) {
        if let Some(record) = self.record.borrow_mut().as_mut() {
            record.vm.keep_awake.clear();
            record.vm.wake_at.clear();
            record.lifecycle.forget_plan();
            self.plans.forget();
        }
    }

    /// The configuration does not name the VM any more: no request will come for it, and no idle time may end.
    fn go_down_for_good(self: &Rc<Self>) {
        if self.record.borrow().as_ref().is_some_and(|record| record.lifecycle.may_run()) {
            worker::console_log!("vmproxy: a VM is not in the configuration any more: it is stopped");
            self.step(Event::TakeDown(TakeDown::Stop));
        }
    }

    /// Sees to it that the next deadline is met: by a timer while something is under way, which is exact and
    /// costs nothing, and by the alarm, which outlives the object.
    fn schedule(self: &Rc<Self>) {
        let now = now();
        let (deadline, busy, alarm) = match self.record.borrow().as_ref() {
            Some(Record { lifecycle, .. }) => {
                (lifecycle.deadline(), lifecycle.is_busy(), lifecycle.new_alarm(self.alarm_at.get(), now))
            }
            None => return,
        };
        if let (Some(deadline), true) = (deadline, busy) {
            let shell = Rc::clone(self);
            let (timer, handle) = abortable(async move {
                sleep(deadline.since(now)).await;
                shell.timer.take();
                shell.step(Event::Timer);
            });
            if let Some(older) = self.timer.replace(Some(handle)) {
                older.abort();
            }
            spawn(async move {
                let _ = timer.await;
            });
        }
        if let Some(at) = alarm {
            self.alarm_at.set(Some(at));
            self.set_alarm(at);
        }
    }

    fn set_alarm(self: &Rc<Self>, at: Timestamp) {
        let storage = self.state.storage();
        let time = i64::try_from(at.as_millis()).ok().and_then(DateTime::from_timestamp_millis);
        let Some(time) = time else { return };
        let shell = Rc::clone(self);
        spawn(async move {
            if let Err(error) = storage.set_alarm(time).await {
                worker::console_error!("vmproxy: the alarm cannot be set: {error}");
                // The next event tries again.
                if shell.alarm_at.get() == Some(at) {
                    shell.alarm_at.set(None);
                }
            }
        });
    }

    fn serving(&self) -> Option<Endpoint> {
        self.record.borrow().as_ref().and_then(|record| record.lifecycle.serving())
    }

    /// How the VM is.
    fn status(&self) -> Reply {
        let record = self.record.borrow();
        let Some(Record { vm, lifecycle }) = record.as_ref() else { return Reply::Done };
        Reply::Status(Box::new(Status {
            name: vm.instance.name.clone(),
            path: vm.path.clone(),
            state: lifecycle.vm_state(),
            zone: lifecycle.zone().to_owned(),
            public_ip: lifecycle.endpoint().map(|endpoint| endpoint.ip.to_string()),
            since: lifecycle.since().to_rfc3339(),
            last_activity: lifecycle.last_activity().map(Timestamp::to_rfc3339),
            idle_deadline: lifecycle.idle_deadline().map(Timestamp::to_rfc3339),
            error: lifecycle.failure().map(|failure| failure.message.clone()),
            drift: lifecycle.drift().iter().map(ToString::to_string).collect(),
            cold_starts: lifecycle.cold_starts().to_vec(),
            expected: StartEstimates::default(),
        }))
    }
}
