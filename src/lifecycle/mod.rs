//! The life of one VM as a pure state machine: no clock, no I/O, nothing of the platform.
//!
//! [`Lifecycle::handle`] takes an event and the time and says what has to be done; [`Lifecycle::deadline`]
//! says when to call again with [`Event::Tick`] if nothing else happens. Whoever drives it persists it after
//! each event and before the actions, so that it can be lost at any moment: after [`Event::Loaded`] it asks
//! again for whatever was under way, with the same request id, which makes the call idempotent.

mod alarm;
mod backoff;
mod event;
mod limits;
mod progress;
mod ready;
mod running;
mod schedule;
mod search;
mod sleep;
mod start;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod view;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::vm::{Endpoint, ReadyToken, Seed};
pub use event::{Action, CallId, Event, Failure, FailureKind, Outcome, ProbeResult};
pub use limits::Limits;
pub use progress::{Phase, Progress};
pub use running::Up;
pub use sleep::Sleep;
pub use start::Start;
pub use state::{DownKind, Policy, State};

use crate::compute::{Difference, Mutation, RequestId};
use crate::time::Timestamp;
use crate::vm::ColdStartRecord;
use limits::{ClientHash, OverLimit, Usage};
use schedule::{Following, RETRY_INTERVAL};
use search::Search;
use start::Then;
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
    /// Where the instance is, or was last.
    zone: String,
    search: Search,
    state: State,
    /// When the VM came into what it now shows.
    since: Timestamp,
    last_activity: Option<Timestamp>,
    /// What went wrong last, until that is over.
    trouble: Option<Trouble>,
    /// Whether Compute Engine has refused to suspend the VM.
    cannot_suspend: bool,
    usage: Usage,
    #[serde(default)]
    following: Following,
    /// In what the instance differed from the configuration when it was last looked at.
    drift: Vec<Difference>,
    /// Newest first.
    cold_starts: Vec<ColdStartRecord>,
    /// By which the VM of the present boot may say that it is ready.
    #[serde(default)]
    ready_token: Option<ReadyToken>,
    /// What tokens are made of; each life of the object has its own.
    #[serde(skip)]
    seed: Option<Seed>,
    /// The call that is under way. A lost object has none.
    #[serde(skip)]
    in_flight: Option<CallId>,
    /// The look that is under way beside it.
    #[serde(skip)]
    peeking: Option<CallId>,
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
            zone: policy.first_zone(),
            search: Search::default(),
            policy,
            state: State::Down(DownKind::Absent),
            since: now,
            last_activity: None,
            trouble: None,
            cannot_suspend: false,
            usage: Usage::default(),
            following: Following::default(),
            drift: Vec::new(),
            cold_starts: Vec::new(),
            ready_token: None,
            seed: None,
            in_flight: None,
            peeking: None,
            calls: 0,
        }
    }

    /// A VM whose history has been lost: it may be in any state and any of its zones, and must not be left running for
    /// ever.
    pub fn recovered(identity: u64, policy: Policy, now: Timestamp) -> Self {
        let state = State::Failed { may_run_since: Some(now), unresolved: None };
        let search = Search::through(&policy.zones);
        Self { state, search, ..Self::new(identity, policy, now) }
    }

    /// Follows a changed configuration. What failed with the old one may be tried at once with the new, and an
    /// instance in a zone that is not among the configured ones any more is stopped.
    pub fn configure(&mut self, policy: Policy, now: Timestamp) {
        let shown = self.vm_state();
        self.policy = policy;
        self.cannot_suspend = false;
        if let Some(trouble) = &mut self.trouble {
            trouble.failure.retry_at = now;
        }
        self.following.try_at = now;
        if self.is_out_of_place() {
            self.leave_zone(now);
        } else if let State::Starting(start) = &mut self.state {
            start.stays();
        }
        if self.vm_state() != shown {
            self.since = now;
        }
    }

    /// Takes an event that happened at `now` and returns what has to be done, in this order.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        let shown = self.vm_state();
        let mut actions = Vec::new();
        let is_all = !matches!(event, Event::Planned(_));
        match event {
            Event::Loaded { seed } => {
                self.seed = Some(seed);
                // Nothing is done yet: it may have been loaded by the very request that keeps the VM up.
                self.forget_what_was_under_way(now);
                return actions;
            }
            Event::Wake { unreachable, insist, client } => {
                let client = client.map(|client| ClientHash::new(self.identity, &client));
                self.wake(unreachable, insist, client, now, &mut actions);
            }
            Event::Touch => self.last_activity = Some(now),
            Event::Planned(plan) => self.planned(plan, now, &mut actions),
            Event::GoDown(mutation) => self.go_down(mutation, now, &mut actions),
            Event::Tick => {}
            Event::Asked { generation, busy } => self.asked(generation, busy, now),
            Event::Answered { call, result, .. } if self.peeking == Some(call) => {
                self.peeking = None;
                match &self.state {
                    State::Running(up) => {
                        self.looked_while_running(up.endpoint, result, now, &mut actions);
                    }
                    _ => self.peeked(result, now, &mut actions),
                }
            }
            Event::Answered { call, result, token_took } => {
                // The answer to a call that was given up is of no more use.
                if self.in_flight == Some(call) {
                    self.in_flight = None;
                    match &mut self.state {
                        State::Starting(start) => {
                            start.token_took += token_took;
                            self.start_answered(result, now, &mut actions);
                        }
                        State::Sleeping(_) => self.sleep_answered(result, now, &mut actions),
                        State::Down(_) | State::Running(_) | State::Failed { .. } => {}
                    }
                }
            }
            Event::Probed { generation, result } => self.probed(generation, result, now, &mut actions),
            Event::SaidReady { token } => self.said_ready(&token, now, &mut actions),
        }
        // The event for which the plan was made may be the very request that keeps the VM up.
        if is_all {
            self.drive(now, &mut actions);
        }
        if self.vm_state() != shown {
            self.since = now;
        }
        actions
    }

    /// When [`Event::Tick`] is due if nothing else happens before.
    pub fn deadline(&self) -> Option<Timestamp> {
        let deadline = match &self.state {
            State::Down(kind) => self.deep_sleep_at(*kind),
            State::Failed { .. } => self.failed_deadline(),
            State::Running(up) => self.running_deadline(up),
            State::Starting(start) => Some(start.deadline(self.in_flight.is_some(), self.peeking.is_some())),
            State::Sleeping(sleep) => sleep.deadline(self.in_flight.is_some(), &self.policy),
        };
        deadline.into_iter().chain(self.follow_at()).min()
    }

    /// When a VM that could not be started goes down. Requests that are refused meanwhile are activity, too.
    fn failed_deadline(&self) -> Option<Timestamp> {
        let State::Failed { may_run_since: Some(since), .. } = self.state else { return None };
        let used_at = self.last_activity.map_or(since, |last| last.max(since));
        let idle_at = self.policy.on_idle.map(|(idle_timeout, _)| used_at + idle_timeout);
        idle_at
            .max(idle_at.and(self.awake_until()))
            .into_iter()
            .chain(self.usage.check_at(&self.policy.limits))
            .min()
    }

    fn drive_failed(&mut self, now: Timestamp) {
        if self.failed_deadline().is_some_and(|deadline| now >= deadline) {
            self.look_and_sleep(self.policy.way_down(), None, now);
        }
    }

    fn wake(
        &mut self,
        unreachable: Option<u64>,
        insist: bool,
        client: Option<ClientHash>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        self.obey(now);
        if insist {
            self.trouble = None;
        }
        self.end_if_used_up(now);
        match &mut self.state {
            State::Running(up) if unreachable == Some(up.endpoint.generation) => {
                let endpoint = up.endpoint;
                self.begin_search(endpoint, now);
            }
            State::Running(up) => {
                let endpoint = up.endpoint;
                actions.push(Action::Release(Outcome::Ready { endpoint, cold_start: None }));
            }
            State::Starting(_) => self.call_off_the_stop(now, actions),
            State::Sleeping(sleep) => match self.usage.over(&self.policy.limits, insist, now) {
                Some(over) => self.refuse(over, now, actions),
                None if sleep.is_woken() => sleep.wake(now),
                None => match self.usage.wakes.count(client, &self.policy.limits, now) {
                    Err(over) => turn_away(over, actions),
                    Ok(()) => sleep.wake(now),
                },
            },
            State::Down(_) | State::Failed { .. } => match &self.trouble {
                Some(trouble) if now < trouble.failure.retry_at => {
                    actions.push(Action::Release(Outcome::Failed(trouble.failure.clone())));
                }
                _ => self.begin_start_within_limits(now, insist, client, now, actions),
            },
        }
    }

    /// Begins a start for a request that has waited since `began`, unless it would be one too many.
    fn begin_start_within_limits(
        &mut self,
        began: Timestamp,
        insist: bool,
        client: Option<ClientHash>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        match self.usage.over(&self.policy.limits, insist, now) {
            Some(over) => self.refuse(over, now, actions),
            None => match self.usage.wakes.count(client, &self.policy.limits, now) {
                Err(over) => turn_away(over, actions),
                Ok(()) => self.begin_start_for(began, now),
            },
        }
    }

    fn refuse(&mut self, over: OverLimit, now: Timestamp, actions: &mut Vec<Action>) {
        let failure = self.remember(FailureKind::OverLimit, over.reason, now);
        self.following.try_at = over.until;
        actions.push(Action::Release(Outcome::Failed(Failure { retry_at: over.until, ..failure })));
    }

    fn forget_what_was_under_way(&mut self, now: Timestamp) {
        self.forget_calls();
        if let State::Starting(start) = &mut self.state {
            start.forget(now);
        }
    }

    fn forget_calls(&mut self) {
        (self.in_flight, self.peeking) = (None, None);
    }

    /// Whether the instance is in a zone that it must not be in any more.
    fn is_out_of_place(&self) -> bool {
        !self.policy.zones.contains(&self.zone)
    }

    /// The instance is in such a zone.
    fn leave_zone(&mut self, now: Timestamp) {
        match &mut self.state {
            State::Starting(start) if start.is_mutating() => start.then = Some(Then::Move),
            State::Starting(start) => {
                let began = start.began();
                self.look_and_sleep(Mutation::Stop, Some(began), now);
            }
            State::Running(_) => self.begin_sleep(Mutation::Stop, now),
            State::Failed { may_run_since: Some(_), .. } => self.look_and_sleep(Mutation::Stop, None, now),
            State::Down(_) | State::Failed { may_run_since: None, .. } => self.settle(DownKind::Absent),
            // It is on its way down already.
            State::Sleeping(_) => {}
        }
    }

    /// Nothing is under way any more, and the VM is down.
    fn settle(&mut self, kind: DownKind) {
        let moved = self.is_out_of_place();
        if moved {
            self.zone = self.policy.first_zone();
        }
        self.state = State::Down(if moved { DownKind::Absent } else { kind });
    }

    /// Does what is due: calls, probes, and giving up.
    fn drive(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        self.usage.turn_the_month(now);
        self.follow(now, actions);
        // A start that is given up may have to go down at once.
        self.drive_start(now, actions);
        match &self.state {
            State::Running(_) => {
                self.drive_running(now, actions);
                self.look_while_running(now, actions);
            }
            State::Down(kind) if self.deep_sleep_at(*kind).is_some_and(|at| now >= at) => {
                self.begin_deep_sleep(now);
            }
            State::Failed { .. } => self.drive_failed(now),
            State::Down(_) | State::Starting(_) | State::Sleeping(_) => {}
        }
        self.drive_sleep(now, actions);
    }

    fn next_call(&mut self) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        self.in_flight = Some(call);
        call
    }

    fn next_peek(&mut self) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        self.peeking = Some(call);
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
        self.following.try_at = now + RETRY_INTERVAL;
        let failure = Failure { kind, message, retry_at };
        self.trouble = Some(Trouble { failure: failure.clone(), streak, silent: None });
        failure
    }

    fn keep_record(&mut self, record: ColdStartRecord) {
        self.cold_starts.insert(0, record);
        let mut kept = 0;
        self.cold_starts.retain(|older| {
            kept += usize::from(older.kind == record.kind);
            older.kind != record.kind || kept <= KEPT_COLD_STARTS
        });
    }
}

/// Refuses one client, who is alone: nobody waits for a VM that nobody has woken. It is no trouble of the VM's.
fn turn_away(over: OverLimit, actions: &mut Vec<Action>) {
    let failure = Failure { kind: FailureKind::OverLimit, message: over.reason, retry_at: over.until };
    actions.push(Action::Release(Outcome::Failed(failure)));
}

impl FailureKind {
    /// How long requests are refused after a failure before one may cause another try. A start that timed out
    /// has taken its time already.
    fn pause(self, streak: u32) -> Duration {
        match self {
            FailureKind::Refused => {
                backoff::doubled(Duration::from_secs(10), streak - 1, Duration::from_secs(60))
            }
            FailureKind::StartupTimeout
            | FailureKind::ServerDown
            | FailureKind::OverLimit
            | FailureKind::Interrupted
            | FailureKind::NotDown => Duration::ZERO,
        }
    }
}
