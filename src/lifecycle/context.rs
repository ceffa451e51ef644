//! What the states share: the policy, what is remembered of the VM, what is under way, and the actions of the event
//! that is handled.

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

/// How many cold starts of a kind are remembered.
const KEPT_COLD_STARTS: usize = 10;

/// What the states share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Context {
    /// Random, and so the request ids of two objects never meet.
    pub identity: u64,
    /// How many request ids have been used.
    request_ids: u64,
    /// How many endpoints have been found: the generation of the newest.
    generation: u64,
    /// Not stored: it follows from the configuration, which is stored beside this.
    #[serde(skip)]
    pub policy: Policy,
    /// Where the instance is, or was last.
    pub zone: String,
    pub search: ZoneSearch,
    /// When the VM came into what it now shows.
    pub since: Timestamp,
    pub last_activity: Option<Timestamp>,
    /// What went wrong last, until that is over.
    pub last_failure: Option<LastFailure>,
    /// Whether Compute Engine has refused to suspend the VM.
    pub cannot_suspend: bool,
    pub usage: Usage,
    pub schedule: ScheduleState,
    /// In what the instance differed from the configuration when it was last looked at.
    pub drift: Vec<Difference>,
    /// Newest first.
    pub cold_starts: Vec<ColdStartRecord>,
    /// By which the VM of the present boot may report that it is ready.
    pub ready_token: Option<ReadyToken>,
    /// What tokens are made of; each life of the object has its own.
    #[serde(skip)]
    pub seed: Option<Seed>,
    /// The call that the state waits for. A lost object has none.
    #[serde(skip)]
    pub in_flight: Option<CallId>,
    /// The look at the instance that is under way beside it.
    #[serde(skip)]
    pub looking: Option<CallId>,
    #[serde(skip)]
    calls: u64,
    /// When the event happened that is handled.
    #[serde(skip)]
    pub now: Timestamp,
    /// What has to be done, in this order.
    #[serde(skip)]
    pub actions: Vec<Action>,
}

/// Which of the calls under way has ended.
pub(super) enum Ended {
    /// The one that the state waits for.
    Call,
    /// The look beside it.
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

    /// Makes the call that the state waits for.
    pub fn call(&mut self, call: Call) {
        let id = self.next_call();
        self.in_flight = Some(id);
        self.actions.push(Action::Call(id, call));
    }

    /// Looks at the instance, beside that call.
    pub fn look(&mut self) {
        let id = self.next_call();
        self.looking = Some(id);
        self.actions.push(Action::Call(id, Call::Get));
    }

    fn next_call(&mut self) -> CallId {
        self.calls += 1;
        CallId(self.calls)
    }

    /// A call has ended. `None` means that it was given up before: its response is of no more use.
    pub fn end_call(&mut self, call: CallId) -> Option<Ended> {
        if self.looking.take_if(|looking| *looking == call).is_some() {
            return Some(Ended::Look);
        }
        self.in_flight.take_if(|in_flight| *in_flight == call).map(|_| Ended::Call)
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

    /// The VM is about to boot: the token of an earlier boot is not good any more. Returns whether there is a new one.
    pub fn renew_ready_token(&mut self) -> bool {
        self.ready_token = None;
        if let (true, Some(seed)) = (self.policy.ready_push, &self.seed) {
            self.request_ids += 1;
            self.ready_token = Some(ReadyToken::derive(seed, self.request_ids));
        }
        self.ready_token.is_some()
    }

    /// Whether the instance is in a zone that it must not be in any more.
    pub fn is_in_removed_zone(&self) -> bool {
        !self.policy.zones.contains(&self.zone)
    }

    /// Goes on to the next zone that is to be looked into. Returns whether there is one.
    pub fn next_zone_to_search(&mut self, is_there: bool) -> bool {
        let next = self.search.next_zone(&self.zone, is_there);
        let goes_on = next.is_some();
        self.zone = next.unwrap_or_else(|| std::mem::take(&mut self.zone));
        goes_on
    }

    /// Nothing is under way any more, and the VM is down: in which way, seen from the zone that it is to be in.
    pub fn settle_down(&mut self, kind: DownKind) -> DownKind {
        if !self.is_in_removed_zone() {
            return kind;
        }
        self.zone = self.policy.first_zone();
        DownKind::Absent
    }

    /// Whether the VM has run this month for as long as it may.
    pub fn is_exhausted(&self) -> bool {
        self.usage.is_exhausted(&self.policy.limits, self.now)
    }

    /// Admits a start for a request, or refuses the request: the last failure is not over yet, or it would be one start
    /// too many. Returns whether it is admitted.
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

    /// Admits a start, or refuses the request that wants it: it would be one too many. Returns whether it is admitted.
    pub fn admit_start(&mut self, force: bool, client: Option<ClientHash>) -> bool {
        match self.usage.over(&self.policy.limits, force, self.now) {
            Some(over) => {
                self.refuse(over);
                false
            }
            None => self.admit_client(client),
        }
    }

    /// Counts a client's wake, or refuses the client. Returns whether it is admitted.
    pub fn admit_client(&mut self, client: Option<ClientHash>) -> bool {
        let counted = self.usage.wakes.count(client, &self.policy.limits, self.now);
        if let Err(over) = counted {
            // It is alone: nobody waits for a VM that nobody has woken. It is no failure of the VM's.
            let kind = FailureKind::OverLimit;
            self.release_failed(Failure { kind, message: over.reason, retry_at: over.until });
            return false;
        }
        true
    }

    /// Refuses whoever waits for a start that would be one too many.
    pub fn refuse(&mut self, over: OverLimit) {
        let failure = self.remember(FailureKind::OverLimit, over.reason);
        self.schedule.try_at = over.until;
        self.release_failed(Failure { retry_at: over.until, ..failure });
    }

    /// Sends the requests away that wait for the VM, since the operator wants it down.
    pub fn interrupt(&mut self, take_down: TakeDown) {
        let message = format!("interrupted: the operator asked for {}", take_down.verb());
        let failure = self.remember(FailureKind::Interrupted, message);
        self.release_failed(failure);
    }

    pub fn release_failed(&mut self, failure: Failure) {
        self.actions.push(Action::Release(Outcome::Failed(failure)));
    }

    /// Remembers a failure, with a pause that grows while one follows another.
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

    /// When the schedule starts a VM that is down or whose start has failed.
    pub fn scheduled_start_at(&self) -> Option<Timestamp> {
        let until = self.schedule.awake_until()?;
        let refused_until =
            self.last_failure.as_ref().map_or(Timestamp::default(), |last| last.failure.retry_at);
        Some(self.schedule.try_at.max(refused_until)).filter(|at| *at < until)
    }
}
