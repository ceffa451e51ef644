//! Stopping: stop, suspend or delete the instance, and wait until that is done.

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

/// The maximum pause between two tries. The tries never end, because a VM that cannot be stopped
/// costs money.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A VM that is being taken down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stopping {
    take_down: TakeDown,
    /// `true` if the VM is resumed first: it is suspended, and a suspended instance cannot be
    /// stopped.
    resume_first: bool,
    step: Step,
    attempt: Attempt,
    /// The time since which a request waits for the VM to be down and started again.
    woken_at: Option<Timestamp>,
    /// The change that follows this one.
    then: Option<TakeDown>,
    /// The change that was refused because it does not fit the instance's status.
    refused: Option<TakeDown>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Request the change.
    Change(RequestId),
    /// Wait until the change is done.
    Wait(OperationName),
    /// Look at the instance: an operation that is no longer waited for may be in progress on it, or
    /// the change was refused because it does not fit the instance's status.
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

    /// Returns the time since which a request waits for the VM to be down and started again.
    pub fn woken_at(&self) -> Option<Timestamp> {
        self.woken_at
    }

    /// Returns the kind of the start that follows.
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
            let message = "startup timeout: the VM was going down, which took too long".to_owned();
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
            // A suspended instance can only be resumed or deleted.
            Some(StableStatus::Suspended) if self.take_down != TakeDown::Delete && !self.resume_first => {
                return self.on_stopped(DownKind::Suspended, cx);
            }
            Some(_) => {
                cx.cannot_suspend |= self.refused == Some(TakeDown::Suspend);
                self.step = Step::Change(request_id);
                self.attempt = self.attempt.moved_to(cx.now);
            }
            // A change is in progress: wait until it has ended.
            None => {
                self.step = Step::Check;
                self.attempt = self.attempt.again(cx.now, MAX_PAUSE, cx.identity);
            }
        }
        Next::Stay
    }

    /// Handles the failure of a call, or of the operation, which has `ended`.
    fn on_error(&mut self, error: &CallError, ended: bool, cx: &mut Context) -> Next {
        let request_id = cx.next_request_id();
        self.attempt = self.attempt.again(cx.now, MAX_PAUSE, cx.identity);
        let is_final = matches!(error.verdict(), Verdict::GiveUp | Verdict::NextZone);
        let is_invalid = is_final && matches!(error, CallError::Api(error) if error.status == 400);
        // Whether the call or its operation may still be in progress.
        let mut may_be_in_progress = false;
        match &self.step {
            Step::Check | Step::Change(_) if error.is_not_found() => {
                return self.on_stopped(DownKind::Absent, cx);
            }
            // Not every VM can be suspended (its system, memory or GPU may prevent it), but every
            // VM can be stopped. See
            // https://cloud.google.com/compute/docs/instances/suspend-resume-instance
            Step::Change(_) | Step::Wait(_)
                if self.take_down == TakeDown::Suspend && (is_invalid || ended && is_final) =>
            {
                if ended {
                    cx.cannot_suspend = true;
                    return Stop::begin(TakeDown::Stop).woken(self.woken_at).into();
                }
                // The VM may already be down.
                let check = Stop::check_first(TakeDown::Stop).woken(self.woken_at);
                return Stop { refused: Some(TakeDown::Suspend), ..check }.into();
            }
            // The VM is no longer suspended.
            Step::Change(_) if self.resume_first && is_invalid => {
                return Stop::check_first(TakeDown::Stop).woken(self.woken_at).into();
            }
            // The operation has ended, or is unknown to the API: the next try needs a new one.
            Step::Change(_) if ended => self.step = Step::Change(request_id),
            Step::Wait(_) if ended || error.is_not_found() => self.step = Step::Change(request_id),
            Step::Change(_) if is_invalid => {
                self.step = Step::Check;
                // The VM may already be down in another way.
                if self.refused.replace(self.take_down) != Some(self.take_down) {
                    return Next::Stay;
                }
            }
            // Repeating the same call is safe, whatever its result was; a new call might start a
            // second, concurrent operation.
            Step::Change(_) => may_be_in_progress = matches!(error, CallError::InvalidResponse(_)),
            Step::Wait(_) => may_be_in_progress = true,
            Step::Check => {}
        }
        if is_final {
            self.on_refused(error, may_be_in_progress, cx)
        } else {
            Next::Stay
        }
    }

    /// Handles an error for which the VM cannot be taken down. The lifecycle keeps trying, but the
    /// waiting requests are released.
    fn on_refused(&mut self, error: &CallError, may_be_in_progress: bool, cx: &mut Context) -> Next {
        let may_serve = !may_be_in_progress && self.may_serve(cx);
        let message = format!("cannot {} the instance: {error}", self.change().verb());
        let failure = cx.remember(FailureKind::NotDown, message);
        cx.actions.push(Action::ReleaseDown(Err(failure.clone())));
        match self.woken_at {
            // The VM is still up, so it can serve the waiting requests.
            Some(woken_at) if may_serve => self.start(woken_at),
            Some(_) => {
                self.woken_at = None;
                cx.actions.push(Action::Release(Outcome::Failed(failure)));
                Next::Stay
            }
            None => Next::Stay,
        }
    }

    /// Handles the end of the resume: the VM serves the waiting requests, or is stopped now.
    fn on_resumed(&self, cx: &mut Context) -> Next {
        let then = self.then.unwrap_or(TakeDown::Stop);
        match self.woken_at {
            Some(woken_at) if self.may_serve(cx) => {
                cx.actions.push(Action::ReleaseDown(Err(Failure::cancelled_by_request(then, cx.now))));
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
                // Other kinds of failure are of starts, and stay.
                let is_over = |last: &mut LastFailure| {
                    matches!(last.failure.kind, FailureKind::NotDown | FailureKind::Interrupted)
                };
                cx.last_failure.take_if(is_over);
                cx.actions.push(Action::ReleaseDown(Ok(())));
                Next::Down(down)
            }
        }
    }

    /// Begins a start of the VM, which is up, for a request that has waited since `began`.
    fn start(&self, began: Timestamp) -> Next {
        Next::Start(Begin { began, may_run: true, kind: self.kind_after(), silent: None, unresolved: None })
    }

    /// Returns whether the VM may serve if it is up.
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
