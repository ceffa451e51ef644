//! The data that all states share: the policy, the VM's history, the calls in progress, and the
//! actions of the present event.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::action::{Action, CallId, Outcome};
use super::down_kind::DownKind;
use super::failure::{Failure, FailureKind, LastFailure};
use super::keep_awake::{ScheduleState, RETRY_INTERVAL};
use super::limits::{ClientHash, OverLimit, Usage};
use super::policy::Policy;
use super::zone_search::ZoneSearch;
use crate::compute::{Call, Difference, RequestId, TakeDown};
use crate::time::Timestamp;
use crate::vm::{ColdStartRecord, Endpoint, ReadyToken, Seed};

/// The number of cold starts that are kept of each kind.
const KEPT_COLD_STARTS: usize = 10;

/// The data that all states share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Context {
    /// A random number, so that the request ids of two objects never collide.
    pub identity: u64,
    /// The number of request ids that have been used.
    request_ids: u64,
    /// The number of endpoints that have been found, which is the generation of the newest.
    generation: u64,
    /// Not stored: it follows from the configuration, which is stored with the lifecycle.
    #[serde(skip)]
    pub policy: Policy,
    /// The zone in which the instance is, or was last.
    pub zone: String,
    pub search: ZoneSearch,
    /// The time at which the VM entered its visible state.
    pub since: Timestamp,
    pub last_activity: Option<Timestamp>,
    /// The last failure, until it is resolved.
    pub last_failure: Option<LastFailure>,
    /// `true` if Compute Engine has refused to suspend the VM.
    pub cannot_suspend: bool,
    pub usage: Usage,
    pub schedule: ScheduleState,
    /// The differences between the instance and the configuration at the last look.
    pub drift: Vec<Difference>,
    /// Newest first.
    pub cold_starts: Vec<ColdStartRecord>,
    /// The token with which the VM reports that it is ready, for the present boot.
    pub ready_token: Option<ReadyToken>,
    /// The seed from which tokens are derived. Each load of the object has its own.
    #[serde(skip)]
    pub seed: Option<Seed>,
    /// The call that the state waits for. After a load there is none.
    #[serde(skip)]
    pub in_flight: Option<CallId>,
    /// The look at the instance that is in progress concurrently with that call.
    #[serde(skip)]
    pub looking: Option<CallId>,
    #[serde(skip)]
    calls: u64,
    /// The time of the present event.
    #[serde(skip)]
    pub now: Timestamp,
    /// The actions to carry out, in this order.
    #[serde(skip)]
    pub actions: Vec<Action>,
}

/// The call that has ended, of those that may be in progress.
pub(super) enum EndedCall {
    /// The call that the state waits for.
    State,
    /// The look that is made concurrently.
    Look,
}

impl Context {
    pub fn new(identity: u64, policy: Policy, search: ZoneSearch, now: Timestamp) -> Self {
        Self {
            identity,
            request_ids: 0,
            generation: 0,
            zone: policy.first_zone(),
            search,
            policy,
            since: now,
            last_activity: None,
            last_failure: None,
            cannot_suspend: false,
            usage: Usage::default(),
            schedule: ScheduleState::default(),
            drift: Vec::new(),
            cold_starts: Vec::new(),
            ready_token: None,
            seed: None,
            in_flight: None,
            looking: None,
            calls: 0,
            now,
            actions: Vec::new(),
        }
    }

    /// Makes a call that the state waits for.
    pub fn call(&mut self, call: Call) {
        let id = self.next_call();
        self.in_flight = Some(id);
        self.actions.push(Action::Call(id, call));
    }

    /// Looks at the instance, concurrently with the call that the state waits for.
    pub fn look(&mut self) {
        let id = self.next_call();
        self.looking = Some(id);
        self.actions.push(Action::Call(id, Call::Get));
    }

    fn next_call(&mut self) -> CallId {
        self.calls += 1;
        CallId(self.calls)
    }

    /// Takes a call that has ended. `None` means that the lifecycle no longer waits for it, so its
    /// response is ignored.
    pub fn end_call(&mut self, call: CallId) -> Option<EndedCall> {
        if self.looking.take_if(|looking| *looking == call).is_some() {
            return Some(EndedCall::Look);
        }
        self.in_flight.take_if(|in_flight| *in_flight == call).map(|_| EndedCall::State)
    }

    pub fn forget_calls(&mut self) {
        (self.in_flight, self.looking) = (None, None);
    }

    pub fn next_request_id(&mut self) -> RequestId {
        self.request_ids += 1;
        RequestId::derive(self.identity, self.request_ids)
    }

    pub fn next_endpoint(&mut self, ip: IpAddr) -> Endpoint {
        self.generation += 1;
        Endpoint { ip, port: self.policy.port, generation: self.generation }
    }

    /// Replaces the token of an earlier boot, because the VM is about to boot. Returns whether
    /// there is a new token.
    pub fn renew_ready_token(&mut self) -> bool {
        self.ready_token = None;
        if let (true, Some(seed)) = (self.policy.ready_push, &self.seed) {
            self.request_ids += 1;
            self.ready_token = Some(ReadyToken::derive(seed, self.request_ids));
        }
        self.ready_token.is_some()
    }

    /// Returns whether the instance's zone is no longer configured.
    pub fn is_in_removed_zone(&self) -> bool {
        !self.policy.zones.contains(&self.zone)
    }

    /// Moves to the next zone of the zone search. `exists` is whether the present zone has an
    /// instance. Returns whether there is a next zone.
    pub fn next_zone_to_search(&mut self, exists: bool) -> bool {
        let next = self.search.next_zone(&self.zone, exists);
        let has_next = next.is_some();
        self.zone = next.unwrap_or_else(|| std::mem::take(&mut self.zone));
        has_next
    }

    /// Returns the kind of down of a VM in which nothing is in progress. If its zone is no longer
    /// configured, the VM moves to the first configured zone, where it is absent.
    pub fn settle_down(&mut self, kind: DownKind) -> DownKind {
        if !self.is_in_removed_zone() {
            return kind;
        }
        self.zone = self.policy.first_zone();
        DownKind::Absent
    }

    /// Returns whether the VM has used up its hours of this month.
    pub fn is_exhausted(&self) -> bool {
        self.usage.is_exhausted(&self.policy.limits, self.now)
    }

    /// Admits a start for a request, or refuses the request during the pause after a failure, or if
    /// the start would exceed a limit. Returns whether it is admitted.
    pub fn admit_request(&mut self, force: bool, client: Option<ClientHash>) -> bool {
        match &self.last_failure {
            Some(last) if self.now < last.failure.retry_at => {
                let failure = last.failure.clone();
                self.release_failed(failure);
                false
            }
            _ => self.admit_start(force, client),
        }
    }

    /// Admits a start, or refuses the requests that wait for it if it would exceed a limit. Returns
    /// whether it is admitted.
    pub fn admit_start(&mut self, force: bool, client: Option<ClientHash>) -> bool {
        match self.usage.over(&self.policy.limits, force, self.now) {
            Some(over) => {
                self.refuse(over);
                false
            }
            None => self.admit_client(client),
        }
    }

    /// Counts a client's wake, or refuses the client if it exceeds the wake rate. Returns whether
    /// it is admitted.
    pub fn admit_client(&mut self, client: Option<ClientHash>) -> bool {
        let counted = self.usage.wakes.count(client, &self.policy.limits, self.now);
        if let Err(over) = counted {
            // Only this request is released: no other waits for a VM that has not been woken. It is
            // not a failure of the VM, so it is not remembered.
            let kind = FailureKind::OverLimit;
            self.release_failed(Failure { kind, message: over.reason, retry_at: over.until });
            return false;
        }
        true
    }

    /// Refuses the requests that wait for a start that would exceed a limit.
    pub fn refuse(&mut self, over: OverLimit) {
        let failure = self.remember(FailureKind::OverLimit, over.reason);
        self.schedule.try_at = over.until;
        self.release_failed(Failure { retry_at: over.until, ..failure });
    }

    /// Refuses the requests that wait for the VM, because the operator takes it down.
    pub fn interrupt(&mut self, take_down: TakeDown) {
        let message = format!("interrupted: the operator requested {}", take_down.verb());
        let failure = self.remember(FailureKind::Interrupted, message);
        self.release_failed(failure);
    }

    pub fn release_failed(&mut self, failure: Failure) {
        self.actions.push(Action::Release(Outcome::Failed(failure)));
    }

    /// Remembers a failure. The pause before the next try grows with each consecutive failure.
    pub fn remember(&mut self, kind: FailureKind, message: String) -> Failure {
        let streak = self.last_failure.as_ref().map_or(0, |last| last.streak) + 1;
        let retry_at = self.now + kind.pause(streak);
        self.schedule.try_at = self.now + RETRY_INTERVAL;
        let failure = Failure { kind, message, retry_at };
        self.last_failure = Some(LastFailure { failure: failure.clone(), streak, silent: None });
        failure
    }

    pub fn keep_record(&mut self, record: ColdStartRecord) {
        self.cold_starts.insert(0, record);
        let mut kept = 0;
        self.cold_starts.retain(|older| {
            kept += usize::from(older.kind == record.kind);
            older.kind != record.kind || kept <= KEPT_COLD_STARTS
        });
    }

    /// Returns the time at which the schedule starts a VM that is down or whose start has failed.
    pub fn scheduled_start_at(&self) -> Option<Timestamp> {
        let until = self.schedule.awake_until()?;
        let refused_until =
            self.last_failure.as_ref().map_or(Timestamp::default(), |last| last.failure.retry_at);
        Some(self.schedule.try_at.max(refused_until)).filter(|at| *at < until)
    }
}
