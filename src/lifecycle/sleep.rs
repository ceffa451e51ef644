//! The way down: stop, suspend or delete the instance, and wait until it is done.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::Attempt;
use super::event::{Action, FailureKind, Outcome};
use super::state::{DownKind, Policy, State};
use super::Lifecycle;
use crate::compute::{Answer, Call, CallError, Mutation, OperationName, OperationView, RequestId, Verdict};
use crate::time::Timestamp;
use crate::vm::VmState;

/// The longest pause between two tries. They go on for ever: a VM that cannot be stopped costs money.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A VM on its way down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sleep {
    mutation: Mutation,
    step: Step,
    /// Since when a request waits for the VM to be down, and then up again.
    woken_at: Option<Timestamp>,
    /// What the operator wants done after this.
    then: Option<Mutation>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Ask for the change.
    Mutate { request_id: RequestId, attempt: Attempt },
    /// Wait until it is made.
    Wait { operation: OperationName, attempt: Attempt },
}

impl Sleep {
    pub(super) fn wake(&mut self, now: Timestamp) {
        self.woken_at.get_or_insert(now);
        self.then = None;
    }

    pub(super) fn deadline(&self, call_in_flight: bool, policy: &Policy) -> Option<Timestamp> {
        let (Step::Mutate { attempt, .. } | Step::Wait { attempt, .. }) = &self.step;
        let due = (!call_in_flight).then_some(attempt.at);
        let gives_up_at = self.woken_at.map(|woken_at| woken_at + policy.startup_timeout);
        due.into_iter().chain(gives_up_at).min()
    }

    pub(super) fn vm_state(&self) -> VmState {
        match self.mutation {
            Mutation::Delete => VmState::Deleting,
            Mutation::Suspend => VmState::Suspending,
            Mutation::Stop | Mutation::Insert | Mutation::Start | Mutation::Resume => VmState::Stopping,
        }
    }

    fn goal(&self) -> DownKind {
        match self.mutation {
            Mutation::Delete => DownKind::Absent,
            Mutation::Suspend => DownKind::Suspended,
            Mutation::Stop | Mutation::Insert | Mutation::Start | Mutation::Resume => DownKind::Stopped,
        }
    }
}

impl Lifecycle {
    /// The operator wants the VM down. Requests that wait for it are sent away.
    pub(super) fn go_down(&mut self, mutation: Mutation, now: Timestamp, actions: &mut Vec<Action>) {
        let waited_for = match &mut self.state {
            State::Starting(start) if start.is_mutating() => {
                start.then = Some(mutation);
                true
            }
            State::Starting(_) => {
                self.begin_sleep(mutation, now);
                true
            }
            State::Sleeping(sleep) => {
                sleep.then = (sleep.mutation != mutation).then_some(mutation);
                sleep.woken_at.take().is_some()
            }
            // A suspended instance can be resumed or deleted, nothing else.
            State::Down(DownKind::Suspended) if mutation != Mutation::Delete => false,
            State::Down(_) | State::Running(_) | State::Failed { .. } => {
                self.begin_sleep(mutation, now);
                false
            }
        };
        if waited_for {
            let message = format!("interrupted: the operator asked for {}", mutation.verb());
            let failure = self.remember(FailureKind::Interrupted, message, now);
            actions.push(Action::Release(Outcome::Failed(failure)));
        }
    }

    pub(super) fn begin_sleep(&mut self, mutation: Mutation, now: Timestamp) {
        self.in_flight = None;
        let step = Step::Mutate { request_id: self.next_request_id(), attempt: Attempt::new(now) };
        self.state = State::Sleeping(Sleep { mutation, step, woken_at: None, then: None });
    }

    pub(super) fn drive_sleep(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let idle = self.in_flight.is_none();
        let startup_timeout = self.policy.startup_timeout;
        let State::Sleeping(sleep) = &mut self.state else { return };
        let late = sleep.woken_at.is_some_and(|woken_at| now >= woken_at + startup_timeout);
        if late {
            sleep.woken_at = None;
        }
        let call = match &sleep.step {
            Step::Mutate { request_id, attempt } if idle && now >= attempt.at => {
                Some(Call::Mutate { mutation: sleep.mutation, request_id: request_id.clone() })
            }
            Step::Wait { operation, attempt } if idle && now >= attempt.at => {
                Some(Call::Wait { operation: operation.clone() })
            }
            Step::Mutate { .. } | Step::Wait { .. } => None,
        };
        if late {
            let message = "startup timeout: the VM was going down, and took too long".to_owned();
            let failure = self.remember(FailureKind::StartupTimeout, message, now);
            actions.push(Action::Release(Outcome::Failed(failure)));
        }
        if let Some(call) = call {
            let id = self.next_call();
            actions.push(Action::Call(id, call));
        }
    }

    pub(super) fn sleep_answered(&mut self, result: Result<Answer, CallError>, now: Timestamp) {
        let State::Sleeping(sleep) = &mut self.state else { return };
        match result {
            Ok(Answer::Operation(OperationView { name, outcome: None })) => {
                sleep.step = Step::Wait { operation: name, attempt: Attempt::new(now) };
            }
            Ok(Answer::Operation(OperationView { outcome: Some(Ok(())), .. })) => {
                let kind = sleep.goal();
                self.is_down(kind, now);
            }
            Ok(Answer::Operation(OperationView { outcome: Some(Err(error)), .. })) => {
                self.sleep_failed(CallError::Api(error), true, now);
            }
            Err(error) => self.sleep_failed(error, false, now),
            // No look was asked for on the way down.
            Ok(Answer::Instance(_)) => {}
        }
    }

    fn sleep_failed(&mut self, error: CallError, operation_ended: bool, now: Timestamp) {
        let seed = self.identity;
        let State::Sleeping(sleep) = &mut self.state else { return };
        let (Step::Mutate { attempt, .. } | Step::Wait { attempt, .. }) = &sleep.step;
        let attempt = attempt.again(now, LONGEST_PAUSE, seed);
        let mutation = sleep.mutation;
        match (&mut sleep.step, error.verdict()) {
            (Step::Mutate { .. }, _) if error.is_not_found() => self.is_down(DownKind::Absent, now),
            (Step::Mutate { attempt: due, .. } | Step::Wait { attempt: due, .. }, Verdict::Retry)
                if !operation_ended =>
            {
                *due = attempt;
            }
            (_, Verdict::GiveUp) if mutation == Mutation::Suspend => {
                // Not every VM can be suspended (its system, memory or GPU may forbid it); every one can be
                // stopped. See https://cloud.google.com/compute/docs/instances/suspend-resume-instance
                let woken_at = sleep.woken_at;
                self.begin_sleep(Mutation::Stop, now);
                if let State::Sleeping(sleep) = &mut self.state {
                    sleep.woken_at = woken_at;
                }
            }
            (_, verdict) => {
                // The operation is over, or unknown to the API: the next try needs a new one.
                let request_id = self.next_request_id();
                let State::Sleeping(sleep) = &mut self.state else { return };
                sleep.step = Step::Mutate { request_id, attempt };
                let woken_at = sleep.woken_at;
                if verdict == Verdict::GiveUp {
                    let message = format!("cannot {} the instance: {error}", mutation.verb());
                    self.remember(FailureKind::Refused, message, now);
                    // It is up, then, and may serve whoever waits for it.
                    if let Some(woken_at) = woken_at {
                        self.begin_start_for(woken_at, now);
                    }
                }
            }
        }
    }

    fn is_down(&mut self, kind: DownKind, now: Timestamp) {
        let State::Sleeping(sleep) = &self.state else { return };
        let (woken_at, then) = (sleep.woken_at, sleep.then);
        self.state = State::Down(kind);
        match (woken_at, then) {
            (Some(woken_at), _) => self.begin_start_for(woken_at, now),
            (None, Some(mutation)) => self.begin_sleep(mutation, now),
            (None, None) => {}
        }
    }
}
