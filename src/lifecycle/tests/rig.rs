//! Drives a lifecycle by hand: events in, actions out, and a clock that only moves when told to.

use std::net::IpAddr;
use std::time::Duration;

use crate::compute::{
    Answer, ApiError, Call, CallError, InstanceStatus, InstanceView, Mutation, OperationName, OperationView,
    RequestId,
};
use crate::lifecycle::{Action, CallId, Endpoint, Event, Lifecycle, Outcome, Policy, ProbeResult};
use crate::time::Timestamp;
use crate::vm::{Vm, VmState};

pub(super) const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

pub(super) struct Rig {
    pub lifecycle: Lifecycle,
    pub now: Timestamp,
    /// Actions that no test has looked at yet.
    actions: Vec<Action>,
}

impl Rig {
    /// A VM with a startup timeout of 5 min and an idle timeout of 15 min (and 10 s of touch interval).
    pub fn new() -> Self {
        Self::with(Vm::default())
    }

    pub fn with(vm: Vm) -> Self {
        let now = Timestamp::from_millis(1_700_000_000_000);
        Self { lifecycle: Lifecycle::new(7, Policy::of(&vm), now), now, actions: Vec::new() }
    }

    /// A VM that has been started and serves.
    pub fn running() -> Self {
        Self::running_with(Vm::default())
    }

    pub fn running_with(vm: Vm) -> Self {
        let mut rig = Self::with(vm);
        rig.wake();
        let look = rig.call(Call::Look);
        rig.answer(look, running());
        rig.probe();
        rig.probed(ProbeResult::Healthy);
        rig.released();
        rig
    }

    pub fn send(&mut self, event: Event) {
        let actions = self.lifecycle.handle(event, self.now);
        self.actions.extend(actions);
    }

    pub fn wake(&mut self) {
        self.send(Event::Wake { unreachable: None, insist: false });
    }

    pub fn answer(&mut self, call: CallId, result: Result<Answer, CallError>) {
        self.send(Event::Answered { call, result, token_took: Duration::ZERO });
    }

    pub fn probed(&mut self, result: ProbeResult) {
        let generation = self.lifecycle.endpoint().expect("nothing is probed").generation;
        self.send(Event::Probed { generation, result });
    }

    /// Lets time pass, with a tick at each deadline.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(deadline) = self.lifecycle.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.send(Event::Tick);
            assert!(
                self.lifecycle.deadline().is_none_or(|next| next > self.now),
                "the deadline does not move"
            );
        }
        self.now = end;
    }

    /// The object is lost, and loaded again from what it had stored.
    pub fn lose(&mut self) {
        let stored = serde_json::to_string(&self.lifecycle).unwrap();
        self.lifecycle = serde_json::from_str(&stored).unwrap();
        self.actions.clear();
        self.send(Event::Loaded);
    }

    /// The next action is this call.
    #[track_caller]
    pub fn call(&mut self, expected: Call) -> CallId {
        match self.next() {
            Some(Action::Call(id, call)) if call == expected => id,
            other => panic!("expected the call {expected:?}, got {other:?}"),
        }
    }

    /// The next action is this change, whatever its request id.
    #[track_caller]
    pub fn mutation(&mut self, expected: Mutation) -> (CallId, RequestId) {
        match self.next() {
            Some(Action::Call(id, Call::Mutate { mutation, request_id })) if mutation == expected => {
                (id, request_id)
            }
            other => panic!("expected the call {expected:?}, got {other:?}"),
        }
    }

    /// The next action is a probe.
    #[track_caller]
    pub fn probe(&mut self) -> Endpoint {
        match self.next() {
            Some(Action::Probe(endpoint)) => endpoint,
            other => panic!("expected a probe, got {other:?}"),
        }
    }

    /// The next action answers the held requests.
    #[track_caller]
    pub fn released(&mut self) -> Outcome {
        match self.next() {
            Some(Action::Release(outcome)) => outcome,
            other => panic!("expected the requests to be answered, got {other:?}"),
        }
    }

    /// Nothing is to be done.
    #[track_caller]
    pub fn nothing(&self) {
        assert_eq!(self.actions, []);
    }

    /// How many probes are asked for; they are the only actions.
    #[track_caller]
    pub fn probes(&mut self) -> usize {
        let actions = std::mem::take(&mut self.actions);
        assert!(actions.iter().all(|action| matches!(action, Action::Probe(_))), "{actions:?}");
        actions.len()
    }

    #[track_caller]
    pub fn state(&self, expected: VmState) {
        assert_eq!(self.lifecycle.vm_state(), expected);
    }

    fn next(&mut self) -> Option<Action> {
        (!self.actions.is_empty()).then(|| self.actions.remove(0))
    }
}

pub(super) fn wait() -> Call {
    Call::Wait { operation: OperationName("operation-1".into()) }
}

pub(super) fn pending() -> Result<Answer, CallError> {
    Ok(Answer::Operation(OperationView { name: OperationName("operation-1".into()), outcome: None }))
}

pub(super) fn done() -> Result<Answer, CallError> {
    Ok(Answer::Operation(OperationView { name: OperationName("operation-1".into()), outcome: Some(Ok(())) }))
}

pub(super) fn operation_failed(status: u16, reason: &str) -> Result<Answer, CallError> {
    let error = ApiError { status, reason: reason.into(), message: "in the operation".into() };
    let name = OperationName("operation-1".into());
    Ok(Answer::Operation(OperationView { name, outcome: Some(Err(error)) }))
}

pub(super) fn refused(status: u16, reason: &str) -> Result<Answer, CallError> {
    Err(CallError::Api(ApiError { status, reason: reason.into(), message: "in the call".into() }))
}

pub(super) fn not_found() -> Result<Answer, CallError> {
    refused(404, "notFound")
}

pub(super) fn instance(status: InstanceStatus) -> Result<Answer, CallError> {
    Ok(Answer::Instance(InstanceView { status, external_ip: None }))
}

pub(super) fn running() -> Result<Answer, CallError> {
    Ok(Answer::Instance(InstanceView { status: InstanceStatus::Running, external_ip: Some(IP) }))
}
