//! The way up: look at the instance, create, start or resume it, wait for the operation, find the address,
//! probe the health path.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::Attempt;
use super::event::{Action, Endpoint, Failure, FailureKind, Outcome, ProbeResult};
use super::state::State;
use super::Lifecycle;
use crate::compute::{
    Answer, Call, CallError, InstanceStatus, InstanceView, Mutation, OperationName, OperationView, RequestId,
    Verdict,
};
use crate::time::{millis, Timestamp};
use crate::vm::{ColdStartRecord, VmState};

/// How often an instance is looked at that is neither up nor down.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The longest pause between two tries of a call that a request waits for.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// How many changes one start may ask for. More than one is needed when the instance is preempted, stopped or
/// deleted by somebody else meanwhile.
const MOST_MUTATIONS: u8 = 3;

/// Probes begin this close together, and end [`LONGEST_PROBE_GAP`] apart.
const FIRST_PROBE_GAP: Duration = Duration::from_millis(100);
const LONGEST_PROBE_GAP: Duration = Duration::from_secs(1);

/// A probe of a port that nobody listens on yet may hang, so the next does not wait for it; but a request has
/// only six connections.
const MOST_PROBES: u8 = 4;

/// A start under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    began: Timestamp,
    gives_up_at: Timestamp,
    step: Step,
    mutations: u8,
    /// What the operator wants done as soon as the operation under way has ended.
    pub(super) then: Option<Mutation>,
    pub(super) token_took: Duration,
    /// When the API said that the instance runs.
    runs_since: Option<Timestamp>,
    /// When the port took a connection.
    listens_since: Option<Timestamp>,
    /// The last error that was worth another try.
    last_error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// What is there?
    Look(Attempt),
    /// Ask for a change.
    Mutate { mutation: Mutation, request_id: RequestId, attempt: Attempt },
    /// Wait until the change is made.
    Wait { operation: OperationName, attempt: Attempt },
    /// Wait until the VM's server answers.
    Probe(Probing),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Probing {
    endpoint: Endpoint,
    next_at: Timestamp,
    gap: Duration,
    #[serde(skip)]
    in_flight: u8,
}

impl Start {
    fn new(began: Timestamp, now: Timestamp, startup_timeout: Duration) -> Self {
        Self {
            began,
            gives_up_at: began + startup_timeout,
            step: Step::Look(Attempt::new(now)),
            mutations: 0,
            then: None,
            token_took: Duration::ZERO,
            runs_since: None,
            listens_since: None,
            last_error: None,
        }
    }

    pub(super) fn deadline(&self, call_in_flight: bool) -> Timestamp {
        let due = match &self.step {
            Step::Probe(probing) => (probing.in_flight < MOST_PROBES).then_some(probing.next_at),
            Step::Look(attempt) | Step::Mutate { attempt, .. } | Step::Wait { attempt, .. } => {
                (!call_in_flight).then_some(attempt.at)
            }
        };
        due.map_or(self.gives_up_at, |due| due.min(self.gives_up_at))
    }

    pub(super) fn vm_state(&self) -> VmState {
        match self.step {
            Step::Probe(_) => VmState::Booting,
            Step::Look(_) | Step::Mutate { .. } | Step::Wait { .. } => VmState::Starting,
        }
    }

    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        match &self.step {
            Step::Probe(probing) => Some(probing.endpoint),
            Step::Look(_) | Step::Mutate { .. } | Step::Wait { .. } => None,
        }
    }

    pub(super) fn forget_probes(&mut self, now: Timestamp) {
        if let Step::Probe(probing) = &mut self.step {
            (probing.in_flight, probing.next_at) = (0, now);
        }
    }

    /// Whether an operation may be running on the instance: no other can begin before it has ended.
    pub(super) fn is_mutating(&self) -> bool {
        matches!(self.step, Step::Mutate { .. } | Step::Wait { .. })
    }

    /// Whether this start may have left an instance running.
    fn may_run(&self) -> bool {
        self.mutations > 0 || self.endpoint().is_some()
    }

    fn look(&mut self, at: Timestamp) {
        self.step = Step::Look(Attempt::new(at));
    }

    fn record(&self, now: Timestamp) -> ColdStartRecord {
        let runs_since = self.runs_since.unwrap_or(self.began);
        let listens_since = self.listens_since.unwrap_or(now);
        let token_ms = millis(self.token_took);
        ColdStartRecord {
            at: self.began,
            token_ms,
            api_ms: millis(runs_since.since(self.began)).saturating_sub(token_ms),
            boot_ms: millis(listens_since.since(runs_since)),
            app_ms: millis(now.since(listens_since)),
            total_ms: millis(now.since(self.began)),
        }
    }
}

impl Lifecycle {
    pub(super) fn begin_start(&mut self, now: Timestamp) {
        self.begin_start_for(now, now);
    }

    /// Begins a start for a request that has waited since `began`.
    pub(super) fn begin_start_for(&mut self, began: Timestamp, now: Timestamp) {
        self.in_flight = None;
        self.state = State::Starting(Start::new(began, now, self.policy.startup_timeout));
    }

    pub(super) fn drive_start(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let idle = self.in_flight.is_none();
        let State::Starting(start) = &mut self.state else { return };
        if now >= start.gives_up_at {
            let waited = crate::time::format_duration(self.policy.startup_timeout);
            let because = start.last_error.as_deref().unwrap_or(match start.step {
                Step::Probe(_) => "the health path did not answer 2xx",
                Step::Look(_) | Step::Mutate { .. } | Step::Wait { .. } => "the instance did not come up",
            });
            let message = format!("startup timeout: not ready after {waited}: {because}");
            return self.fail(FailureKind::StartupTimeout, message, now, actions);
        }
        let call = match &mut start.step {
            Step::Probe(probing) => {
                if now >= probing.next_at && probing.in_flight < MOST_PROBES {
                    probing.in_flight += 1;
                    probing.next_at = now + probing.gap;
                    probing.gap = (probing.gap * 5 / 4).min(LONGEST_PROBE_GAP);
                    actions.push(Action::Probe(probing.endpoint));
                }
                return;
            }
            Step::Look(attempt) if idle && now >= attempt.at => Call::Look,
            Step::Mutate { mutation, request_id, attempt } if idle && now >= attempt.at => {
                Call::Mutate { mutation: *mutation, request_id: request_id.clone() }
            }
            Step::Wait { operation, attempt } if idle && now >= attempt.at => {
                Call::Wait { operation: operation.clone() }
            }
            Step::Look(_) | Step::Mutate { .. } | Step::Wait { .. } => return,
        };
        let id = self.next_call();
        actions.push(Action::Call(id, call));
    }

    pub(super) fn start_answered(
        &mut self,
        result: Result<Answer, CallError>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        match result {
            Ok(Answer::Instance(instance)) => self.looked(&instance, now, actions),
            Ok(Answer::Operation(operation)) => self.operated(operation, now, actions),
            Err(error) => self.start_call_failed(&error, now, actions),
        }
    }

    fn looked(&mut self, instance: &InstanceView, now: Timestamp, actions: &mut Vec<Action>) {
        match instance.status {
            InstanceStatus::Terminated | InstanceStatus::Stopped => {
                self.mutate(Mutation::Start, now, actions);
            }
            InstanceStatus::Suspended => self.mutate(Mutation::Resume, now, actions),
            InstanceStatus::Running => {
                let Some(ip) = instance.external_ip else {
                    let message = "the instance runs, but has no external address".to_owned();
                    return self.fail(FailureKind::Refused, message, now, actions);
                };
                self.generation += 1;
                let endpoint = Endpoint { ip, port: self.policy.port, generation: self.generation };
                let State::Starting(start) = &mut self.state else { return };
                start.runs_since.get_or_insert(now);
                start.step =
                    Step::Probe(Probing { endpoint, next_at: now, gap: FIRST_PROBE_GAP, in_flight: 0 });
            }
            // On its way up or down, by somebody else's doing: wait for the end of it.
            InstanceStatus::Pending
            | InstanceStatus::Provisioning
            | InstanceStatus::Staging
            | InstanceStatus::Repairing
            | InstanceStatus::Stopping
            | InstanceStatus::PendingStop
            | InstanceStatus::Deprovisioning
            | InstanceStatus::Suspending
            | InstanceStatus::Unknown => {
                let State::Starting(start) = &mut self.state else { return };
                start.look(now + LOOK_INTERVAL);
            }
        }
    }

    fn mutate(&mut self, mutation: Mutation, now: Timestamp, actions: &mut Vec<Action>) {
        let request_id = self.next_request_id();
        let State::Starting(start) = &mut self.state else { return };
        if start.mutations == MOST_MUTATIONS {
            let verb = mutation.verb();
            let message =
                format!("the instance does not stay up: {MOST_MUTATIONS} tries, and {verb} is due again");
            return self.fail(FailureKind::Refused, message, now, actions);
        }
        start.mutations += 1;
        start.step = Step::Mutate { mutation, request_id, attempt: Attempt::new(now) };
    }

    fn operated(&mut self, operation: OperationView, now: Timestamp, actions: &mut Vec<Action>) {
        let State::Starting(start) = &mut self.state else { return };
        match operation.outcome {
            None => start.step = Step::Wait { operation: operation.name, attempt: Attempt::new(now) },
            Some(Ok(())) => {
                start.runs_since = Some(now);
                start.look(now);
                self.go_down_if_asked(now);
            }
            Some(Err(error)) => {
                let error = CallError::Api(error);
                if error.verdict() == Verdict::GiveUp {
                    return self.fail(FailureKind::Refused, error.to_string(), now, actions);
                }
                start.last_error = Some(error.to_string());
                start.look(now + LOOK_INTERVAL);
                self.go_down_if_asked(now);
            }
        }
    }

    fn start_call_failed(&mut self, error: &CallError, now: Timestamp, actions: &mut Vec<Action>) {
        let seed = self.identity;
        let State::Starting(start) = &mut self.state else { return };
        start.last_error = Some(error.to_string());
        match (&mut start.step, error.verdict()) {
            (Step::Look(_), _) if error.is_not_found() => self.mutate(Mutation::Insert, now, actions),
            // What is missing then is not the instance, but something that it is made of.
            (Step::Mutate { mutation: Mutation::Insert, .. }, _) if error.is_not_found() => {
                self.fail(FailureKind::Refused, error.to_string(), now, actions);
            }
            (_, Verdict::GiveUp) => self.fail(FailureKind::Refused, error.to_string(), now, actions),
            (
                Step::Look(attempt) | Step::Mutate { attempt, .. } | Step::Wait { attempt, .. },
                Verdict::Retry,
            ) => *attempt = attempt.again(now, LONGEST_PAUSE, seed),
            (_, Verdict::LookAgain) => {
                start.look(now + LOOK_INTERVAL);
                self.go_down_if_asked(now);
            }
            (Step::Probe(_), Verdict::Retry) => {}
        }
    }

    pub(super) fn probed(
        &mut self,
        generation: u64,
        result: ProbeResult,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let State::Starting(start) = &mut self.state else { return };
        let Step::Probe(probing) = &mut start.step else { return };
        if probing.endpoint.generation != generation {
            return;
        }
        probing.in_flight = probing.in_flight.saturating_sub(1);
        let endpoint = probing.endpoint;
        match result {
            ProbeResult::Unreachable => {}
            ProbeResult::Unhealthy => {
                start.listens_since.get_or_insert(now);
            }
            ProbeResult::Healthy => {
                let record = start.record(now);
                self.keep_record(record);
                self.trouble = None;
                // The requests that are answered now are activity.
                self.last_activity = Some(now);
                self.state = State::Running(endpoint);
                actions.push(Action::Release(Outcome::Ready { endpoint, cold_start: Some(record) }));
            }
        }
    }

    /// Brings the VM down if the operator has asked for it while an operation was under way.
    fn go_down_if_asked(&mut self, now: Timestamp) {
        if let State::Starting(Start { then: Some(mutation), .. }) = self.state {
            self.begin_sleep(mutation, now);
        }
    }

    fn fail(&mut self, kind: FailureKind, message: String, now: Timestamp, actions: &mut Vec<Action>) {
        let failure: Failure = self.remember(kind, message, now);
        let may_run = matches!(&self.state, State::Starting(start) if start.may_run());
        let sleep_at = self.policy.on_idle.filter(|_| may_run).map(|(idle_timeout, _)| now + idle_timeout);
        self.in_flight = None;
        self.go_down_if_asked(now);
        if let State::Starting(_) = self.state {
            self.state = State::Failed { sleep_at };
        }
        actions.push(Action::Release(Outcome::Failed(failure)));
    }
}
