//! Stopping: stop, suspend or delete the instance, and wait until it is done.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::action::{Action, Outcome};
use super::backoff::Attempt;
use super::context::Context;
use super::down_kind::DownKind;
use super::failure::{Failure, FailureKind, LastFailure};
use super::limits::ClientHash;
use super::next::{Begin, First, Next, Stop};
use super::timers::{Deadlines, Timer};
use crate::compute::{
    BringUp, Call, CallError, Change, InstanceView, OperationName, OperationView, RequestId, Response,
    StableStatus, TakeDown, Verdict,
};
use crate::time::Timestamp;
use crate::vm::{StartKind, VmState};

/// The longest pause between two tries. They go on for ever: a VM that cannot be stopped costs money.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A VM on its way down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stopping {
    take_down: TakeDown,
    /// Whether the VM is resumed now, because it is suspended and a suspended instance cannot be stopped.
    resume_first: bool,
    step: Step,
    attempt: Attempt,
    /// Since when a request waits for the VM to be down, and then up again.
    woken_at: Option<Timestamp>,
    /// What is done after this.
    then: Option<TakeDown>,
    /// What was refused as wrong for what is there.
    refused: Option<TakeDown>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Ask for the change.
    Change(RequestId),
    /// Wait until it is made.
    Wait(OperationName),
    /// What is there? Asked when an operation may be at work on it that nobody waits for any more, or when the change
    /// was refused as wrong for what is there.
    Check,
}

impl Stopping {
    pub fn new(stop: Stop, cx: &mut Context) -> Self {
        let step = match stop.first {
            First::Change | First::Resume => Step::Change(cx.next_request_id()),
            First::Check => Step::Check,
        };
        let take_down = match stop.take_down {
            TakeDown::Suspend if cx.cannot_suspend => TakeDown::Stop,
            take_down => take_down,
        };
        let resume_first = stop.first == First::Resume;
        Self {
            take_down,
            resume_first,
            step,
            attempt: Attempt::new(cx.now),
            woken_at: stop.woken_at,
            then: resume_first.then_some(take_down),
            refused: stop.refused,
        }
    }

    pub fn vm_state(&self) -> VmState {
        match self.take_down {
            TakeDown::Delete => VmState::Deleting,
            TakeDown::Suspend => VmState::Suspending,
            TakeDown::Stop => VmState::Stopping,
        }
    }

    /// Since when a request waits for the VM to be down, and then up again.
    pub fn woken_at(&self) -> Option<Timestamp> {
        self.woken_at
    }

    /// How the VM comes up after this.
    pub fn kind_after(&self) -> StartKind {
        self.goal().start_kind()
    }

    pub fn deadlines(&self, cx: &Context, deadlines: &mut Deadlines) {
        deadlines.set(Timer::Call, cx.in_flight.is_none().then_some(self.attempt.at));
        deadlines.set(Timer::StartupTimeout, self.gives_up_at(cx));
    }

    pub fn on_wake(&mut self, force: bool, client: Option<ClientHash>, cx: &mut Context) -> Next {
        if let Some(over) = cx.usage.over(&cx.policy.limits, force, cx.now) {
            cx.refuse(over);
        } else if self.woken_at.is_some() || cx.admit_client(client) {
            self.woken_at.get_or_insert(cx.now);
            self.then = None;
        }
        Next::Stay
    }

    pub fn on_take_down(&mut self, take_down: TakeDown, cx: &mut Context) -> Next {
        self.then = (self.resume_first || self.take_down != take_down).then_some(take_down);
        if self.woken_at.take().is_some() {
            cx.interrupt(take_down);
        }
        Next::Stay
    }

    pub fn on_timers(&mut self, cx: &mut Context) -> Next {
        if self.gives_up_at(cx).is_some_and(|at| cx.now >= at) {
            self.woken_at = None;
            let message = "startup timeout: the VM was going down, and took too long".to_owned();
            let failure = cx.remember(FailureKind::StartupTimeout, message);
            cx.release_failed(failure);
        }
        if cx.in_flight.is_none() && cx.now >= self.attempt.at {
            cx.call(self.due_call());
        }
        Next::Stay
    }

    pub fn on_response(&mut self, result: Result<Response, CallError>, cx: &mut Context) -> Next {
        match result {
            Ok(Response::Operation(OperationView { name, outcome: None })) => {
                self.step = Step::Wait(name);
                self.attempt = Attempt::new(cx.now);
                Next::Stay
            }
            Ok(Response::Operation(OperationView { outcome: Some(Ok(())), .. })) if self.resume_first => {
                self.on_resumed(cx)
            }
            Ok(Response::Operation(OperationView { outcome: Some(Ok(())), .. })) => {
                self.on_stopped(self.goal(), cx)
            }
            Ok(Response::Operation(OperationView { outcome: Some(Err(error)), .. })) => {
                self.on_error(&CallError::Api(error), true, cx)
            }
            Ok(Response::Instance(instance)) => self.on_instance(&instance, cx),
            Err(error) => self.on_error(&error, false, cx),
        }
    }

    fn on_instance(&mut self, instance: &InstanceView, cx: &mut Context) -> Next {
        let request_id = cx.next_request_id();
        match instance.status.stable() {
            Some(StableStatus::Stopped) if self.take_down != TakeDown::Delete => {
                return self.on_stopped(DownKind::Stopped, cx);
            }
            // A suspended instance can be resumed or deleted, nothing else.
            Some(StableStatus::Suspended) if self.take_down != TakeDown::Delete && !self.resume_first => {
                return self.on_stopped(DownKind::Suspended, cx);
            }
            Some(_) => {
                cx.cannot_suspend |= self.refused == Some(TakeDown::Suspend);
                self.step = Step::Change(request_id);
                self.attempt = self.attempt.moved_to(cx.now);
            }
            // On its way up or down: wait for the end of it.
            None => {
                self.step = Step::Check;
                self.attempt = self.attempt.again(cx.now, LONGEST_PAUSE, cx.identity);
            }
        }
        Next::Stay
    }

    /// A call failed, or the operation has `ended` badly.
    fn on_error(&mut self, error: &CallError, ended: bool, cx: &mut Context) -> Next {
        let request_id = cx.next_request_id();
        self.attempt = self.attempt.again(cx.now, LONGEST_PAUSE, cx.identity);
        let given_up = matches!(error.verdict(), Verdict::GiveUp | Verdict::NextZone);
        let refused_as_wrong = given_up && matches!(error, CallError::Api(error) if error.status == 400);
        // Whether this call, or its operation, is at work all the same.
        let mut may_be_at_work = false;
        match &self.step {
            Step::Check | Step::Change(_) if error.is_not_found() => {
                return self.on_stopped(DownKind::Absent, cx);
            }
            // Not every VM can be suspended (its system, memory or GPU may forbid it); every one can be stopped.
            // See https://cloud.google.com/compute/docs/instances/suspend-resume-instance
            Step::Change(_) | Step::Wait(_)
                if self.take_down == TakeDown::Suspend && (refused_as_wrong || ended && given_up) =>
            {
                if ended {
                    cx.cannot_suspend = true;
                    return Stop::begin(TakeDown::Stop).woken(self.woken_at).into();
                }
                // Unless it is down already.
                let check = Stop::check_first(TakeDown::Stop).woken(self.woken_at);
                return Stop { refused: Some(TakeDown::Suspend), ..check }.into();
            }
            // It is not suspended any more.
            Step::Change(_) if self.resume_first && refused_as_wrong => {
                return Stop::check_first(TakeDown::Stop).woken(self.woken_at).into();
            }
            // The operation is over, or unknown to the API: the next try needs a new one.
            Step::Change(_) if ended => self.step = Step::Change(request_id),
            Step::Wait(_) if ended || error.is_not_found() => self.step = Step::Change(request_id),
            Step::Change(_) if refused_as_wrong => {
                self.step = Step::Check;
                // It may be down already, in another way.
                if self.refused.replace(self.take_down) != Some(self.take_down) {
                    return Next::Stay;
                }
            }
            // The same call again is safe, whatever has become of this one; a new one might be a second operation
            // beside the first.
            Step::Change(_) => may_be_at_work = matches!(error, CallError::InvalidResponse(_)),
            Step::Wait(_) => may_be_at_work = true,
            Step::Check => {}
        }
        if given_up {
            self.on_refused(error, may_be_at_work, cx)
        } else {
            Next::Stay
        }
    }

    /// The VM cannot be brought down. That is tried again; but whoever waits does not wait for it.
    fn on_refused(&mut self, error: &CallError, may_be_at_work: bool, cx: &mut Context) -> Next {
        let may_serve = !may_be_at_work && self.may_serve(cx);
        let message = format!("cannot {} the instance: {error}", self.change().verb());
        let failure = cx.remember(FailureKind::NotDown, message);
        cx.actions.push(Action::ReleaseDown(Err(failure.clone())));
        match self.woken_at {
            // It is up, then, and may serve whoever waits for it.
            Some(woken_at) if may_serve => self.start(woken_at),
            Some(_) => {
                self.woken_at = None;
                cx.actions.push(Action::Release(Outcome::Failed(failure)));
                Next::Stay
            }
            None => Next::Stay,
        }
    }

    /// The VM, which was suspended, is up: it may serve, or is stopped now.
    fn on_resumed(&self, cx: &mut Context) -> Next {
        let then = self.then.unwrap_or(TakeDown::Stop);
        match self.woken_at {
            Some(woken_at) if self.may_serve(cx) => {
                cx.actions.push(Action::ReleaseDown(Err(Failure::wanted_again(then, cx.now))));
                self.start(woken_at)
            }
            woken_at => Stop::begin(then).woken(woken_at).into(),
        }
    }

    fn on_stopped(&self, kind: DownKind, cx: &mut Context) -> Next {
        cx.usage.stop_metering(cx.now);
        cx.ready_token = None;
        if self.woken_at.is_none() && cx.next_zone_to_search(kind != DownKind::Absent) {
            return Stop::check_first(self.then.unwrap_or(self.take_down)).into();
        }
        let down = cx.settle_down(kind);
        match (self.woken_at, self.then) {
            (None, Some(take_down)) => Stop::begin(take_down).into(),
            (Some(woken_at), _) => {
                cx.actions.push(Action::ReleaseDown(Ok(())));
                if cx.admit_start(false, None) {
                    down.start(woken_at)
                } else {
                    Next::Down(down)
                }
            }
            (None, None) => {
                // What else may have gone wrong is of starts.
                let is_over = |last: &mut LastFailure| {
                    matches!(last.failure.kind, FailureKind::NotDown | FailureKind::Interrupted)
                };
                cx.last_failure.take_if(is_over);
                cx.actions.push(Action::ReleaseDown(Ok(())));
                Next::Down(down)
            }
        }
    }

    /// Begins a start for a request that has waited since `began`: the VM is up.
    fn start(&self, began: Timestamp) -> Next {
        Next::Start(Begin { began, may_run: true, kind: self.kind_after(), silent: None, unresolved: None })
    }

    /// Whether the VM may serve if it is up.
    fn may_serve(&self, cx: &Context) -> bool {
        !cx.is_in_removed_zone() && !cx.is_exhausted()
    }

    fn gives_up_at(&self, cx: &Context) -> Option<Timestamp> {
        Some(self.woken_at? + cx.policy.startup_timeout)
    }

    fn goal(&self) -> DownKind {
        match self.take_down {
            TakeDown::Delete => DownKind::Absent,
            TakeDown::Suspend => DownKind::Suspended,
            TakeDown::Stop => DownKind::Stopped,
        }
    }

    fn change(&self) -> Change {
        if self.resume_first {
            BringUp::Resume.into()
        } else {
            self.take_down.into()
        }
    }

    fn due_call(&self) -> Call {
        match &self.step {
            Step::Change(request_id) => {
                Call::Change { change: self.change(), request_id: request_id.clone() }
            }
            Step::Wait(operation) => Call::Wait { operation: operation.clone() },
            Step::Check => Call::Get,
        }
    }
}
