//! A harness for the lifecycle: tests send events, expect actions, and advance the clock.

use std::net::IpAddr;
use std::time::Duration;

use crate::compute::{
    ApiError, BringUp, Call, CallError, Change, InstanceStatus, InstanceView, OperationName, OperationView,
    RequestId, Response, TakeDown, Update,
};
use crate::lifecycle::{
    Action, CallId, Endpoint, Event, Failure, FailureKind, Lifecycle, Outcome, Policy, ProbeResult, Seed,
};
use crate::time::Timestamp;
use crate::vm::{Instance, Vm, VmState};

pub(crate) const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

/// The seed of the tests' tokens.
pub(crate) const SEED: Seed = [7; 32];

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The idle timeout of the harness's VM, with the touch interval.
pub(crate) const IDLE: Duration = Duration::from_secs(15 * 60 + 5);

pub(crate) struct Harness {
    pub lifecycle: Lifecycle,
    pub now: Timestamp,
    policy: Policy,
    /// The actions that the test has not expected yet.
    actions: Vec<Action>,
    downs: Vec<Result<(), Failure>>,
}

impl Harness {
    /// Creates a VM with a startup timeout of 5 min and an idle timeout of 15 min (plus 5 s of
    /// touch interval).
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

    /// Creates a VM that has been started and serves.
    pub fn running() -> Self {
        Self::running_with(Vm::default())
    }

    pub fn running_with(vm: Vm) -> Self {
        let mut harness = Self::with(vm);
        harness.wake();
        harness.respond_to_look(running());
        harness.expect_probe();
        harness.end_probe(ProbeResult::Healthy);
        harness.expect_release();
        harness
    }

    /// Creates a VM that may run: its probes failed for its startup timeout of 20 s, and looks are
    /// refused.
    pub fn lost_while_starting(vm: Vm) -> Self {
        let mut harness = Self::with(Vm { startup_timeout: 20 * SECOND, ..vm });
        harness.wake();
        harness.respond_to_look(running());
        harness.advance(20 * SECOND);
        harness.expect_failure_after_probes(FailureKind::StartupTimeout);
        harness.wake();
        harness.respond_to_look(refused(403, "forbidden"));
        harness.expect_release();
        harness
    }

    /// Creates a VM whose history has been lost: its record cannot be read.
    pub fn recovered_with(vm: Vm) -> Self {
        let harness = Self::with(vm);
        let lifecycle = Lifecycle::recovered(8, harness.policy.clone(), harness.now);
        Self { lifecycle, ..harness }
    }

    /// Creates an idle VM that is being taken down by `take_down`. Returns the call that requests
    /// it.
    #[track_caller]
    pub fn going_down_with(vm: Vm, take_down: TakeDown) -> (Self, CallId, RequestId) {
        let mut harness = Self::running_with(vm);
        harness.advance(IDLE);
        let (call, request_id) = harness.expect_change(take_down);
        (harness, call, request_id)
    }

    pub fn going_down() -> (Self, CallId, RequestId) {
        Self::going_down_with(Vm::default(), TakeDown::Stop)
    }

    /// Creates an idle VM with a busy check in progress. Returns the generation of its endpoint.
    #[track_caller]
    pub fn in_busy_check_with(vm: Vm) -> (Self, u64) {
        let mut harness = Self::running_with(vm);
        harness.advance(IDLE);
        let generation = harness.expect_busy_check().generation;
        (harness, generation)
    }

    /// Changes the configuration.
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

    pub fn respond(&mut self, call: CallId, result: Result<Response, CallError>) {
        self.send(Event::Responded { call, result, token_took: Duration::ZERO });
    }

    pub fn end_probe(&mut self, result: ProbeResult) {
        let generation = self.lifecycle.endpoint().expect("no probe is in progress").generation;
        self.send(Event::Probed { generation, result });
    }

    /// Advances the clock, with a timer event at each deadline.
    pub fn advance(&mut self, duration: Duration) {
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

    /// Expects the start of a stopped instance, and lets it become healthy.
    #[track_caller]
    pub fn start_stopped(&mut self) {
        self.respond_to_look(instance(InstanceStatus::Terminated));
        let (start, _) = self.expect_change(BringUp::Start);
        self.respond(start, done());
        self.respond_to_look(running());
        self.expect_probe();
        self.end_probe(ProbeResult::Healthy);
    }

    /// Loses the object, and loads it again from its stored record.
    pub fn lose(&mut self) {
        self.restore(serde_json::to_value(&self.lifecycle).unwrap());
        self.actions.clear();
        self.load(SEED);
        self.send(Event::Timer);
    }

    /// Passes the seed of a lifecycle that has been loaded.
    pub fn load(&mut self, seed: Seed) {
        self.lifecycle.prepare(None, Some(seed), self.now);
    }

    /// Restores the lifecycle from this record.
    pub fn restore(&mut self, stored: serde_json::Value) {
        let lifecycle: Lifecycle = serde_json::from_value(stored).unwrap();
        self.lifecycle = lifecycle.restored(self.policy.clone());
    }

    /// Expects this call as the next action.
    #[track_caller]
    pub fn expect_call(&mut self, expected: Call) -> CallId {
        match self.next() {
            Some(Action::Call(id, call)) if call == expected => id,
            other => panic!("expected the call {expected:?}, got {other:?}"),
        }
    }

    /// Expects a look at the instance as the next action, and responds with this result.
    #[track_caller]
    pub fn respond_to_look(&mut self, response: Result<Response, CallError>) {
        let look = self.expect_call(Call::Get);
        self.respond(look, response);
    }

    /// Expects this change, with any request id, as the next action.
    #[track_caller]
    pub fn expect_change(&mut self, expected: impl Into<Change>) -> (CallId, RequestId) {
        let expected = expected.into();
        match self.next() {
            Some(Action::Call(id, Call::Change { change, request_id })) if change == expected => {
                (id, request_id)
            }
            other => panic!("expected the call {expected:?}, got {other:?}"),
        }
    }

    /// Expects this update as the next action.
    #[track_caller]
    pub fn expect_update(&mut self, expected: &Update) -> (CallId, RequestId) {
        match self.next() {
            Some(Action::Call(id, Call::Update { update, request_id })) if update == *expected => {
                (id, request_id)
            }
            other => panic!("expected the update {expected:?}, got {other:?}"),
        }
    }

    /// Expects a probe as the next action.
    #[track_caller]
    pub fn expect_probe(&mut self) -> Endpoint {
        match self.next() {
            Some(Action::Probe(endpoint)) => endpoint,
            other => panic!("expected a probe, got {other:?}"),
        }
    }

    /// Expects the release of the held requests as the next action.
    #[track_caller]
    pub fn expect_release(&mut self) -> Outcome {
        match self.next() {
            Some(Action::Release(outcome)) => outcome,
            other => panic!("expected the release of the requests, got {other:?}"),
        }
    }

    /// Expects that the held requests fail for this reason, after any number of probes.
    #[track_caller]
    pub fn expect_failure_after_probes(&mut self, expected: FailureKind) {
        self.take_probes();
        match self.expect_release() {
            Outcome::Failed(failure) => assert_eq!(failure.kind, expected, "{}", failure.message),
            Outcome::Ready { .. } => panic!("expected {expected:?}"),
        }
    }

    /// Expects no action.
    #[track_caller]
    pub fn expect_nothing(&self) {
        assert_eq!(self.actions, []);
    }

    /// Takes the results for the requests that wait for the VM to be down.
    pub fn take_down_results(&mut self) -> Vec<Result<(), Failure>> {
        std::mem::take(&mut self.downs)
    }

    /// Expects a busy check as the next action.
    #[track_caller]
    pub fn expect_busy_check(&mut self) -> Endpoint {
        match self.next() {
            Some(Action::CheckBusy(endpoint)) => endpoint,
            other => panic!("expected a busy check, got {other:?}"),
        }
    }

    /// Takes the probes from among the other actions. Returns their number.
    pub fn take_probes(&mut self) -> usize {
        let before = self.actions.len();
        self.actions.retain(|action| !matches!(action, Action::Probe(_)));
        before - self.actions.len()
    }

    #[track_caller]
    pub fn expect_state(&self, expected: VmState) {
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

/// Returns an instance whose address is assigned before it runs.
pub(crate) fn staging() -> Result<Response, CallError> {
    Ok(Response::Instance(InstanceView {
        status: InstanceStatus::Staging,
        ip: Some(IP),
        drift: vec![],
        ready: None,
    }))
}

/// Returns a stopped instance whose machine type and tags differ from the configuration.
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
