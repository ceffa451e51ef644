//! Carries out what the [`Driver`] decides: storage, calls, probes, replies, timer and alarm.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use chrono::DateTime;
use futures::channel::oneshot;
use futures::future::{abortable, AbortHandle};
use web_sys::{ReadableStream, Response};
use worker::{Env, State};

use super::compute_client::ComputeClient;
use super::event_streams::{EventStreams, HEARTBEAT};
use super::store::Store;
use crate::compute::{Call, CallError};
use crate::config::parse_vms;
use crate::driver::{
    Command, Driver, Hold, Host, Input, Level, Message, Output, StartStatus, Ticket, Wake, Watch,
};
use crate::lifecycle::{CallId, Endpoint, Event};
use crate::platform::env::variable;
use crate::platform::log::log;
use crate::platform::response::{event_response, json_text_response};
use crate::platform::time_zone::offset;
use crate::platform::{now, random, random_bytes, sleep, spawn, within};
use crate::schedule::Offset;
use crate::time::Timestamp;
use crate::upstream::{is_busy, probe};
use crate::vm::{Seed, Vm};

/// The object's memory, around the driver. What of it matters is in the store.
pub(super) struct Effects {
    state: State,
    env: Env,
    compute: ComputeClient,
    store: Store,
    /// `None` until the record has been read.
    driver: RefCell<Option<Driver>>,
    /// The number of drivers that have been dropped. Their calls, probes and timers are ignored.
    epoch: Cell<u32>,
    last_ticket: Cell<u64>,
    waiting: RefCell<Vec<(Ticket, oneshot::Sender<Body>)>>,
    streams: RefCell<EventStreams>,
    /// `true` while a task sends the streams' heartbeat.
    has_heartbeat: Cell<bool>,
    /// The timer for the next deadline; a newer one replaces it.
    timer: RefCell<Option<AbortHandle>>,
}

/// The body of a response to a message.
enum Body {
    Json(Rc<str>),
    Events(ReadableStream),
}

impl Effects {
    pub fn new(state: State, env: Env) -> Self {
        Self {
            store: Store::new(state.storage().sql()),
            state,
            compute: ComputeClient::new(env.clone()),
            env,
            driver: RefCell::default(),
            epoch: Cell::default(),
            last_ticket: Cell::default(),
            waiting: RefCell::default(),
            streams: RefCell::default(),
            has_heartbeat: Cell::default(),
            timer: RefCell::default(),
        }
    }

    /// Handles a message and waits for the reply to it.
    ///
    /// # Errors
    /// The text of an exception, after which the sender sends the message again.
    pub async fn receive(self: &Rc<Self>, message: Message) -> Result<Response, String> {
        let ticket = Ticket(self.last_ticket.get() + 1);
        self.last_ticket.set(ticket.0);
        let (sender, mut receiver) = oneshot::channel();
        self.waiting.borrow_mut().push((ticket, sender));
        let hold = match &message.command {
            Command::Wake(Wake { hold, .. }) => *hold,
            _ => Hold::UntilDone,
        };
        self.handle(Input::Message { ticket, message: Box::new(message) })?;
        if let Hold::Until(end) = hold {
            if let Some(body) = within(end.since(now()), &mut receiver).await {
                return respond(body);
            }
            self.handle(Input::HoldEnded(ticket))?;
        }
        respond(receiver.await)
    }

    /// Handles the alarm.
    ///
    /// # Errors
    /// The text of an exception, after which the runtime rings again.
    pub fn alarm(self: &Rc<Self>) -> Result<(), String> {
        self.handle(Input::Alarm { name: self.state.id().name() })
    }

    fn handle(self: &Rc<Self>, input: Input) -> Result<(), String> {
        self.decide(input)
            .and_then(|outputs| outputs.into_iter().try_for_each(|output| self.carry_out(output)))
            .inspect_err(|_| self.drop_driver())
    }

    fn decide(&self, input: Input) -> Result<Vec<Output>, String> {
        let mut driver = self.driver.borrow_mut();
        let driver = match driver.as_mut() {
            Some(driver) => driver,
            None => driver.insert(Driver::new(self.store.load()?, self.configured())),
        };
        Ok(driver.handle(input, now(), &mut Runtime))
    }

    /// Handles what a task reports that was begun in this epoch.
    fn report(self: &Rc<Self>, epoch: u32, event: Event) {
        if epoch == self.epoch.get() {
            self.handle_or_log(Input::Event(event));
        }
    }

    /// Handles an input to which nobody waits for a reply.
    fn handle_or_log(self: &Rc<Self>, input: Input) {
        if let Err(error) = self.handle(input) {
            log(Level::Error, &error);
        }
    }

    /// Drops a driver that knows more than the store, with all that was under way for it, as if the
    /// object had been lost. The senders of messages send them again.
    fn drop_driver(&self) {
        self.epoch.set(self.epoch.get() + 1);
        self.driver.take();
        self.waiting.take();
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }

    /// Carries out one output of the driver.
    ///
    /// # Errors
    /// The record could not be stored: no output after it may be carried out.
    fn carry_out(self: &Rc<Self>, output: Output) -> Result<(), String> {
        match output {
            Output::Log(level, line) => log(level, &line),
            Output::Store => {
                let driver = self.driver.borrow();
                driver.as_ref().and_then(Driver::record).map_or(Ok(()), |record| self.store.save(record))?;
            }
            Output::Call { id, call, zone, vm } => self.call(id, call, zone, vm),
            Output::Probe { endpoint, vm } => self.probe(endpoint, vm),
            Output::CheckBusy { endpoint, vm } => self.check_busy(endpoint, vm),
            Output::Reply { to, reply } => {
                let json: Rc<str> = serde_json::to_string(&reply).map_err(|error| error.to_string())?.into();
                for ticket in to {
                    self.reply(ticket, Body::Json(Rc::clone(&json)));
                }
            }
            Output::Show(ticket, watch) => self.show(ticket, watch),
            Output::Publish => self.publish(),
            Output::SetTimer(at) => self.set_timer(at),
            Output::SetAlarm(at) => self.set_alarm(at),
        }
        Ok(())
    }

    fn reply(&self, ticket: Ticket, body: Body) {
        if let Some(sender) = self.take_sender(ticket) {
            // A client that has gone away needs no reply.
            let _ = sender.send(body);
        }
    }

    fn take_sender(&self, ticket: Ticket) -> Option<oneshot::Sender<Body>> {
        let mut waiting = self.waiting.borrow_mut();
        let place = waiting.iter().position(|(other, _)| *other == ticket)?;
        Some(waiting.swap_remove(place).1)
    }

    fn call(self: &Rc<Self>, id: CallId, call: Call, zone: String, vm: Rc<Vm>) {
        let (effects, epoch) = (Rc::clone(self), self.epoch.get());
        spawn(async move {
            let (result, token_took) = effects.compute.call(&vm.instance, &zone, &call).await;
            // A look at an instance that does not exist yet has not failed.
            let is_expected = |error: &CallError| call == Call::Get && error.is_not_found();
            if let Some(error) = result.as_ref().err().filter(|error| !is_expected(error)) {
                log(Level::Warn, &format_args!("{}: {}: {error}", vm.instance.name, call.method_id()));
            }
            effects.report(epoch, Event::Responded { call: id, result, token_took });
        });
    }

    fn probe(self: &Rc<Self>, endpoint: Endpoint, vm: Rc<Vm>) {
        let (effects, epoch) = (Rc::clone(self), self.epoch.get());
        spawn(async move {
            let result = probe(&vm, &effects.env, &endpoint).await;
            effects.report(epoch, Event::Probed { generation: endpoint.generation, result });
        });
    }

    fn check_busy(self: &Rc<Self>, endpoint: Endpoint, vm: Rc<Vm>) {
        let (effects, epoch) = (Rc::clone(self), self.epoch.get());
        spawn(async move {
            let busy = is_busy(&vm, &effects.env, &endpoint).await;
            effects.report(epoch, Event::BusyChecked { generation: endpoint.generation, busy });
        });
    }

    /// Shows the progress of the start to a visitor.
    fn show(self: &Rc<Self>, ticket: Ticket, watch: Watch) {
        let Some(status) = self.start_status() else { return };
        let body = match watch {
            Watch::Once => Ok(Body::Json(status.json.into())),
            Watch::Live => self.streams.borrow_mut().open(&status).map(Body::Events),
        };
        match body {
            Ok(body) => self.reply(ticket, body),
            Err(error) => {
                log(Level::Error, &format_args!("cannot open a stream of events: {error}"));
                self.take_sender(ticket);
            }
        }
        self.start_heartbeat();
    }

    fn publish(&self) {
        if self.streams.borrow().is_empty() {
            return;
        }
        if let Some(status) = self.start_status() {
            self.streams.borrow_mut().publish(&status);
        }
    }

    fn start_status(&self) -> Option<StartStatus> {
        self.driver.borrow().as_ref().and_then(|driver| driver.start_status(now()))
    }

    /// Keeps the streams alive as long as there are any.
    fn start_heartbeat(self: &Rc<Self>) {
        if self.streams.borrow().is_empty() || self.has_heartbeat.replace(true) {
            return;
        }
        let effects = Rc::clone(self);
        spawn(async move {
            while !effects.streams.borrow().is_empty() {
                sleep(HEARTBEAT).await;
                effects.streams.borrow_mut().send_heartbeat();
            }
            effects.has_heartbeat.set(false);
        });
    }

    fn set_timer(self: &Rc<Self>, at: Timestamp) {
        let (effects, epoch) = (Rc::clone(self), self.epoch.get());
        let (timer, handle) = abortable(async move {
            sleep(at.since(now())).await;
            effects.timer.take();
            effects.report(epoch, Event::Timer);
        });
        if let Some(older) = self.timer.replace(Some(handle)) {
            older.abort();
        }
        spawn(async move {
            let _ = timer.await;
        });
    }

    fn set_alarm(self: &Rc<Self>, at: Timestamp) {
        let storage = self.state.storage();
        let time = i64::try_from(at.as_millis()).ok().and_then(DateTime::from_timestamp_millis);
        let Some(time) = time else { return };
        let effects = Rc::clone(self);
        spawn(async move {
            if let Err(error) = storage.set_alarm(time).await {
                log(Level::Error, &format_args!("the alarm cannot be set: {error}"));
                effects.handle_or_log(Input::AlarmNotSet(at));
            }
        });
    }

    /// The VMs of the ready-made Worker's configuration, if it can be read. Another Worker has its
    /// VMs elsewhere.
    fn configured(&self) -> Option<Vec<Rc<Vm>>> {
        if !cfg!(feature = "ready-made") {
            return None;
        }
        let vms = parse_vms(&variable(&self.env, "VMS")?).ok()?;
        Some(vms.into_iter().map(Rc::new).collect())
    }
}

fn respond(body: Result<Body, oneshot::Canceled>) -> Result<Response, String> {
    match body {
        Ok(Body::Json(json)) => Ok(json_text_response(200, &json)),
        Ok(Body::Events(events)) => Ok(event_response(&events)),
        Err(oneshot::Canceled) => Err("the message has not been handled".to_owned()),
    }
}

/// The machine that the driver runs on: the Workers runtime.
struct Runtime;

impl Host for Runtime {
    fn identity(&mut self) -> u64 {
        random()
    }

    fn seed(&mut self) -> Seed {
        random_bytes()
    }

    fn offset(&self, zone: &str, at: Timestamp) -> Option<Offset> {
        offset(zone, at)
    }
}
