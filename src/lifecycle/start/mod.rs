//! The way up: look at the instance, create, start or resume it, wait for the operation, find the address,
//! probe the health path.

mod answers;
mod probing;

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::Attempt;
use super::event::{Action, Failure, FailureKind, Outcome};
use super::state::State;
use super::{Lifecycle, Phase};
use crate::compute::{Call, Change, Mutation, OperationName, RequestId};
use crate::time::{format_duration, millis, Timestamp};
use crate::vm::{ColdStartRecord, Endpoint, StartKind, VmState};
use probing::Probing;

/// How often an instance is looked at that is neither up nor down.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// When, after a change was asked for, the instance is looked at once although the operation is not done: its
/// address often shows that early, and probing can begin. Once, because each look is a call.
const PEEK_AFTER: Duration = Duration::from_secs(3);

/// How often an instance is looked at whose server does not answer: it may have been preempted, or have powered itself
/// off, while it booted. Seldom, because each look is a call.
const LOOK_WHILE_PROBING: Duration = Duration::from_secs(30);

/// How long a server may be silent on an instance that runs, and that had served before.
const SERVER_GRACE: Duration = Duration::from_secs(15);

/// How long the VM's word that it is ready does while nobody knows where it is. Then it is probed, which takes little
/// longer.
const WORD_HOLDS: Duration = Duration::from_secs(15);

/// How often one start may ask for the same kind of change. More than once is needed when the instance is
/// preempted, stopped or deleted by somebody else meanwhile.
const MOST_MUTATIONS: u8 = 3;

/// A start under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    began: Timestamp,
    gives_up_at: Timestamp,
    /// The address at which the VM served before, and did not any more.
    silent: Option<IpAddr>,
    step: Step,
    mutations: u8,
    /// Whether an instance runs, as far as is known: it must not be forgotten if this start fails.
    may_run: bool,
    /// What becomes of the VM as soon as the operation under way has ended.
    pub(super) then: Option<Then>,
    pub(super) token_took: Duration,
    /// When the API said that the instance runs.
    runs_since: Option<Timestamp>,
    /// When the port took a connection.
    listens_since: Option<Timestamp>,
    /// The last error that was worth another try.
    last_error: Option<String>,
    /// How the VM comes up, as far as is known or likely.
    #[serde(default)]
    kind: StartKind,
    /// When the VM said that it is ready, while nobody knew where it is.
    #[serde(default)]
    said_ready_at: Option<Timestamp>,
}

/// What becomes of a VM whose start is no longer wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Then {
    /// The operator wants it down.
    GoDown(Mutation),
    /// The configuration wants it in another zone.
    Move,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// What is there?
    Look(Attempt),
    /// Bring its settings in line, one after the other, before it is started.
    Adapt { changes: Vec<Change>, request_id: RequestId, operation: Option<OperationName>, attempt: Attempt },
    /// Ask for a change.
    Mutate { mutation: Mutation, request_id: RequestId, attempt: Attempt },
    /// Wait until the change is made, and probe meanwhile as soon as there is an address.
    Wait { mutation: Mutation, operation: OperationName, attempt: Attempt, early: Early },
    /// Wait until the VM's server answers, and look now and then whether the instance still runs.
    Probe { probing: Probing, look: Attempt },
}

/// What is known before the operation is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Early {
    /// The instance is looked at then.
    Peek(Timestamp),
    /// It had no address.
    Nothing,
    /// It has an address, which is probed.
    Probe(Probing),
}

impl Start {
    fn new(began: Timestamp, now: Timestamp, startup_timeout: Duration, may_run: bool) -> Self {
        Self {
            began,
            gives_up_at: began + startup_timeout,
            silent: None,
            step: Step::Look(Attempt::new(now)),
            mutations: 0,
            may_run,
            then: None,
            token_took: Duration::ZERO,
            runs_since: None,
            listens_since: None,
            last_error: None,
            said_ready_at: None,
            kind: StartKind::default(),
        }
    }

    /// How the VM comes up, as far as is known or likely.
    pub(super) fn kind(&self) -> StartKind {
        self.kind
    }

    pub(super) fn phase(&self) -> Phase {
        match &self.step {
            Step::Look(_) if self.mutations == 0 => Phase::Asking,
            Step::Probe { .. } | Step::Wait { early: Early::Probe(_), .. } => match self.listens_since {
                Some(_) => Phase::App,
                None => Phase::Booting,
            },
            Step::Look(_) if self.runs_since.is_some() => Phase::Booting,
            Step::Look(_) | Step::Adapt { .. } | Step::Mutate { .. } | Step::Wait { .. } => Phase::Starting,
        }
    }

    pub(super) fn deadline(&self, call_in_flight: bool, peeking: bool) -> Timestamp {
        let call_at = (!call_in_flight).then_some(self.attempt().at);
        let peek_at = match &self.step {
            Step::Wait { early: Early::Peek(at), .. } => (!peeking).then_some(*at),
            _ => None,
        };
        let probe_at = self.probing().and_then(Probing::due_at);
        [call_at, peek_at, probe_at].into_iter().flatten().fold(self.gives_up_at, Timestamp::min)
    }

    pub(super) fn vm_state(&self) -> VmState {
        match self.step {
            Step::Probe { .. } => VmState::Booting,
            Step::Look(_) | Step::Adapt { .. } | Step::Mutate { .. } | Step::Wait { .. } => VmState::Starting,
        }
    }

    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        self.probing().map(|probing| probing.endpoint)
    }

    /// It is not to be moved any more.
    pub(super) fn stays(&mut self) {
        self.then = self.then.filter(|then| *then != Then::Move);
    }

    pub(super) fn began(&self) -> Timestamp {
        self.began
    }

    /// The VM says that it is ready: where it is, is looked at now. Whether it says so for the first time; to say it
    /// again costs no further call.
    pub(super) fn is_said_ready(&mut self, now: Timestamp) -> bool {
        let is_news = !self.has_said_ready(now);
        if is_news {
            self.said_ready_at = Some(now);
        }
        match &mut self.step {
            Step::Look(attempt) if is_news => *attempt = attempt.moved_to(now),
            Step::Wait { early, .. } if is_news => *early = Early::Peek(now),
            _ => {}
        }
        is_news
    }

    /// Whether the VM has said so just now. After a while it may be another machine that is found in its place.
    fn has_said_ready(&self, now: Timestamp) -> bool {
        self.said_ready_at.is_some_and(|said_at| now.since(said_at) <= WORD_HOLDS)
    }

    /// What was under way has been lost with the object.
    pub(super) fn forget(&mut self, now: Timestamp) {
        if let Some(probing) = self.probing_mut() {
            probing.forget(now);
        }
    }

    /// Whether an operation may be running on the instance: no other can begin before it has ended.
    pub(super) fn is_mutating(&self) -> bool {
        matches!(self.step, Step::Adapt { .. } | Step::Mutate { .. } | Step::Wait { .. })
    }

    fn probing(&self) -> Option<&Probing> {
        match &self.step {
            Step::Probe { probing, .. } | Step::Wait { early: Early::Probe(probing), .. } => Some(probing),
            Step::Look(_) | Step::Adapt { .. } | Step::Mutate { .. } | Step::Wait { .. } => None,
        }
    }

    fn probing_mut(&mut self) -> Option<&mut Probing> {
        match &mut self.step {
            Step::Probe { probing, .. } | Step::Wait { early: Early::Probe(probing), .. } => Some(probing),
            Step::Look(_) | Step::Adapt { .. } | Step::Mutate { .. } | Step::Wait { .. } => None,
        }
    }

    fn look(&mut self, at: Timestamp) {
        self.step = Step::Look(Attempt::new(at));
    }

    /// The next try of the call that this step makes.
    fn attempt(&self) -> Attempt {
        match &self.step {
            Step::Look(attempt)
            | Step::Adapt { attempt, .. }
            | Step::Mutate { attempt, .. }
            | Step::Wait { attempt, .. }
            | Step::Probe { look: attempt, .. } => *attempt,
        }
    }

    /// The call that is due.
    fn due_call(&self, now: Timestamp) -> Option<Call> {
        if now < self.attempt().at {
            return None;
        }
        Some(match &self.step {
            Step::Look(_) | Step::Probe { .. } => Call::Look,
            Step::Adapt { operation: Some(operation), .. } | Step::Wait { operation, .. } => {
                Call::Wait { operation: operation.clone() }
            }
            Step::Adapt { changes, request_id, operation: None, .. } => {
                Call::Adapt { change: changes.first()?.clone(), request_id: request_id.clone() }
            }
            Step::Mutate { mutation, request_id, .. } => {
                Call::Mutate { mutation: *mutation, request_id: request_id.clone() }
            }
        })
    }

    fn record(&self, now: Timestamp) -> ColdStartRecord {
        // A VM may be healthy before the API says that it runs.
        let listens_since = self.listens_since.unwrap_or(now);
        let runs_since = self.runs_since.unwrap_or(listens_since).min(listens_since);
        let token_ms = millis(self.token_took);
        ColdStartRecord {
            at: self.began,
            kind: if self.mutations == 0 { StartKind::Found } else { self.kind },
            token_ms,
            api_ms: millis(runs_since.since(self.began)).saturating_sub(token_ms),
            boot_ms: millis(listens_since.since(runs_since)),
            app_ms: millis(now.since(listens_since)),
            total_ms: millis(now.since(self.began)),
        }
    }

    fn why_late(&self, startup_timeout: Duration) -> (FailureKind, String) {
        if let (Step::Probe { .. }, Some(ip)) = (&self.step, self.silent) {
            let message = format!("the VM runs at {ip}, but its server does not answer");
            return (FailureKind::ServerDown, message);
        }
        let because = self.last_error.as_deref().unwrap_or(match self.step {
            Step::Probe { .. } => "the health path did not answer 2xx",
            Step::Look(_) | Step::Adapt { .. } | Step::Mutate { .. } | Step::Wait { .. } => {
                "the instance did not come up"
            }
        });
        let waited = format_duration(startup_timeout);
        (FailureKind::StartupTimeout, format!("startup timeout: not ready after {waited}: {because}"))
    }
}

/// How a VM comes up by `mutation`.
fn kind_of(mutation: Mutation) -> StartKind {
    match mutation {
        Mutation::Insert | Mutation::InsertStandard => StartKind::Create,
        Mutation::Resume => StartKind::Resume,
        Mutation::Start | Mutation::Stop | Mutation::Suspend | Mutation::Delete => StartKind::Start,
    }
}

impl Lifecycle {
    /// Begins a start for a request that came now.
    pub(super) fn begin_start(&mut self, now: Timestamp) {
        self.begin_start_for(now, now);
    }

    /// Begins a start for a request that has waited since `began`.
    pub(super) fn begin_start_for(&mut self, began: Timestamp, now: Timestamp) {
        self.forget_calls();
        // What was up before a start that does not get as far as a look is up after it.
        let (may_run, unresolved) = match &self.state {
            State::Down(_) => (false, None),
            State::Running(_) | State::Sleeping(_) | State::Starting(_) => (true, None),
            State::Failed { may_run_since, unresolved } => (may_run_since.is_some(), unresolved.clone()),
        };
        let mut start = Start::new(began, now, self.policy.startup_timeout, may_run);
        start.kind = match &self.state {
            State::Down(kind) => kind.start_kind(),
            State::Sleeping(sleep) => sleep.kind_after(),
            State::Running(_) | State::Starting(_) | State::Failed { .. } => StartKind::Start,
        };
        if let Some((mutation, request_id)) = unresolved {
            start.mutations = 1;
            start.kind = kind_of(mutation);
            start.step = Step::Mutate { mutation, request_id, attempt: Attempt::new(now) };
        }
        start.silent = self.trouble.as_ref().and_then(|trouble| trouble.silent);
        self.state = State::Starting(start);
    }

    /// Begins a start because the VM does not serve at `endpoint` any more.
    pub(super) fn begin_search(&mut self, endpoint: Endpoint, now: Timestamp) {
        self.begin_start(now);
        if let State::Starting(start) = &mut self.state {
            start.silent = Some(endpoint.ip);
        }
    }

    pub(super) fn drive_start(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let (idle, peeking) = (self.in_flight.is_none(), self.peeking.is_some());
        let State::Starting(start) = &mut self.state else { return };
        if now >= start.gives_up_at {
            let (kind, message) = start.why_late(self.policy.startup_timeout);
            return self.fail(kind, message, now, actions);
        }
        if let Some(probing) = start.probing_mut() {
            if probing.begin(now) {
                actions.push(Action::Probe(probing.endpoint));
            }
        }
        let call = start.due_call(now).filter(|_| idle);
        let peek = matches!(&start.step, Step::Wait { early: Early::Peek(at), .. } if now >= *at && !peeking);
        if let Some(call) = call {
            let id = self.next_call();
            actions.push(Action::Call(id, call));
        }
        if peek {
            let id = self.next_peek();
            actions.push(Action::Call(id, Call::Look));
        }
    }

    /// Whoever asks last is heard: a stop that was waiting for the start to end is off. A move is not.
    pub(super) fn call_off_the_stop(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let then = self.is_out_of_place().then_some(Then::Move);
        let State::Starting(start) = &mut self.state else { return };
        if let Some(Then::GoDown(mutation)) = std::mem::replace(&mut start.then, then) {
            actions.push(Action::ReleaseDown(Err(Failure::wanted_again(mutation, now))));
        }
    }

    /// Brings the VM down if that was asked for while an operation was under way. Unless that has ended well, an
    /// operation may still be at work, and the VM is looked at first.
    fn then(&mut self, ended_well: bool, now: Timestamp) {
        let State::Starting(start) = &self.state else { return };
        let (mutation, woken_at) = match start.then {
            Some(Then::GoDown(mutation)) => (mutation, None),
            Some(Then::Move) => (Mutation::Stop, Some(start.began)),
            None => return,
        };
        if ended_well {
            self.begin_sleep_for(mutation, woken_at, now);
        } else {
            self.look_and_sleep(mutation, woken_at, now);
        }
    }

    fn fail(&mut self, kind: FailureKind, message: String, now: Timestamp, actions: &mut Vec<Action>) {
        let failure = self.remember(kind, message, now);
        let State::Starting(start) = &self.state else { return };
        let may_run_since = start.may_run.then_some(now);
        if let (Some(trouble), FailureKind::ServerDown) = (&mut self.trouble, kind) {
            trouble.silent = start.silent;
        }
        let unresolved = match &start.step {
            Step::Mutate { mutation, request_id, .. } if kind == FailureKind::StartupTimeout => {
                Some((*mutation, request_id.clone()))
            }
            _ => None,
        };
        self.forget_calls();
        self.then(false, now);
        if let State::Starting(_) = self.state {
            self.state = State::Failed { may_run_since, unresolved };
        }
        actions.push(Action::Release(Outcome::Failed(failure)));
    }
}
