//! The path of a call: from the object to Compute Engine and back, with all faults on the way.

use std::time::Duration;

use vmproxy::auth::AuthError;
use vmproxy::compute::{ApiError, BringUp, Call, CallError, Change, RequestId, Response, TakeDown, Update};

use super::compute::{api_error, Actor, Operation, Setting, Task};
use super::event_queue::{About, WorldEvent};
use super::operation::{Failing, Pace, Phase};
use super::scenario::Fault;
use super::world::World;

/// The maximum time that `zoneOperations.wait` holds a call.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// A `zoneOperations.wait` that is held.
pub struct Hold {
    call: u64,
    operation: usize,
}

impl World {
    /// Sends a call of the object.
    pub fn send_call(&mut self, call: u64, what: Call, about: About) {
        let timeout = what.timeout();
        let no_response = Err(CallError::NoResponse("the time is up".into()));
        self.plan_in(timeout, WorldEvent::Responded { call, result: no_response });
        let server = || "https://oauth2.googleapis.com/token".to_owned();
        let no_token = if self.strikes(Fault::TokenUnavailable) {
            Some(AuthError::Unavailable { server: server(), reason: "in the simulation".into() })
        } else if self.strikes(Fault::KeyRefused) {
            let reason = "invalid_grant: in the simulation".to_owned();
            let what = "the service account key of GOOGLE_SERVICE_ACCOUNT_KEY".to_owned();
            Some(AuthError::Refused { server: server(), what, status: 400, reason })
        } else {
            None
        };
        if let Some(error) = no_token {
            let takes = self.random.between(Duration::from_millis(20), Duration::from_millis(400));
            self.plan_in(takes, WorldEvent::Responded { call, result: Err(CallError::Auth(error)) });
        } else if !self.strikes(Fault::LostCall) {
            let takes = self.random.between(Duration::from_millis(10), Duration::from_millis(300));
            self.plan_in(takes, WorldEvent::CallArrives { call, what, about });
        }
    }

    /// Handles the arrival of a call at Compute Engine.
    pub fn call_arrives(&mut self, call: u64, what: &Call, about: About) {
        self.check_change(what, about);
        let refusal = if self.strikes(Fault::Throttled) {
            let rate_limit = api_error(403, "rateLimitExceeded");
            Some(if self.random.chance(500) { rate_limit } else { api_error(429, "rateLimitExceeded") })
        } else if self.strikes(Fault::ServerError) {
            let status = self.random.pick(&[500, 502, 503]);
            Some(api_error(status, "backendError"))
        } else if self.strikes(Fault::Forbidden) {
            let unauthorised = api_error(401, "authError");
            Some(if self.random.chance(200) { unauthorised } else { api_error(403, "forbidden") })
        } else {
            self.refusal_of(what)
        };
        if let Some(error) = refusal {
            return self.respond(call, Err(error));
        }
        let result = match what {
            Call::Get => self.compute.look(about.zone, about.settings),
            Call::Wait { operation } => match self.compute.named(operation) {
                Some(operation) if self.compute.operations[operation].outcome.is_none() => {
                    self.holds.push(Hold { call, operation });
                    self.plan_in(LONGEST_WAIT, WorldEvent::WaitExpires { call });
                    return;
                }
                Some(operation) => Ok(self.compute.view(operation)),
                None => Err(api_error(404, "notFound")),
            },
            Call::Change { change, request_id } => {
                self.begin_or_join(Task::Change(*change), request_id, about)
            }
            Call::Update { update, request_id } => {
                let setting = match update {
                    Update::MachineType => Setting::MachineType,
                    Update::Ready { .. } => Setting::Ready(about.token),
                    Update::Scheduling { .. }
                    | Update::Tags { .. }
                    | Update::Metadata { .. }
                    | Update::Labels { .. } => Setting::Tags,
                };
                self.begin_or_join(Task::Adapt(setting, about.settings), request_id, about)
            }
        };
        if self.strikes(Fault::ErrorAfterEffect) {
            return self.respond(call, Err(api_error(503, "backendError")));
        }
        self.respond(call, result);
    }

    /// Begins an operation, or returns the operation that has the same request id.
    fn begin_or_join(
        &mut self,
        task: Task,
        request_id: &RequestId,
        about: About,
    ) -> Result<Response, ApiError> {
        let request_id = request_id.to_string();
        let known = self.compute.of_request(&request_id).map(Ok);
        let begun = known.unwrap_or_else(|| self.begin(Actor::Engine, about, task, Some(request_id)));
        begun.map(|operation| self.compute.view(operation))
    }

    /// Returns the refusal by one of the faults that only concern changes. `None` means that none
    /// strikes.
    fn refusal_of(&mut self, what: &Call) -> Option<ApiError> {
        let (suspends, request_id) = match what {
            Call::Change { change, request_id } => (*change == Change::Down(TakeDown::Suspend), request_id),
            Call::Update { request_id, .. } => (false, request_id),
            Call::Get | Call::Wait { .. } => return None,
        };
        if self.compute.of_request(&request_id.to_string()).is_some() {
            return None;
        }
        if suspends && self.strikes(Fault::SuspendRefused) {
            return Some(api_error(400, "invalid"));
        }
        self.strikes(Fault::NotReady).then(|| api_error(400, "resourceNotReady"))
    }

    /// Begins an operation.
    ///
    /// # Errors
    /// The API's error if the operation cannot begin.
    pub fn begin(
        &mut self,
        by: Actor,
        about: About,
        task: Task,
        request_id: Option<String>,
    ) -> Result<usize, ApiError> {
        let slowly = task != Task::Repair && self.strikes(Fault::SlowOperation);
        let factor = if slowly { 12 } else { 1 };
        let has_room =
            task == Task::Change(BringUp::InsertStandard.into()) && self.scenario.has_room_for_standard_vms;
        let failure = if !has_room && self.strikes(Fault::StockOut) {
            Some(Failing::StockOut)
        } else {
            self.strikes(Fault::FailedOperation).then_some(Failing::Otherwise)
        };
        let failure = failure.filter(|_| by != Actor::Platform);
        let pace = Pace { factor, failure };
        let zone = about.zone;
        let (operation, phases) = self.compute.begin(by, about, task, request_id, pace, &mut self.random)?;
        self.note(|| format!("compute: operation-{operation} begins in zone {zone}: {task:?} by {by:?}"));
        if by == Actor::Engine {
            self.cover_change(zone, task);
        }
        for (after, phase) in phases {
            self.plan_in(after, WorldEvent::Operation { operation, phase });
        }
        Ok(operation)
    }

    /// Enters the next phase of an operation.
    pub fn operation_goes_on(&mut self, operation: usize, phase: Phase) {
        self.note(|| format!("compute: operation-{operation}: {phase:?}"));
        let (runs, done) = (phase == Phase::Run, matches!(phase, Phase::Done(_)));
        self.compute.enter(operation, phase);
        let Operation { task, zone, .. } = self.compute.operations[operation];
        if let Some(instance) = self.compute.instances.get(&zone) {
            self.coverage.status(&instance.status);
        }
        if runs {
            self.boot(zone, task == Task::Change(BringUp::Resume.into()));
        }
        if done {
            let (over, held) =
                std::mem::take(&mut self.holds).into_iter().partition(|h| h.operation == operation);
            self.holds = held;
            let over: Vec<Hold> = over;
            for Hold { call, operation } in over {
                let view = self.compute.view(operation);
                self.respond(call, Ok(view));
            }
        }
    }

    /// Ends the hold of a `zoneOperations.wait`, whose operation is still in progress.
    pub fn wait_expires(&mut self, call: u64) {
        let Some(at) = self.holds.iter().position(|hold| hold.call == call) else { return };
        let Hold { operation, .. } = self.holds.remove(at);
        let view = self.compute.view(operation);
        self.respond(call, Ok(view));
    }

    fn respond(&mut self, call: u64, result: Result<Response, ApiError>) {
        if self.strikes(Fault::LostAnswer) {
            return;
        }
        let longest = Duration::from_millis(if self.strikes(Fault::SlowAnswer) { 40_000 } else { 500 });
        let takes = self.random.between(Duration::from_millis(10), longest);
        let unreadable = self.strikes(Fault::Unreadable);
        let result = if unreadable {
            Err(CallError::InvalidResponse("in the simulation".into()))
        } else {
            result.map_err(CallError::Api)
        };
        self.plan_in(takes, WorldEvent::Responded { call, result });
    }
}
