//! What calls and probes say on the way up, and what follows from it.

use std::net::IpAddr;
use std::time::Duration;

use super::probing::Probing;
use super::{
    kind_of, Early, Step, LOOK_INTERVAL, LOOK_WHILE_PROBING, MOST_MUTATIONS, PEEK_AFTER, SERVER_GRACE,
};
use crate::compute::{Answer, CallError, Change, InstanceView, Mutation, OperationView, Settled, Verdict};
use crate::lifecycle::backoff::Attempt;
use crate::lifecycle::event::{Action, FailureKind, Outcome, ProbeResult};
use crate::lifecycle::running::Up;
use crate::lifecycle::state::State;
use crate::lifecycle::Lifecycle;
use crate::time::Timestamp;
use crate::vm::Endpoint;

/// The longest pause between two tries of a call that a request waits for.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

impl Lifecycle {
    pub(in crate::lifecycle) fn start_answered(
        &mut self,
        result: Result<Answer, CallError>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let State::Starting(start) = &mut self.state else { return };
        match result {
            Ok(answer) => {
                start.last_error = None;
                match answer {
                    Answer::Instance(instance) => self.looked(&instance, now, actions),
                    Answer::Operation(operation) => self.operated(operation, now, actions),
                }
            }
            Err(error) => self.start_call_failed(error, now, actions),
        }
    }

    /// The instance was looked at while its operation was under way.
    pub(in crate::lifecycle) fn peeked(
        &mut self,
        result: Result<Answer, CallError>,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let address = match result {
            Ok(Answer::Instance(instance)) => instance.ip,
            Ok(Answer::Operation(_)) | Err(_) => None,
        };
        let found = address.map(|ip| Early::Probe(Probing::new(self.next_endpoint(ip), now)));
        let State::Starting(start) = &mut self.state else { return };
        if let Step::Wait { early, .. } = &mut start.step {
            *early = found.unwrap_or(Early::Nothing);
        }
        self.serves_if_it_has_said_so(now, actions);
    }

    pub(in crate::lifecycle) fn probed(
        &mut self,
        generation: u64,
        result: ProbeResult,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let State::Starting(start) = &mut self.state else { return };
        let Some(probing) = start.probing_mut().filter(|p| p.endpoint.generation == generation) else {
            return;
        };
        probing.ended();
        let endpoint = probing.endpoint;
        match result {
            ProbeResult::Unreachable => {}
            ProbeResult::Unhealthy => {
                start.listens_since.get_or_insert(now);
            }
            ProbeResult::Healthy => self.serves(endpoint, now, actions),
        }
    }

    /// The VM serves: its health path has answered 2xx, or it has said so itself.
    pub(in crate::lifecycle) fn serves(
        &mut self,
        endpoint: Endpoint,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let State::Starting(start) = &self.state else { return };
        // It is to go down as soon as its operation has ended.
        if start.then.is_some() {
            return;
        }
        if self.usage.is_used_up(&self.policy.limits, now) {
            let message = "its hours were used up before it was ready (max_hours_per_month)".to_owned();
            return self.fail(FailureKind::OverLimit, message, now, actions);
        }
        let record = start.record(now);
        self.keep_record(record);
        self.trouble = None;
        self.usage.is_up(now);
        // The requests that are answered now are activity.
        self.last_activity = Some(now);
        self.forget_calls();
        self.state = State::Running(Up::new(endpoint));
        actions.push(Action::Release(Outcome::Ready { endpoint, cold_start: Some(record) }));
    }

    /// The VM has been found, and may have said before that it is ready.
    fn serves_if_it_has_said_so(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let State::Starting(start) = &self.state else { return };
        if let Some(endpoint) = start.endpoint().filter(|_| start.has_said_ready(now)) {
            self.serves(endpoint, now, actions);
        }
    }

    fn looked(&mut self, instance: &InstanceView, now: Timestamp, actions: &mut Vec<Action>) {
        self.drift.clone_from(&instance.drift);
        let State::Starting(start) = &mut self.state else { return };
        start.may_run = true;
        let settled = instance.status.settled();
        if let Some(Settled::Stopped | Settled::Suspended) = settled {
            self.is_known_to_be_down(now);
            if self.goes_on_searching(true) {
                return self.look_here(now);
            }
        }
        match settled {
            Some(Settled::Stopped) => {
                let changes = self.changes_before_the_boot(instance);
                if changes.is_empty() {
                    self.mutate(Mutation::Start, now, actions);
                } else {
                    self.adapt(changes, now);
                }
            }
            Some(Settled::Suspended) => self.mutate(Mutation::Resume, now, actions),
            Some(Settled::Running) => match instance.ip {
                Some(ip) => {
                    self.runs_at(ip, now);
                    self.serves_if_it_has_said_so(now, actions);
                }
                None => {
                    let message = self.policy.address.is_missing().to_owned();
                    self.fail(FailureKind::Refused, message, now, actions);
                }
            },
            // On its way up or down, by somebody else's doing: wait for the end of it.
            None => self.look_later(now),
        }
    }

    /// What is to be changed of a stopped instance before it is started.
    fn changes_before_the_boot(&mut self, instance: &InstanceView) -> Vec<Change> {
        let drift = self.drift.iter().filter(|_| self.policy.applies_drift);
        let mut changes: Vec<Change> = drift.map(|difference| difference.change.clone()).collect();
        // Metadata that is brought in line has the token by the way.
        let has_it = changes.iter().any(|change| matches!(change, Change::Metadata { .. }));
        if self.renew_ready_token() && !has_it {
            changes.extend(instance.ready.clone());
        }
        changes
    }

    /// Looks into the zone that the search has come to.
    fn look_here(&mut self, now: Timestamp) {
        if self.is_out_of_place() {
            self.leave_zone(now);
        } else if let State::Starting(start) = &mut self.state {
            // It is not up where it was looked for, but may be here.
            start.may_run = true;
            start.look(now);
        }
    }

    fn is_known_to_be_down(&mut self, now: Timestamp) {
        self.usage.is_down(now);
        self.ready_token = None;
        if let State::Starting(start) = &mut self.state {
            start.may_run = false;
        }
    }

    fn runs_at(&mut self, ip: IpAddr, now: Timestamp) {
        self.has_found_it();
        self.usage.is_up(now);
        let look = Attempt::new(now + LOOK_WHILE_PROBING);
        let State::Starting(start) = &mut self.state else { return };
        if let Step::Probe { probing, look: next_look } = &mut start.step {
            if probing.endpoint.ip == ip {
                *next_look = look;
                return;
            }
        }
        start.runs_since.get_or_insert(now);
        if start.silent == Some(ip) && start.mutations == 0 {
            // It runs where it ran, so it is not its boot that takes time.
            start.gives_up_at = start.gives_up_at.min(now + SERVER_GRACE);
        } else {
            start.silent = None;
        }
        let probing = Probing::new(self.next_endpoint(ip), now);
        let State::Starting(start) = &mut self.state else { return };
        start.step = Step::Probe { probing, look };
    }

    /// Brings the settings of a stopped instance in line: what can be changed at all can be changed then.
    fn adapt(&mut self, changes: Vec<Change>, now: Timestamp) {
        let request_id = self.next_request_id();
        let State::Starting(start) = &mut self.state else { return };
        start.step = Step::Adapt { changes, request_id, operation: None, attempt: Attempt::new(now) };
    }

    fn mutate(&mut self, mutation: Mutation, now: Timestamp, actions: &mut Vec<Action>) {
        let State::Starting(start) = &mut self.state else { return };
        if start.mutations == MOST_MUTATIONS {
            let verb = mutation.verb();
            let message =
                format!("the instance does not stay up: {MOST_MUTATIONS} tries, and {verb} is due again");
            return self.fail(FailureKind::Refused, message, now, actions);
        }
        start.mutations += 1;
        self.usage.count_start(now);
        self.ask_for(mutation, now);
    }

    fn ask_for(&mut self, mutation: Mutation, now: Timestamp) {
        let request_id = self.next_request_id();
        match mutation {
            // It has one from its settings, if at all.
            Mutation::Start => {}
            Mutation::Insert | Mutation::InsertStandard => {
                self.renew_ready_token();
            }
            // Nothing boots that could read another.
            _ => self.ready_token = None,
        }
        let State::Starting(start) = &mut self.state else { return };
        start.may_run = true;
        start.kind = kind_of(mutation);
        start.said_ready_at = None;
        start.step = Step::Mutate { mutation, request_id, attempt: Attempt::new(now) };
    }

    fn operated(&mut self, operation: OperationView, now: Timestamp, actions: &mut Vec<Action>) {
        let State::Starting(start) = &mut self.state else { return };
        let (mutation, early) = match &start.step {
            Step::Mutate { mutation, .. } => {
                let pause = if start.has_said_ready(now) { Duration::ZERO } else { PEEK_AFTER };
                (*mutation, Early::Peek(now + pause))
            }
            Step::Wait { mutation, early, .. } => (*mutation, early.clone()),
            Step::Adapt { .. } => return self.adapted(operation, now, actions),
            Step::Look(_) | Step::Probe { .. } => return,
        };
        match operation.outcome {
            None => {
                let attempt = Attempt::new(now);
                start.step = Step::Wait { mutation, operation: operation.name, attempt, early };
                self.usage.is_up(now);
            }
            Some(Ok(())) => {
                start.runs_since = Some(now);
                start.step = match early {
                    Early::Probe(probing) => {
                        Step::Probe { probing, look: Attempt::new(now + LOOK_WHILE_PROBING) }
                    }
                    Early::Peek(_) | Early::Nothing => Step::Look(Attempt::new(now)),
                };
                self.peeking = None;
                self.then(true, now);
            }
            Some(Err(error)) => self.mutation_failed(mutation, CallError::Api(error), true, now, actions),
        }
    }

    fn adapted(&mut self, operation: OperationView, now: Timestamp, actions: &mut Vec<Action>) {
        let State::Starting(start) = &mut self.state else { return };
        let Step::Adapt { changes, operation: waited_for, attempt, .. } = &mut start.step else { return };
        match operation.outcome {
            None => {
                *waited_for = Some(operation.name);
                *attempt = Attempt::new(now);
            }
            Some(Ok(())) => {
                let rest: Vec<Change> = changes.drain(..).skip(1).collect();
                if start.then.is_some() {
                    self.then(true, now);
                } else if rest.is_empty() {
                    if self.policy.applies_drift {
                        self.drift.clear();
                    }
                    self.mutate(Mutation::Start, now, actions);
                } else {
                    self.adapt(rest, now);
                }
            }
            Some(Err(error)) => self.adapting_failed(&CallError::Api(error), now, actions),
        }
    }

    fn start_call_failed(&mut self, error: CallError, now: Timestamp, actions: &mut Vec<Action>) {
        let seed = self.identity;
        let State::Starting(start) = &mut self.state else { return };
        match (&mut start.step, error.verdict()) {
            (Step::Look(_) | Step::Probe { .. }, _) if error.is_not_found() => {
                self.is_known_to_be_down(now);
                if self.goes_on_searching(false) {
                    return self.look_here(now);
                }
                self.zone = self.policy.first_zone();
                self.mutate(Mutation::Insert, now, actions);
            }
            // The probes go on, whatever the API has.
            (Step::Probe { look, .. }, _) => *look = Attempt::new(now + LOOK_WHILE_PROBING),
            (
                Step::Look(attempt)
                | Step::Adapt { attempt, .. }
                | Step::Mutate { attempt, .. }
                | Step::Wait { attempt, .. },
                Verdict::Retry,
            ) => {
                *attempt = attempt.again(now, LONGEST_PAUSE, seed);
                start.last_error = Some(error.to_string());
            }
            (Step::Mutate { mutation, .. } | Step::Wait { mutation, .. }, _) => {
                let mutation = *mutation;
                self.mutation_failed(mutation, error, false, now, actions);
            }
            (Step::Adapt { .. }, _) => self.adapting_failed(&error, now, actions),
            (Step::Look(_), Verdict::LookAgain) => self.look_later(now),
            (Step::Look(_), Verdict::NextZone | Verdict::GiveUp) => {
                self.fail(FailureKind::Refused, error.to_string(), now, actions);
            }
        }
    }

    /// A change failed for good: the call that asks or waits for it, or its operation, which has `ended`.
    fn mutation_failed(
        &mut self,
        mutation: Mutation,
        error: CallError,
        ended: bool,
        now: Timestamp,
        actions: &mut Vec<Action>,
    ) {
        let State::Starting(start) = &self.state else { return };
        let wanted = start.then.is_none();
        let no_room = error.verdict() == Verdict::NextZone;
        if mutation.is_insert() && (no_room || ended && error.verdict() != Verdict::LookAgain) {
            // Nothing has come of it. After any other error, an earlier try of the call may have had its effect.
            self.is_known_to_be_down(now);
        }
        match error.verdict() {
            // What is missing then is not the instance, but something that it is made of.
            Verdict::LookAgain if mutation.is_insert() && error.is_not_found() => {
                self.fail(FailureKind::Refused, error.to_string(), now, actions);
            }
            Verdict::Retry | Verdict::LookAgain => self.look_again(&error, now),
            Verdict::NextZone if mutation.is_insert() && wanted => {
                if let Some(zone) = self.policy.zone_after(&self.zone) {
                    self.zone = zone;
                    self.ask_for(mutation, now);
                } else if mutation == Mutation::Insert && self.policy.spot_fallback {
                    self.zone = self.policy.first_zone();
                    self.ask_for(Mutation::InsertStandard, now);
                } else {
                    self.fail(FailureKind::Refused, error.to_string(), now, actions);
                }
            }
            Verdict::NextZone | Verdict::GiveUp => {
                self.fail(FailureKind::Refused, error.to_string(), now, actions);
            }
        }
    }

    fn adapting_failed(&mut self, error: &CallError, now: Timestamp, actions: &mut Vec<Action>) {
        let State::Starting(start) = &self.state else { return };
        // Whether the API has refused nothing but to tell the VM how it may say that it is ready.
        let is_ready_alone = matches!(error, CallError::Api(_))
            && matches!(&start.step, Step::Adapt { changes, operation: None, .. }
                if matches!(**changes, [Change::Ready { .. }]));
        match error.verdict() {
            Verdict::Retry | Verdict::LookAgain => self.look_again(error, now),
            // The probes find out without it that the VM is ready. The log tells of each call that is refused.
            _ if is_ready_alone && start.then.is_none() => self.mutate(Mutation::Start, now, actions),
            Verdict::NextZone | Verdict::GiveUp => {
                let message =
                    format!("the instance cannot be brought in line with the configuration: {error}");
                self.fail(FailureKind::Refused, message, now, actions);
            }
        }
    }

    /// A change has failed in a way that leaves open what is there.
    fn look_again(&mut self, error: &CallError, now: Timestamp) {
        if let State::Starting(start) = &mut self.state {
            start.last_error = Some(error.to_string());
        }
        self.look_later(now);
        self.then(false, now);
    }

    fn look_later(&mut self, now: Timestamp) {
        self.peeking = None;
        if let State::Starting(start) = &mut self.state {
            start.look(now + LOOK_INTERVAL);
        }
    }

    fn next_endpoint(&mut self, ip: IpAddr) -> Endpoint {
        self.generation += 1;
        Endpoint { ip, port: self.policy.port, generation: self.generation }
    }
}
