//! The life of one VM as a pure state machine: no clock, no I/O, nothing of the platform.
//!
//! [`Lifecycle::handle`] takes an event and the time and says what has to be done; [`Lifecycle::deadline`]
//! says when to call again with [`Event::Tick`] if nothing else happens. Whoever drives it persists it after
//! each event and before the actions, so that it can be lost at any moment: after [`Event::Loaded`] it asks
//! again for whatever was under way, with the same request id, which makes the call idempotent.

mod backoff;
mod event;
mod sleep;
mod start;
mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use event::{Action, CallId, Endpoint, Event, Failure, FailureKind, Outcome, ProbeResult};
pub use state::{DownKind, Policy, State};

use crate::compute::RequestId;
use crate::time::Timestamp;
use crate::vm::{ColdStartRecord, VmState};
use state::{Trouble, KEPT_COLD_STARTS};

/// The life of one VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// Random, and so the request ids of two objects never meet.
    identity: u64,
    /// How many request ids have been used.
    request_ids: u64,
    /// How many endpoints have been found: the generation of the newest.
    generation: u64,
    policy: Policy,
    state: State,
    /// When the VM came into what it now shows.
    since: Timestamp,
    last_activity: Option<Timestamp>,
    /// What went wrong last, until a start succeeds.
    trouble: Option<Trouble>,
    /// Newest first.
    cold_starts: Vec<ColdStartRecord>,
    /// The call that is under way. A lost object has none.
    #[serde(skip)]
    in_flight: Option<CallId>,
    #[serde(skip)]
    calls: u64,
}

impl Lifecycle {
    /// A VM of which nothing is known yet. `identity` is a random number.
    pub fn new(identity: u64, policy: Policy, now: Timestamp) -> Self {
        Self {
            identity,
            request_ids: 0,
            generation: 0,
            policy,
            state: State::Down(DownKind::Absent),
            since: now,
            last_activity: None,
            trouble: None,
            cold_starts: Vec::new(),
            in_flight: None,
            calls: 0,
        }
    }

    /// Follows a changed configuration. What failed with the old one may be tried at once with the new.
    pub fn configure(&mut self, policy: Policy, now: Timestamp) {
        self.policy = policy;
        if let Some(trouble) = &mut self.trouble {
            trouble.failure.retry_at = now;
        }
    }

    /// Takes an event that happened at `now` and returns what has to be done, in this order.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        let shown = self.vm_state();
        let mut actions = Vec::new();
        match event {
            Event::Loaded => self.forget_what_was_under_way(now),
            Event::Wake { unreachable, insist } => self.wake(unreachable, insist, now, &mut actions),
            Event::Touch => self.last_activity = Some(now),
            Event::GoDown(mutation) => self.go_down(mutation, now, &mut actions),
            Event::Tick => {}
            Event::Answered { call, result, token_took } => {
                // The answer to a call that was given up is of no more use.
                if self.in_flight == Some(call) {
                    self.in_flight = None;
                    match &mut self.state {
                        State::Starting(start) => {
                            start.token_took += token_took;
                            self.start_answered(result, now, &mut actions);
                        }
                        State::Sleeping(_) => self.sleep_answered(result, now),
                        State::Down(_) | State::Running(_) | State::Failed { .. } => {}
                    }
                }
            }
            Event::Probed { generation, result } => self.probed(generation, result, now, &mut actions),
        }
        self.drive(now, &mut actions);
        if self.vm_state() != shown {
            self.since = now;
        }
        actions
    }

    /// When [`Event::Tick`] is due if nothing else happens before.
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.state {
            State::Down(_) => None,
            State::Failed { sleep_at } => *sleep_at,
            State::Running(_) => self.idle_deadline(),
            State::Starting(start) => Some(start.deadline(self.in_flight.is_some())),
            State::Sleeping(sleep) => sleep.deadline(self.in_flight.is_some(), &self.policy),
        }
    }

    /// Whether calls or probes are under way or due, so that a lost object must be woken soon.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Starting(_) | State::Sleeping(_))
    }

    /// What the VM is doing.
    pub fn vm_state(&self) -> VmState {
        match &self.state {
            State::Down(kind) => kind.vm_state(),
            State::Starting(start) => start.vm_state(),
            State::Running(_) => VmState::Running,
            State::Sleeping(sleep) => sleep.vm_state(),
            State::Failed { .. } => VmState::Failed,
        }
    }

    /// When the VM came into this state.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// When the VM was last asked for.
    pub fn last_activity(&self) -> Option<Timestamp> {
        self.last_activity
    }

    /// When the running VM goes down if nobody asks for it; `None` if it is not running, or never goes down.
    pub fn idle_deadline(&self) -> Option<Timestamp> {
        let (State::Running(_), Some((idle_timeout, _))) = (&self.state, self.policy.on_idle) else {
            return None;
        };
        Some(self.last_activity.unwrap_or(self.since) + idle_timeout)
    }

    /// The endpoint of a VM that is booting or running.
    pub fn endpoint(&self) -> Option<Endpoint> {
        match &self.state {
            State::Running(endpoint) => Some(*endpoint),
            State::Starting(start) => start.endpoint(),
            State::Down(_) | State::Sleeping(_) | State::Failed { .. } => None,
        }
    }

    /// What went wrong last, if no start has succeeded since.
    pub fn failure(&self) -> Option<&Failure> {
        self.trouble.as_ref().map(|trouble| &trouble.failure)
    }

    /// The last cold starts, newest first.
    pub fn cold_starts(&self) -> &[ColdStartRecord] {
        &self.cold_starts
    }

    fn wake(&mut self, unreachable: Option<u64>, insist: bool, now: Timestamp, actions: &mut Vec<Action>) {
        self.last_activity = Some(now);
        if insist {
            self.trouble = None;
        }
        match &mut self.state {
            State::Running(endpoint) if unreachable == Some(endpoint.generation) => self.begin_start(now),
            State::Running(endpoint) => {
                actions.push(Action::Release(Outcome::Ready { endpoint: *endpoint, cold_start: None }));
            }
            // Whoever asks last is heard: a stop that was waiting for the start to end is off.
            State::Starting(start) => start.then = None,
            State::Sleeping(sleep) => sleep.wake(now),
            State::Down(_) | State::Failed { .. } => match &self.trouble {
                Some(trouble) if now < trouble.failure.retry_at => {
                    actions.push(Action::Release(Outcome::Failed(trouble.failure.clone())));
                }
                _ => self.begin_start(now),
            },
        }
    }

    fn forget_what_was_under_way(&mut self, now: Timestamp) {
        self.in_flight = None;
        if let State::Starting(start) = &mut self.state {
            start.forget_probes(now);
        }
    }

    /// Does what is due: calls, probes, and giving up.
    fn drive(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        match &self.state {
            State::Running(_) => {
                if let (Some(deadline), Some((_, mutation))) = (self.idle_deadline(), self.policy.on_idle) {
                    if now >= deadline {
                        self.begin_sleep(mutation, now);
                    }
                }
            }
            State::Failed { sleep_at: Some(at) } if now >= *at => {
                if let Some((_, mutation)) = self.policy.on_idle {
                    self.begin_sleep(mutation, now);
                }
            }
            State::Down(_) | State::Failed { .. } | State::Starting(_) | State::Sleeping(_) => {}
        }
        self.drive_start(now, actions);
        self.drive_sleep(now, actions);
    }

    fn next_call(&mut self) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        self.in_flight = Some(call);
        call
    }

    fn next_request_id(&mut self) -> RequestId {
        self.request_ids += 1;
        RequestId::derive(self.identity, self.request_ids)
    }

    /// Remembers a failure, with a pause that grows while one follows another.
    fn remember(&mut self, kind: FailureKind, message: String, now: Timestamp) -> Failure {
        let streak = self.trouble.as_ref().map_or(0, |trouble| trouble.streak) + 1;
        let retry_at = now + kind.pause(streak);
        let failure = Failure { kind, message, retry_at };
        self.trouble = Some(Trouble { failure: failure.clone(), streak });
        failure
    }

    fn keep_record(&mut self, record: ColdStartRecord) {
        self.cold_starts.insert(0, record);
        self.cold_starts.truncate(KEPT_COLD_STARTS);
    }
}

impl FailureKind {
    /// How long requests are refused after a failure before one may cause another try. A start that timed out
    /// has taken its time already.
    fn pause(self, streak: u32) -> Duration {
        match self {
            FailureKind::Refused => {
                backoff::doubled(Duration::from_secs(10), streak - 1, Duration::from_secs(60))
            }
            FailureKind::StartupTimeout | FailureKind::Interrupted => Duration::ZERO,
        }
    }
}
