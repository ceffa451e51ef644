//! What is going to happen, and when.

use std::collections::BTreeMap;

use vmproxy::compute::{Call, CallError, Response};
use vmproxy::lifecycle::{Outcome, ProbeResult};
use vmproxy::time::Timestamp;
use vmproxy::Endpoint;

use super::compute::{Settings, Zone};
use super::object::Message;
use super::operation::Phase;
use super::ready::Token;
use super::scenario::Fault;

/// Something that happens in the world.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A client sends its next request.
    Demand,
    /// A request is sent, for the first time or again.
    Sent { request: u64 },
    /// A request could not connect to its endpoint.
    NotConnected { request: u64, endpoint: Endpoint },
    /// A report of activity has been answered.
    Reported { isolate: usize, endpoint: Option<Endpoint> },
    /// The object's answer reaches a request.
    Told { request: u64, outcome: Outcome },
    /// The object was lost while it held a request, or its answer was.
    Unanswered { request: u64 },
    /// A response goes on: a touch interval has passed.
    Beat { request: u64 },
    /// A message reaches the object.
    Message(Message),
    /// A timer of the object's memory runs out.
    Timer { timer: u64 },
    /// The alarm rings. A duplicate rings whatever has become of the alarm meanwhile.
    Alarm { alarm: u64, duplicate: bool },
    /// A held request has to be answered by now.
    Overdue { holding: u64 },
    /// A call reaches Compute Engine.
    CallArrives { call: u64, what: Call, about: About },
    /// A call's answer reaches the object.
    Answered { call: u64, result: Result<Response, CallError> },
    /// `zoneOperations.wait` has held for as long as it does.
    WaitExpires { call: u64 },
    /// A probe reaches the address.
    ProbeArrives { probe: u64, endpoint: Endpoint },
    /// A probe's result reaches the object.
    Probed { probe: u64, endpoint: Endpoint, result: ProbeResult },
    /// The question whether it is busy reaches the VM.
    Question { asking: u64, endpoint: Endpoint },
    /// The answer reaches the object.
    Asked { asking: u64, endpoint: Endpoint, busy: bool },
    /// An operation goes on.
    Operation { operation: usize, phase: Phase },
    /// The server of this run of the instance comes up.
    ServerUp { run: u64 },
    /// The Worker's cron trigger fires.
    Cron,
    /// Something strikes that nobody asked for.
    Strike(Fault),
    /// The object gets another version of the Worker.
    Deployment,
    /// The faults are over.
    Calm,
    /// Nothing: the invariants are checked.
    Inspection,
}

/// Which instance a call is about, and how it was configured when it was made.
#[derive(Clone, Copy, Debug)]
pub struct About {
    pub zone: Zone,
    pub settings: Settings,
    pub token: Option<Token>,
}

/// Happenings in the order of their time; those of one moment in the order in which they were planned.
#[derive(Default)]
pub struct Agenda {
    planned: BTreeMap<(Timestamp, u64), Happening>,
    count: u64,
}

impl Agenda {
    pub fn plan(&mut self, at: Timestamp, happening: Happening) {
        self.count += 1;
        self.planned.insert((at, self.count), happening);
    }

    /// Whether anything of this kind is going to happen.
    pub fn has(&self, kind: impl Fn(&Happening) -> bool) -> bool {
        self.planned.values().any(kind)
    }

    pub fn next(&mut self) -> Option<(Timestamp, Happening)> {
        self.planned.pop_first().map(|((at, _), happening)| (at, happening))
    }
}
