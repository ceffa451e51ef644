//! Starting: look at the instance; create, start or resume it; wait for the operation; find the
//! address; probe the health path.

mod on_response;
mod probing;

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::action::{Action, Outcome};
use super::backoff::Attempt;
use super::context::Context;
use super::event::ProbeResult;
use super::failure::{Failure, FailureKind};
use super::next::{Begin, Next, Stop};
use super::progress::Phase;
use super::timers::{Deadlines, Timer};
use crate::compute::{BringUp, Call, OperationName, RequestId, TakeDown, Update};
use crate::time::{format_duration, millis, Timestamp};
use crate::vm::{ColdStartRecord, Endpoint, ReadyToken, StartKind, VmState};
use probing::Probing;

/// The time for which a ready push stays valid while the VM's address is unknown. After that the VM
/// is probed, which takes little longer.
const PUSH_VALIDITY: Duration = Duration::from_secs(15);

/// A start in progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Starting {
    began: Timestamp,
    gives_up_at: Timestamp,
    /// The address at which the VM served before, and then no longer responded.
    silent: Option<IpAddr>,
    step: Step,
    /// The number of changes that have been requested.
    changes: u8,
    /// `true` if an instance may be running. If this start fails, that instance must still be taken
    /// down.
    may_run: bool,
    /// The action that follows when the operation in progress has ended.
    after: Option<AfterOperation>,
    token_took: Duration,
    /// The time at which the API reported that the instance runs.
    runs_since: Option<Timestamp>,
    /// The time at which the port accepted a connection.
    listens_since: Option<Timestamp>,
    /// The last error after which a call was tried again.
    last_error: Option<String>,
    /// The kind of start, or the most likely one while it is unknown.
    kind: StartKind,
    /// The time of a ready push that arrived before the VM's address was known.
    pushed_at: Option<Timestamp>,
}

/// The action on a VM whose start is no longer needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AfterOperation {
    /// The operator takes it down.
    TakeDown(TakeDown),
    /// The configuration moves it to another zone.
    Move,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Look at the instance.
    Look(Attempt),
    /// Update the settings of a stopped instance, one after the other, before it is started.
    Update { updates: Vec<Update>, request_id: RequestId, operation: Option<OperationName>, attempt: Attempt },
    /// Request a change.
    Change { bring_up: BringUp, request_id: RequestId, attempt: Attempt },
    /// Wait until the change is done. Meanwhile, probe as soon as there is an address.
    Wait { bring_up: BringUp, operation: OperationName, attempt: Attempt, early: EarlyAddress },
    /// Probe until the VM's server is ready, and check at intervals whether the instance still
    /// runs.
    Probe { probing: Probing, look: Attempt },
}

/// The search for the address before the operation is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EarlyAddress {
    /// A look at the instance is due at this time.
    Look(Timestamp),
    /// The instance had no address yet.
    None,
    /// The instance has an address, which is being probed.
    Probe(Probing),
}

impl Starting {
    pub fn new(begin: Begin, cx: &Context) -> Self {
        let Begin { began, may_run, kind, silent, unresolved } = begin;
        let attempt = Attempt::new(cx.now);
        let changes = u8::from(unresolved.is_some());
        let (kind, step) = match unresolved {
            Some((bring_up, request_id)) => {
                (bring_up.start_kind(), Step::Change { bring_up, request_id, attempt })
            }
            None => (kind, Step::Look(attempt)),
        };
        Self {
            began,
            gives_up_at: began + cx.policy.startup_timeout,
            silent: silent.or_else(|| cx.last_failure.as_ref()?.silent),
            step,
            changes,
            may_run,
            after: None,
            token_took: Duration::ZERO,
            runs_since: None,
            listens_since: None,
            last_error: None,
            pushed_at: None,
            kind,
        }
    }

    /// Returns the kind of start, or the most likely one while it is unknown.
    pub fn kind(&self) -> StartKind {
        self.kind
    }

    pub fn phase(&self) -> Phase {
        match &self.step {
            Step::Look(_) if self.changes == 0 => Phase::Asking,
            Step::Probe { .. } | Step::Wait { early: EarlyAddress::Probe(_), .. } => match self.listens_since
            {
                Some(_) => Phase::App,
                None => Phase::Booting,
            },
            Step::Look(_) if self.runs_since.is_some() => Phase::Booting,
            Step::Look(_) | Step::Update { .. } | Step::Change { .. } | Step::Wait { .. } => Phase::Starting,
        }
    }

    pub fn deadlines(&self, cx: &Context, deadlines: &mut Deadlines) {
        deadlines.set(Timer::Call, cx.in_flight.is_none().then_some(self.attempt().at));
        if let Step::Wait { early: EarlyAddress::Look(at), .. } = &self.step {
            deadlines.set(Timer::EarlyLook, cx.looking.is_none().then_some(*at));
        }
        deadlines.set(Timer::Probe, self.probing().and_then(Probing::due_at));
        deadlines.set(Timer::StartupTimeout, Some(self.gives_up_at));
    }

    pub fn vm_state(&self) -> VmState {
        match self.step {
            Step::Probe { .. } => VmState::Booting,
            Step::Look(_) | Step::Update { .. } | Step::Change { .. } | Step::Wait { .. } => {
                VmState::Starting
            }
        }
    }

    pub fn endpoint(&self) -> Option<Endpoint> {
        self.probing().map(|probing| probing.endpoint)
    }

    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// Handles a request that needs the VM. The latest request takes precedence: it cancels a
    /// take-down that waits for the operation to end, but not a move to another zone.
    pub fn on_wake(&mut self, cx: &mut Context) -> Next {
        let after = cx.is_in_removed_zone().then_some(AfterOperation::Move);
        if let Some(AfterOperation::TakeDown(take_down)) = std::mem::replace(&mut self.after, after) {
            cx.actions.push(Action::ReleaseDown(Err(Failure::cancelled_by_request(take_down, cx.now))));
        }
        Next::Stay
    }

    pub fn on_take_down(&mut self, take_down: TakeDown, cx: &mut Context) -> Next {
        cx.interrupt(take_down);
        if self.is_changing() {
            self.after = Some(AfterOperation::TakeDown(take_down));
            return Next::Stay;
        }
        Stop::check_first(take_down).into()
    }

    pub fn on_zone_removed(&mut self) -> Next {
        if self.is_changing() {
            self.after = Some(AfterOperation::Move);
            return Next::Stay;
        }
        Stop::check_first(TakeDown::Stop).woken(Some(self.began)).into()
    }

    /// Cancels a move to another zone: the present zone is configured.
    pub fn on_zone_kept(&mut self) -> Next {
        self.after = self.after.filter(|after| *after != AfterOperation::Move);
        Next::Stay
    }

    /// Forgets the probes that were in progress: the object that made them was lost.
    pub fn on_loaded(&mut self, cx: &Context) {
        if let Some(probing) = self.probing_mut() {
            probing.forget(cx.now);
        }
    }

    pub fn on_timers(&mut self, cx: &mut Context) -> Next {
        if cx.now >= self.gives_up_at {
            let (kind, message) = self.timeout_failure(cx.policy.startup_timeout);
            return self.fail(kind, message, cx);
        }
        if let Some(probing) = self.probing_mut() {
            if probing.begin(cx.now) {
                cx.actions.push(Action::Probe(probing.endpoint));
            }
        }
        if cx.in_flight.is_none() && cx.now >= self.attempt().at {
            if let Some(call) = self.due_call() {
                cx.call(call);
            }
        }
        if matches!(&self.step, Step::Wait { early: EarlyAddress::Look(at), .. } if cx.now >= *at)
            && cx.looking.is_none()
        {
            cx.look();
        }
        Next::Stay
    }

    pub fn on_probed(&mut self, generation: u64, result: ProbeResult, cx: &mut Context) -> Next {
        let Some(probing) = self.probing_mut().filter(|p| p.endpoint.generation == generation) else {
            return Next::Stay;
        };
        probing.end();
        let endpoint = probing.endpoint;
        match result {
            ProbeResult::Unreachable => Next::Stay,
            ProbeResult::Unhealthy => {
                self.listens_since.get_or_insert(cx.now);
                Next::Stay
            }
            ProbeResult::Healthy => self.on_ready(endpoint, cx),
        }
    }

    /// Handles a ready push. While the VM's address is unknown, the push is remembered, and a look
    /// for the address is due at once. A repeated push causes no further call.
    pub fn on_ready_pushed(&mut self, token: &ReadyToken, cx: &mut Context) -> Next {
        if cx.ready_token.as_ref() != Some(token) {
            return Next::Stay;
        }
        // Without a change by this start, the token is of an earlier boot, and is valid only at the
        // address of that boot: another client may have replaced the machine since.
        let address = self.endpoint().map(|endpoint| endpoint.ip);
        if self.changes == 0 && (address.is_none() || address != self.silent) {
            return Next::Stay;
        }
        if let Some(endpoint) = self.endpoint() {
            return self.on_ready(endpoint, cx);
        }
        if self.is_ready_pushed(cx.now) {
            return Next::Stay;
        }
        self.pushed_at = Some(cx.now);
        // A look in progress may have been made before there was an address.
        cx.looking = None;
        match &mut self.step {
            Step::Look(attempt) => *attempt = attempt.moved_to(cx.now),
            Step::Wait { early, .. } => *early = EarlyAddress::Look(cx.now),
            Step::Update { .. } | Step::Change { .. } | Step::Probe { .. } => {}
        }
        Next::Stay
    }

    /// Completes the start: the health path has responded with 2xx, or the VM has reported that it
    /// is ready.
    fn on_ready(&self, endpoint: Endpoint, cx: &mut Context) -> Next {
        // The VM goes down as soon as its operation has ended.
        if self.after.is_some() {
            return Next::Stay;
        }
        if cx.is_exhausted() {
            let message =
                "its monthly hours were used up before it was ready (max_hours_per_month)".to_owned();
            return self.fail(FailureKind::OverLimit, message, cx);
        }
        let record = self.record(cx.now);
        cx.keep_record(record);
        cx.last_failure = None;
        cx.usage.start_metering(cx.now);
        // The requests that are released count as activity.
        cx.last_activity = Some(cx.now);
        cx.actions.push(Action::Release(Outcome::Ready { endpoint, cold_start: Some(record) }));
        Next::Run(endpoint)
    }

    fn fail(&self, kind: FailureKind, message: String, cx: &mut Context) -> Next {
        let failure = cx.remember(kind, message);
        if let (Some(last), FailureKind::ServerDown) = (&mut cx.last_failure, kind) {
            last.silent = self.silent;
        }
        cx.release_failed(failure);
        let unresolved = match &self.step {
            Step::Change { bring_up, request_id, .. } if kind == FailureKind::StartupTimeout => {
                Some((*bring_up, request_id.clone()))
            }
            _ => None,
        };
        let failed = Next::Fail { may_run_since: self.may_run.then_some(cx.now), unresolved };
        self.stop_after(false).unwrap_or(failed)
    }

    /// Takes the VM down if that was requested while an operation was in progress. Unless the
    /// operation has succeeded, it may still be in progress, so the VM is looked at first.
    fn stop_after(&self, succeeded: bool) -> Option<Next> {
        let (take_down, woken_at) = match self.after? {
            AfterOperation::TakeDown(take_down) => (take_down, None),
            AfterOperation::Move => (TakeDown::Stop, Some(self.began)),
        };
        let stop = if succeeded { Stop::begin(take_down) } else { Stop::check_first(take_down) };
        Some(stop.woken(woken_at).into())
    }

    /// Returns whether there was a ready push recently. An older push may be from a machine that
    /// has been replaced since.
    fn is_ready_pushed(&self, now: Timestamp) -> bool {
        self.pushed_at.is_some_and(|pushed_at| now.since(pushed_at) <= PUSH_VALIDITY)
    }

    /// Returns whether an operation may be in progress on the instance. No other operation can
    /// begin before it has ended.
    fn is_changing(&self) -> bool {
        matches!(self.step, Step::Update { .. } | Step::Change { .. } | Step::Wait { .. })
    }

    fn probing(&self) -> Option<&Probing> {
        match &self.step {
            Step::Probe { probing, .. } | Step::Wait { early: EarlyAddress::Probe(probing), .. } => {
                Some(probing)
            }
            Step::Look(_) | Step::Update { .. } | Step::Change { .. } | Step::Wait { .. } => None,
        }
    }

    fn probing_mut(&mut self) -> Option<&mut Probing> {
        match &mut self.step {
            Step::Probe { probing, .. } | Step::Wait { early: EarlyAddress::Probe(probing), .. } => {
                Some(probing)
            }
            Step::Look(_) | Step::Update { .. } | Step::Change { .. } | Step::Wait { .. } => None,
        }
    }

    /// Returns the next try of this step's call.
    fn attempt(&self) -> Attempt {
        match &self.step {
            Step::Look(attempt)
            | Step::Update { attempt, .. }
            | Step::Change { attempt, .. }
            | Step::Wait { attempt, .. }
            | Step::Probe { look: attempt, .. } => *attempt,
        }
    }

    /// Returns this step's call.
    fn due_call(&self) -> Option<Call> {
        Some(match &self.step {
            Step::Look(_) | Step::Probe { .. } => Call::Get,
            Step::Update { operation: Some(operation), .. } | Step::Wait { operation, .. } => {
                Call::Wait { operation: operation.clone() }
            }
            Step::Update { updates, request_id, operation: None, .. } => {
                Call::Update { update: updates.first()?.clone(), request_id: request_id.clone() }
            }
            Step::Change { bring_up, request_id, .. } => {
                Call::Change { change: (*bring_up).into(), request_id: request_id.clone() }
            }
        })
    }

    fn record(&self, now: Timestamp) -> ColdStartRecord {
        // A VM may be healthy before the API reports that it runs.
        let listens_since = self.listens_since.unwrap_or(now);
        let runs_since = self.runs_since.unwrap_or(listens_since).min(listens_since);
        let token_ms = millis(self.token_took);
        ColdStartRecord {
            at: self.began,
            kind: if self.changes == 0 { StartKind::Found } else { self.kind },
            token_ms,
            api_ms: millis(runs_since.since(self.began)).saturating_sub(token_ms),
            boot_ms: millis(listens_since.since(runs_since)),
            app_ms: millis(now.since(listens_since)),
            total_ms: millis(now.since(self.began)),
        }
    }

    fn timeout_failure(&self, startup_timeout: Duration) -> (FailureKind, String) {
        if let (Step::Probe { .. }, Some(ip)) = (&self.step, self.silent) {
            let message = format!("the VM runs at {ip}, but its server does not respond");
            return (FailureKind::ServerDown, message);
        }
        let reason = self.last_error.as_deref().unwrap_or(match self.step {
            Step::Probe { .. } => "the health path did not respond with 2xx",
            Step::Look(_) | Step::Update { .. } | Step::Change { .. } | Step::Wait { .. } => {
                "the instance did not start"
            }
        });
        let waited = format_duration(startup_timeout);
        (FailureKind::StartupTimeout, format!("startup timeout: not ready after {waited}: {reason}"))
    }
}
