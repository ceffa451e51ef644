//! The future events, and their times.

use std::collections::BTreeMap;

use vmproxy::compute::{Call, CallError, Response};
use vmproxy::driver::Ticket;
use vmproxy::lifecycle::{Outcome, ProbeResult};
use vmproxy::time::Timestamp;
use vmproxy::Endpoint;

use super::compute::{Settings, Zone};
use super::host::Sent;
use super::operation::Phase;
use super::ready::Token;
use super::scenario::Fault;

/// An event of the world.
#[derive(Clone, Debug)]
pub enum WorldEvent {
    /// A client sends its next request.
    Demand,
    /// A request is sent, for the first time or again.
    Sent { request: u64 },
    /// A request could not connect to its endpoint.
    NotConnected { request: u64, endpoint: Endpoint },
    /// The reply to a touch arrives.
    Reported { isolate: usize, endpoint: Option<Endpoint> },
    /// The object's reply reaches a request.
    Replied { request: u64, outcome: Outcome },
    /// The object that held a request, or its reply, is lost.
    NoReply { request: u64 },
    /// A streamed response continues: a touch interval has passed.
    Beat { request: u64 },
    /// A message reaches the object.
    Message(Sent),
    /// A timer of the object's memory is due.
    Timer { timer: u64 },
    /// The alarm fires. A duplicate fires even if the alarm was moved meanwhile.
    Alarm { alarm: u64, duplicate: bool },
    /// A held request must have its reply by now.
    Overdue { ticket: Ticket },
    /// A call reaches Compute Engine.
    CallArrives { call: u64, what: Call, about: About },
    /// A call's response reaches the object.
    Responded { call: u64, result: Result<Response, CallError> },
    /// The hold of a `zoneOperations.wait` ends.
    WaitExpires { call: u64 },
    /// A probe reaches the address.
    ProbeArrives { probe: u64, endpoint: Endpoint },
    /// A probe's result reaches the object.
    Probed { probe: u64, endpoint: Endpoint, result: ProbeResult },
    /// A busy check reaches the VM.
    BusyCheckArrives { check: u64, endpoint: Endpoint },
    /// The result of a busy check reaches the object.
    BusyChecked { check: u64, endpoint: Endpoint, busy: bool },
    /// An operation enters its next phase.
    Operation { operation: usize, phase: Phase },
    /// The server of this run of the instance comes up.
    ServerUp { run: u64 },
    /// The Worker's cron trigger fires.
    Cron,
    /// A fault strikes by itself.
    Strike(Fault),
    /// The object gets another version of the Worker.
    Deployment,
    /// The faults end.
    Calm,
    /// Nothing happens: the invariants are checked.
    Inspection,
}

/// The instance that a call refers to, and its configuration at the time of the call.
#[derive(Clone, Copy, Debug)]
pub struct About {
    pub zone: Zone,
    pub settings: Settings,
    pub token: Option<Token>,
}

/// Events in the order of their time. Simultaneous events are in the order in which they were
/// planned.
#[derive(Default)]
pub struct EventQueue {
    planned: BTreeMap<(Timestamp, u64), WorldEvent>,
    count: u64,
}

impl EventQueue {
    pub fn plan(&mut self, at: Timestamp, event: WorldEvent) {
        self.count += 1;
        self.planned.insert((at, self.count), event);
    }

    /// Returns whether an event of this kind is planned.
    pub fn has(&self, kind: impl Fn(&WorldEvent) -> bool) -> bool {
        self.planned.values().any(kind)
    }

    pub fn next(&mut self) -> Option<(Timestamp, WorldEvent)> {
        self.planned.pop_first().map(|((at, _), event)| (at, event))
    }
}
