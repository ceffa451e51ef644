//! The way down: stop, suspend or delete the instance, and wait until it is done.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::Attempt;
use super::event::{Action, Failure, FailureKind, Outcome};
use super::start::Then;
use super::state::{DownKind, Policy, State, Trouble};
use super::Lifecycle;
use crate::compute::{
    Answer, Call, CallError, InstanceView, Mutation, OperationName, OperationView, RequestId, Settled,
    Verdict,
};
use crate::time::Timestamp;
use crate::vm::{StartKind, VmState};

/// The longest pause between two tries. They go on for ever: a VM that cannot be stopped costs money.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A VM on its way down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sleep {
    mutation: Mutation,
    step: Step,
    attempt: Attempt,
    /// Since when a request waits for the VM to be down, and then up again.
    woken_at: Option<Timestamp>,
    /// What is done after this.
    then: Option<Mutation>,
    /// What was refused as wrong for what is there.
    refused: Option<Mutation>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Ask for the change.
    Mutate(RequestId),
    /// Wait until it is made.
    Wait(OperationName),
    /// What is there? Asked when an operation may be at work on it that nobody waits for any more, or when the change
    /// was refused as wrong for what is there.
    Look,
}

impl Sleep {
    /// Whether a request waits for the VM to be up again.
    pub(super) fn is_woken(&self) -> bool {
        self.woken_at.is_some()
    }

    pub(super) fn wake(&mut self, now: Timestamp) {
        self.woken_at.get_or_insert(now);
        self.then = None;
    }

    pub(super) fn deadline(&self, call_in_flight: bool, policy: &Policy) -> Option<Timestamp> {
        let due = (!call_in_flight).then_some(self.attempt.at);
        let gives_up_at = self.woken_at.map(|woken_at| woken_at + policy.startup_timeout);
        due.into_iter().chain(gives_up_at).min()
    }

    pub(super) fn vm_state(&self) -> VmState {
        match self.mutation {
            Mutation::Delete => VmState::Deleting,
            Mutation::Suspend => VmState::Suspending,
            // A suspended VM is resumed to be stopped.
            Mutation::Stop | Mutation::Resume => VmState::Stopping,
            Mutation::Insert | Mutation::InsertStandard | Mutation::Start => VmState::Stopping,
        }
    }

    /// Since when a request waits for the VM to be down, and then up again.
    pub(super) fn woken_at(&self) -> Option<Timestamp> {
        self.woken_at
    }

    /// How the VM comes up after this.
    pub(super) fn kind_after(&self) -> StartKind {
        self.goal().start_kind()
    }

    fn goal(&self) -> DownKind {
        match self.mutation {
            Mutation::Delete => DownKind::Absent,
            Mutation::Suspend => DownKind::Suspended,
            Mutation::Stop
            | Mutation::Insert
            | Mutation::InsertStandard
            | Mutation::Start
            | Mutation::Resume => DownKind::Stopped,
        }
    }

    fn call(&self) -> Call {
        match &self.step {
            Step::Mutate(request_id) => {
                Call::Mutate { mutation: self.mutation, request_id: request_id.clone() }
            }
            Step::Wait(operation) => Call::Wait { operation: operation.clone() },
            Step::Look => Call::Look,
        }
    }
}

impl Lifecycle {
    /// The operator wants the VM down. Requests that wait for it are sent away.
    pub(super) fn go_down(&mut self, mutation: Mutation, now: Timestamp, actions: &mut Vec<Action>) {
        self.overrule(now);
        let waited_for = match &mut self.state {
            State::Starting(start) if start.is_mutating() => {
                start.then = Some(Then::GoDown(mutation));
                true
            }
            State::Starting(_) => {
                self.look_and_sleep(mutation, None, now);
                true
            }
            State::Sleeping(sleep) => {
                sleep.then = (sleep.mutation != mutation).then_some(mutation);
                sleep.woken_at.take().is_some()
            }
            // A suspended instance can be resumed or deleted, nothing else; but somebody may have resumed it.
            State::Down(DownKind::Suspended) | State::Failed { .. } => {
                self.look_and_sleep(mutation, None, now);
                false
            }
            State::Down(_) | State::Running(_) => {
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
        self.begin_sleep_for(mutation, None, now);
    }

    /// Begins to bring the VM down while a request waits since `woken_at` for it to be up again.
    pub(super) fn begin_sleep_for(
        &mut self,
        mutation: Mutation,
        woken_at: Option<Timestamp>,
        now: Timestamp,
    ) {
        let step = Step::Mutate(self.next_request_id());
        self.begin_sleep_with(step, mutation, woken_at, now);
    }

    /// Brings the VM down after a start that may have left an operation at work on it.
    pub(super) fn look_and_sleep(&mut self, mutation: Mutation, woken_at: Option<Timestamp>, now: Timestamp) {
        self.begin_sleep_with(Step::Look, mutation, woken_at, now);
    }

    fn begin_sleep_with(
        &mut self,
        step: Step,
        mutation: Mutation,
        woken_at: Option<Timestamp>,
        now: Timestamp,
    ) {
        self.forget_calls();
        let mutation = match mutation {
            Mutation::Suspend if self.cannot_suspend => Mutation::Stop,
            mutation => mutation,
        };
        let attempt = Attempt::new(now);
        self.state = State::Sleeping(Sleep { mutation, step, attempt, woken_at, then: None, refused: None });
    }

    /// When a suspended VM is stopped.
    pub(super) fn deep_sleep_at(&self, kind: DownKind) -> Option<Timestamp> {
        let after = self.policy.deep_sleep_after.filter(|_| kind == DownKind::Suspended)?;
        Some(self.since + after)
    }

    /// Stops a suspended VM. That takes a resume first: a suspended instance can be resumed or deleted, nothing
    /// else. See <https://cloud.google.com/compute/docs/instances/instance-lifecycle>.
    pub(super) fn begin_deep_sleep(&mut self, now: Timestamp) {
        self.begin_sleep(Mutation::Resume, now);
        if let State::Sleeping(sleep) = &mut self.state {
            sleep.then = Some(Mutation::Stop);
        }
    }

    pub(super) fn drive_sleep(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let idle = self.in_flight.is_none();
        let startup_timeout = self.policy.startup_timeout;
        let State::Sleeping(sleep) = &mut self.state else { return };
        let late = sleep.woken_at.is_some_and(|woken_at| now >= woken_at + startup_timeout);
        if late {
            sleep.woken_at = None;
        }
        let call = (idle && now >= sleep.attempt.at).then(|| sleep.call());
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

    pub(super) fn sleep_answered(
        &mut self,
        result: Result<Answer, CallError>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let State::Sleeping(sleep) = &mut self.state else { return };
        match result {
            Ok(Answer::Operation(OperationView { name, outcome: None })) => {
                sleep.step = Step::Wait(name);
                sleep.attempt = Attempt::new(now);
            }
            Ok(Answer::Operation(OperationView { outcome: Some(Ok(())), .. }))
                if sleep.mutation == Mutation::Resume =>
            {
                self.is_resumed(now, actions);
            }
            Ok(Answer::Operation(OperationView { outcome: Some(Ok(())), .. })) => {
                let kind = sleep.goal();
                self.is_down(kind, now, actions);
            }
            Ok(Answer::Operation(OperationView { outcome: Some(Err(error)), .. })) => {
                self.sleep_failed(&CallError::Api(error), true, now, actions);
            }
            Ok(Answer::Instance(instance)) => self.sleep_looked(&instance, now, actions),
            Err(error) => self.sleep_failed(&error, false, now, actions),
        }
    }

    fn sleep_looked(&mut self, instance: &InstanceView, now: Timestamp, actions: &mut Vec<Action>) {
        let (seed, request_id) = (self.identity, self.next_request_id());
        let State::Sleeping(sleep) = &mut self.state else { return };
        match instance.status.settled() {
            Some(Settled::Stopped) if sleep.mutation != Mutation::Delete => {
                self.is_down(DownKind::Stopped, now, actions);
            }
            // A suspended instance can be resumed or deleted, nothing else.
            Some(Settled::Suspended) if !matches!(sleep.mutation, Mutation::Delete | Mutation::Resume) => {
                self.is_down(DownKind::Suspended, now, actions);
            }
            Some(_) => {
                self.cannot_suspend |= sleep.refused == Some(Mutation::Suspend);
                sleep.step = Step::Mutate(request_id);
                sleep.attempt = sleep.attempt.moved_to(now);
            }
            // On its way up or down: wait for the end of it.
            None => {
                sleep.step = Step::Look;
                sleep.attempt = sleep.attempt.again(now, LONGEST_PAUSE, seed);
            }
        }
    }

    /// A call failed, or the operation has `ended` badly.
    fn sleep_failed(&mut self, error: &CallError, ended: bool, now: Timestamp, actions: &mut Vec<Action>) {
        let (request_id, is_out_of_place) = (self.next_request_id(), self.is_out_of_place());
        let is_used_up = self.usage.is_used_up(&self.policy.limits, now);
        let State::Sleeping(sleep) = &mut self.state else { return };
        let (mutation, woken_at) = (sleep.mutation, sleep.woken_at);
        sleep.attempt = sleep.attempt.again(now, LONGEST_PAUSE, self.identity);
        let given_up = matches!(error.verdict(), Verdict::GiveUp | Verdict::NextZone);
        let refused_as_wrong = given_up && matches!(error, CallError::Api(error) if error.status == 400);
        // Whether this call, or its operation, is at work all the same.
        let mut may_be_at_work = false;
        match &sleep.step {
            Step::Look | Step::Mutate(_) if error.is_not_found() => {
                return self.is_down(DownKind::Absent, now, actions);
            }
            // Not every VM can be suspended (its system, memory or GPU may forbid it); every one can be stopped.
            // See https://cloud.google.com/compute/docs/instances/suspend-resume-instance
            Step::Mutate(_) | Step::Wait(_)
                if mutation == Mutation::Suspend && (refused_as_wrong || ended && given_up) =>
            {
                if ended {
                    self.cannot_suspend = true;
                    return self.begin_sleep_for(Mutation::Stop, woken_at, now);
                }
                // Unless it is down already.
                self.look_and_sleep(Mutation::Stop, woken_at, now);
                if let State::Sleeping(sleep) = &mut self.state {
                    sleep.refused = Some(mutation);
                }
                return;
            }
            // It is not suspended any more.
            Step::Mutate(_) if mutation == Mutation::Resume && refused_as_wrong => {
                return self.look_and_sleep(Mutation::Stop, woken_at, now);
            }
            // The operation is over, or unknown to the API: the next try needs a new one.
            Step::Mutate(_) if ended => sleep.step = Step::Mutate(request_id),
            Step::Wait(_) if ended || error.is_not_found() => sleep.step = Step::Mutate(request_id),
            Step::Mutate(_) if refused_as_wrong => {
                sleep.step = Step::Look;
                // It may be down already, in another way.
                if sleep.refused.replace(mutation) != Some(mutation) {
                    return;
                }
            }
            // The same call again is safe, whatever has become of this one; a new one might be a second operation
            // beside the first.
            Step::Mutate(_) => may_be_at_work = matches!(error, CallError::Unreadable(_)),
            Step::Wait(_) => may_be_at_work = true,
            Step::Look => {}
        }
        if !given_up {
            return;
        }
        let may_not_serve = may_be_at_work || is_out_of_place || is_used_up;
        if may_not_serve {
            sleep.woken_at = None;
        }
        let message = format!("cannot {} the instance: {error}", mutation.verb());
        let failure = self.remember(FailureKind::NotDown, message, now);
        actions.push(Action::ReleaseDown(Err(failure.clone())));
        match woken_at {
            Some(_) if may_not_serve => actions.push(Action::Release(Outcome::Failed(failure))),
            // It is up, then, and may serve whoever waits for it.
            Some(woken_at) => self.begin_start_for(woken_at, now),
            None => {}
        }
    }

    /// The VM, which was suspended, is up: it may serve, or is stopped now.
    fn is_resumed(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let may_serve = !self.is_out_of_place() && !self.usage.is_used_up(&self.policy.limits, now);
        let State::Sleeping(sleep) = &self.state else { return };
        let then = sleep.then.unwrap_or(Mutation::Stop);
        match sleep.woken_at {
            Some(woken_at) if may_serve => {
                actions.push(Action::ReleaseDown(Err(Failure::wanted_again(then, now))));
                self.begin_start_for(woken_at, now);
            }
            woken_at => self.begin_sleep_for(then, woken_at, now),
        }
    }

    fn is_down(&mut self, kind: DownKind, now: Timestamp, actions: &mut Vec<Action>) {
        let State::Sleeping(Sleep { mutation, woken_at, then, .. }) = self.state else { return };
        self.usage.is_down(now);
        self.ready_token = None;
        if woken_at.is_none() && self.goes_on_searching(kind != DownKind::Absent) {
            return self.look_and_sleep(then.unwrap_or(mutation), None, now);
        }
        self.settle(kind);
        match (woken_at, then) {
            (None, Some(mutation)) => self.begin_sleep(mutation, now),
            (Some(woken_at), _) => {
                actions.push(Action::ReleaseDown(Ok(())));
                self.begin_start_within_limits(woken_at, false, None, now, actions);
            }
            (None, None) => {
                // What else may have gone wrong is of starts.
                let is_over = |trouble: &mut Trouble| {
                    matches!(trouble.failure.kind, FailureKind::NotDown | FailureKind::Interrupted)
                };
                self.trouble.take_if(is_over);
                actions.push(Action::ReleaseDown(Ok(())));
            }
        }
    }
}
