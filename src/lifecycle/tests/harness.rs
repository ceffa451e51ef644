//! Drives a lifecycle by hand: events in, actions out, and a clock that only moves when told to.

use std::net::IpAddr;
use std::time::Duration;

use crate::compute::{
    ApiError, Call, CallError, Change, InstanceStatus, InstanceView, OperationName, OperationView, RequestId,
    Response, TakeDown, Update,
};
use crate::lifecycle::{
    Action, CallId, Endpoint, Event, Failure, FailureKind, Lifecycle, Outcome, Policy, ProbeResult, Seed,
};
use crate::time::Timestamp;
use crate::vm::{Instance, Vm, VmState};

pub(crate) const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

/// What the tokens of tests are made of.
pub(crate) const SEED: Seed = [7; 32];

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The idle timeout of the harness's VM, with the touch interval.
pub(crate) const IDLE: Duration = Duration::from_secs(15 * 60 + 5);

pub(crate) struct Harness {
    pub lifecycle: Lifecycle,
    pub now: Timestamp,
    policy: Policy,
    /// Actions that no test has looked at yet.
    actions: Vec<Action>,
    downs: Vec<Result<(), Failure>>,
}

impl Harness {
    /// A VM with a startup timeout of 5 min and an idle timeout of 15 min (and 5 s of touch interval).
    pub fn new() -> Self {
        Self::with(Vm::default())
    }

    pub fn with(vm: Vm) -> Self {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let policy = Policy::of(&in_a_zone(vm));
        Self {
            lifecycle: Lifecycle::new(7, policy.clone(), now),
            now,
            policy,
            actions: Vec::new(),
            downs: Vec::new(),
        }
    }

    /// A VM that has been started and serves.
    pub fn running() -> Self {
        Self::running_with(Vm::default())
    }

    pub fn running_with(vm: Vm) -> Self {
        let mut harness = Self::with(vm);
        harness.wake();
        harness.looks(running());
        harness.probe();
        harness.probed(ProbeResult::Healthy);
        harness.released();
        harness
    }

    /// It may run: it never answered in its startup timeout of 20 s, and cannot be looked at any more.
    pub fn lost_in_its_start(vm: Vm) -> Self {
        let mut harness = Self::with(Vm { startup_timeout: 20 * SECOND, ..vm });
        harness.wake();
        harness.looks(running());
        harness.pass(20 * SECOND);
        harness.probes_then_released(FailureKind::StartupTimeout);
        harness.wake();
        harness.looks(refused(403, "forbidden"));
        harness.released();
        harness
    }

    /// A VM of which nothing is known any more: what was stored of it cannot be read.
    pub fn recovered_with(vm: Vm) -> Self {
        let harness = Self::with(vm);
        let lifecycle = Lifecycle::recovered(8, harness.policy.clone(), harness.now);
        Self { lifecycle, ..harness }
    }

    /// A VM that is idle and being brought down by `take_down`: the call that asks for that.
    #[track_caller]
    pub fn going_down_with(vm: Vm, take_down: TakeDown) -> (Self, CallId, RequestId) {
        let mut harness = Self::running_with(vm);
        harness.pass(IDLE);
        let (call, request_id) = harness.change(take_down);
        (harness, call, request_id)
    }

    pub fn going_down() -> (Self, CallId, RequestId) {
        Self::going_down_with(Vm::default(), TakeDown::Stop)
    }

    /// A VM that serves, until it is idle and asked whether it is busy: the generation of its endpoint.
    #[track_caller]
    pub fn asked_with(vm: Vm) -> (Self, u64) {
        let mut harness = Self::running_with(vm);
        harness.pass(IDLE);
        let generation = harness.asked().generation;
        (harness, generation)
    }

    /// The configuration changes.
    pub fn configure(&mut self, vm: Vm) {
        self.policy = Policy::of(&in_a_zone(vm));
        self.lifecycle.configure(self.policy.clone(), self.now);
    }

    pub fn send(&mut self, event: Event) {
        for action in self.lifecycle.handle(event, self.now) {
            match action {
                Action::ReleaseDown(result) => self.downs.push(result),
                action => self.actions.push(action),
            }
        }
    }

    pub fn wake(&mut self) {
        self.send(Event::Wake { unreachable: None, force: false, client: None });
    }

    pub fn answer(&mut self, call: CallId, result: Result<Response, CallError>) {
        self.send(Event::Responded { call, result, token_took: Duration::ZERO });
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
            self.send(Event::Timer);
            assert!(
                self.lifecycle.deadline().is_none_or(|next| next > self.now),
                "the deadline does not move"
            );
        }
        self.now = end;
    }

    /// The object is lost, and loaded again from what it had stored.
    pub fn lose(&mut self) {
        self.restore(serde_json::to_value(&self.lifecycle).unwrap());
        self.actions.clear();
        self.send(Event::Loaded { seed: SEED });
        self.nothing();
        self.send(Event::Timer);
    }

    /// Takes this as what was stored.
    pub fn restore(&mut self, stored: serde_json::Value) {
        let lifecycle: Lifecycle = serde_json::from_value(stored).unwrap();
        self.lifecycle = lifecycle.restored(self.policy.clone());
    }

    /// The next action is this call.
    #[track_caller]
    pub fn call(&mut self, expected: Call) -> CallId {
        match self.next() {
            Some(Action::Call(id, call)) if call == expected => id,
            other => panic!("expected the call {expected:?}, got {other:?}"),
        }
    }

    /// The next action is a look at the instance, which is answered like this.
    #[track_caller]
    pub fn looks(&mut self, answer: Result<Response, CallError>) {
        let look = self.call(Call::Get);
        self.answer(look, answer);
    }

    /// The next action is this change, whatever its request id.
    #[track_caller]
    pub fn change(&mut self, expected: impl Into<Change>) -> (CallId, RequestId) {
        let expected = expected.into();
        match self.next() {
            Some(Action::Call(id, Call::Change { change, request_id })) if change == expected => {
                (id, request_id)
            }
            other => panic!("expected the call {expected:?}, got {other:?}"),
        }
    }

    /// The next action is this change of a setting.
    #[track_caller]
    pub fn updates(&mut self, expected: &Update) -> (CallId, RequestId) {
        match self.next() {
            Some(Action::Call(id, Call::Update { update, request_id })) if update == *expected => {
                (id, request_id)
            }
            other => panic!("expected the change {expected:?}, got {other:?}"),
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

    /// After some probes, the held requests are sent away for this reason.
    #[track_caller]
    pub fn probes_then_released(&mut self, expected: FailureKind) {
        self.probes();
        match self.released() {
            Outcome::Failed(failure) => assert_eq!(failure.kind, expected, "{}", failure.message),
            Outcome::Ready { .. } => panic!("expected {expected:?}"),
        }
    }

    /// Nothing is to be done.
    #[track_caller]
    pub fn nothing(&self) {
        assert_eq!(self.actions, []);
    }

    /// What whoever waits for the VM to be down has been told since this was last asked.
    pub fn released_down(&mut self) -> Vec<Result<(), Failure>> {
        std::mem::take(&mut self.downs)
    }

    /// The next action asks the VM whether it is busy.
    #[track_caller]
    pub fn asked(&mut self) -> Endpoint {
        match self.next() {
            Some(Action::CheckBusy(endpoint)) => endpoint,
            other => panic!("expected the VM to be asked, got {other:?}"),
        }
    }

    /// How many probes are asked for, among other actions.
    pub fn probes(&mut self) -> usize {
        let before = self.actions.len();
        self.actions.retain(|action| !matches!(action, Action::Probe(_)));
        before - self.actions.len()
    }

    #[track_caller]
    pub fn state(&self, expected: VmState) {
        assert_eq!(self.lifecycle.vm_state(), expected);
    }

    fn next(&mut self) -> Option<Action> {
        (!self.actions.is_empty()).then(|| self.actions.remove(0))
    }
}

fn in_a_zone(mut vm: Vm) -> Vm {
    if vm.instance.all_zones().is_empty() {
        vm.instance.zone = "zone-1".to_owned();
    }
    vm
}

pub(crate) fn wait() -> Call {
    Call::Wait { operation: OperationName("operation-1".into()) }
}

pub(crate) fn pending() -> Result<Response, CallError> {
    Ok(Response::Operation(OperationView { name: OperationName("operation-1".into()), outcome: None }))
}

pub(crate) fn done() -> Result<Response, CallError> {
    Ok(Response::Operation(OperationView {
        name: OperationName("operation-1".into()),
        outcome: Some(Ok(())),
    }))
}

pub(crate) fn operation_failed(status: u16, reason: &str) -> Result<Response, CallError> {
    let error = ApiError { status, reason: reason.into(), message: "in the operation".into() };
    let name = OperationName("operation-1".into());
    Ok(Response::Operation(OperationView { name, outcome: Some(Err(error)) }))
}

pub(crate) fn refused(status: u16, reason: &str) -> Result<Response, CallError> {
    Err(CallError::Api(ApiError { status, reason: reason.into(), message: "in the call".into() }))
}

pub(crate) fn not_found() -> Result<Response, CallError> {
    refused(404, "notFound")
}

pub(crate) fn instance(status: InstanceStatus) -> Result<Response, CallError> {
    Ok(Response::Instance(InstanceView { status, ip: None, drift: vec![], ready: None }))
}

/// An instance whose address shows before it runs.
pub(crate) fn staging() -> Result<Response, CallError> {
    Ok(Response::Instance(InstanceView {
        status: InstanceStatus::Staging,
        ip: Some(IP),
        drift: vec![],
        ready: None,
    }))
}

/// A stopped instance that differs from the configuration in its machine type and its tags.
pub(crate) fn drifted() -> Result<Response, CallError> {
    let configured = Instance { machine_type: "e2-small".into(), ..Instance::default() };
    let body = r#"{"status": "TERMINATED", "machineType": "zones/z/machineTypes/e2-micro",
        "tags": {"items": ["other"], "fingerprint": "f"}}"#;
    Response::read(&Call::Get, &configured, 200, body)
}

pub(crate) fn running() -> Result<Response, CallError> {
    Ok(Response::Instance(InstanceView {
        status: InstanceStatus::Running,
        ip: Some(IP),
        drift: vec![],
        ready: None,
    }))
}
