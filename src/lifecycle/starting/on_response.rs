//! The reactions to the responses of a start's calls.

use std::net::IpAddr;
use std::time::Duration;

use super::probing::Probing;
use super::{EarlyAddress, Starting, Step};
use crate::compute::{
    BringUp, CallError, InstanceView, OperationView, Response, StableStatus, Update, Verdict,
};
use crate::lifecycle::backoff::Attempt;
use crate::lifecycle::context::Context;
use crate::lifecycle::failure::FailureKind;
use crate::lifecycle::next::Next;
use crate::time::Timestamp;

/// The maximum pause between two tries of a call that a request waits for.
const MAX_PAUSE: Duration = Duration::from_secs(8);

/// The interval between looks at an instance in transition.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The time after a change was requested at which the instance is looked at, although the operation
/// is not done: the address is often assigned that early, and probing can begin. There is only one
/// such look, because each is a call.
const EARLY_LOOK_AFTER: Duration = Duration::from_secs(3);

/// The interval between looks at an instance whose server does not respond: it may have been
/// preempted, or have powered itself off, while it was booting. The interval is long because each
/// look is a call.
const LOOK_WHILE_PROBING: Duration = Duration::from_secs(30);

/// The time limit for a server to respond on a running instance that had served before.
const SERVER_GRACE: Duration = Duration::from_secs(15);

/// The maximum number of changes that one start requests. More than one is needed if the instance
/// is preempted, or if another client stops or deletes it meanwhile.
const MAX_CHANGES: u8 = 3;

impl Starting {
    pub fn on_response(
        &mut self,
        result: Result<Response, CallError>,
        token_took: Duration,
        cx: &mut Context,
    ) -> Next {
        self.token_took += token_took;
        let response = match result {
            Ok(response) => response,
            Err(error) => return self.on_error(error, cx),
        };
        self.last_error = None;
        match response {
            Response::Instance(instance) => self.on_instance(&instance, cx),
            Response::Operation(operation) => self.on_operation(operation, cx),
        }
    }

    /// Handles the result of the look while the operation is in progress.
    pub fn on_early_look(&mut self, result: Result<Response, CallError>, cx: &mut Context) -> Next {
        let address = match result {
            Ok(Response::Instance(instance)) => instance.ip,
            Ok(Response::Operation(_)) | Err(_) => None,
        };
        let found = address.map(|ip| EarlyAddress::Probe(Probing::new(cx.next_endpoint(ip), cx.now)));
        if let Step::Wait { early, .. } = &mut self.step {
            *early = found.unwrap_or(EarlyAddress::None);
        }
        self.on_address_found(cx)
    }

    fn on_instance(&mut self, instance: &InstanceView, cx: &mut Context) -> Next {
        cx.drift.clone_from(&instance.drift);
        self.may_run = true;
        let status = instance.status.stable();
        if let Some(StableStatus::Stopped | StableStatus::Suspended) = status {
            self.record_down(cx);
            if cx.next_zone_to_search(true) {
                return self.look_in_zone(cx);
            }
        }
        match status {
            Some(StableStatus::Stopped) => {
                let updates = self.updates_before_boot(instance, cx);
                if updates.is_empty() {
                    self.bring_up(BringUp::Start, cx)
                } else {
                    self.update(updates, cx)
                }
            }
            Some(StableStatus::Suspended) => self.bring_up(BringUp::Resume, cx),
            Some(StableStatus::Running) => match instance.ip {
                Some(ip) => {
                    self.on_running(ip, cx);
                    self.on_address_found(cx)
                }
                None => {
                    let message = cx.policy.address.missing_message().to_owned();
                    self.fail(FailureKind::Refused, message, cx)
                }
            },
            // Another client's change is in progress: wait until it has ended.
            None => self.look_later(cx),
        }
    }

    /// Handles a newly found address: the VM may already have reported that it is ready.
    fn on_address_found(&mut self, cx: &mut Context) -> Next {
        match self.endpoint().filter(|_| self.is_ready_pushed(cx.now)) {
            Some(endpoint) => self.on_ready(endpoint, cx),
            None => Next::Stay,
        }
    }

    fn on_running(&mut self, ip: IpAddr, cx: &mut Context) {
        cx.search.end();
        cx.usage.start_metering(cx.now);
        let look = Attempt::new(cx.now + LOOK_WHILE_PROBING);
        if let Step::Probe { probing, look: next_look } = &mut self.step {
            if probing.endpoint.ip == ip {
                *next_look = look;
                return;
            }
        }
        self.runs_since.get_or_insert(cx.now);
        if self.silent == Some(ip) && self.changes == 0 {
            // The VM runs at the same address as before, so it is not booting.
            self.gives_up_at = self.gives_up_at.min(cx.now + SERVER_GRACE);
        } else {
            self.silent = None;
        }
        self.step = Step::Probe { probing: Probing::new(cx.next_endpoint(ip), cx.now), look };
    }

    fn on_operation(&mut self, operation: OperationView, cx: &mut Context) -> Next {
        let (bring_up, early) = match &self.step {
            Step::Change { bring_up, .. } => {
                let pause = if self.is_ready_pushed(cx.now) { Duration::ZERO } else { EARLY_LOOK_AFTER };
                (*bring_up, EarlyAddress::Look(cx.now + pause))
            }
            Step::Wait { bring_up, early, .. } => (*bring_up, early.clone()),
            Step::Update { .. } => return self.on_update(operation, cx),
            Step::Look(_) | Step::Probe { .. } => return Next::Stay,
        };
        match operation.outcome {
            None => {
                let attempt = Attempt::new(cx.now);
                self.step = Step::Wait { bring_up, operation: operation.name, attempt, early };
                cx.usage.start_metering(cx.now);
                Next::Stay
            }
            Some(Ok(())) => {
                self.runs_since = Some(cx.now);
                self.step = match early {
                    EarlyAddress::Probe(probing) => {
                        Step::Probe { probing, look: Attempt::new(cx.now + LOOK_WHILE_PROBING) }
                    }
                    EarlyAddress::Look(_) | EarlyAddress::None => Step::Look(Attempt::new(cx.now)),
                };
                cx.looking = None;
                self.stop_after(true).unwrap_or(Next::Stay)
            }
            Some(Err(error)) => self.on_change_failed(bring_up, CallError::Api(error), true, cx),
        }
    }

    /// Handles the operation of an update.
    fn on_update(&mut self, operation: OperationView, cx: &mut Context) -> Next {
        let Step::Update { updates, operation: waited_for, attempt, .. } = &mut self.step else {
            return Next::Stay;
        };
        match operation.outcome {
            None => {
                *waited_for = Some(operation.name);
                *attempt = Attempt::new(cx.now);
                Next::Stay
            }
            Some(Ok(())) => {
                let rest: Vec<Update> = updates.drain(..).skip(1).collect();
                if let Some(stop) = self.stop_after(true) {
                    return stop;
                }
                if !rest.is_empty() {
                    return self.update(rest, cx);
                }
                if cx.policy.applies_drift {
                    cx.drift.clear();
                }
                self.bring_up(BringUp::Start, cx)
            }
            Some(Err(error)) => self.on_update_failed(&CallError::Api(error), cx),
        }
    }

    fn on_error(&mut self, error: CallError, cx: &mut Context) -> Next {
        match (&mut self.step, error.verdict()) {
            (Step::Look(_) | Step::Probe { .. }, _) if error.is_not_found() => {
                self.record_down(cx);
                if cx.next_zone_to_search(false) {
                    return self.look_in_zone(cx);
                }
                cx.zone = cx.policy.first_zone();
                self.bring_up(BringUp::Insert, cx)
            }
            // Probing continues, whatever the API's error is.
            (Step::Probe { look, .. }, _) => {
                *look = Attempt::new(cx.now + LOOK_WHILE_PROBING);
                Next::Stay
            }
            (
                Step::Look(attempt)
                | Step::Update { attempt, .. }
                | Step::Change { attempt, .. }
                | Step::Wait { attempt, .. },
                Verdict::Retry,
            ) => {
                *attempt = attempt.again(cx.now, MAX_PAUSE, cx.identity);
                self.last_error = Some(error.to_string());
                Next::Stay
            }
            (Step::Change { bring_up, .. } | Step::Wait { bring_up, .. }, _) => {
                let bring_up = *bring_up;
                self.on_change_failed(bring_up, error, false, cx)
            }
            (Step::Update { .. }, _) => self.on_update_failed(&error, cx),
            (Step::Look(_), Verdict::LookAgain) => self.look_later(cx),
            (Step::Look(_), Verdict::NextZone | Verdict::GiveUp) => {
                self.fail(FailureKind::Refused, error.to_string(), cx)
            }
        }
    }

    /// Handles the final failure of a change: of a call that requests it or waits for it, or of its
    /// operation, which has `ended`.
    fn on_change_failed(
        &mut self,
        bring_up: BringUp,
        error: CallError,
        ended: bool,
        cx: &mut Context,
    ) -> Next {
        let verdict = error.verdict();
        let is_next_zone = verdict == Verdict::NextZone;
        if bring_up.is_insert() && (is_next_zone || ended && verdict != Verdict::LookAgain) {
            // The instance was not created. After any other error, an earlier try of the call may
            // have taken effect.
            self.record_down(cx);
        }
        match verdict {
            // The missing resource is not the instance, but one that it is created from.
            Verdict::LookAgain if bring_up.is_insert() && error.is_not_found() => {
                self.fail(FailureKind::Refused, error.to_string(), cx)
            }
            Verdict::Retry | Verdict::LookAgain => self.look_again(&error, cx),
            Verdict::NextZone if bring_up.is_insert() && self.after.is_none() => {
                if let Some(zone) = cx.policy.zone_after(&cx.zone) {
                    cx.zone = zone;
                    self.request(bring_up, cx)
                } else if bring_up == BringUp::Insert && cx.policy.spot_fallback {
                    cx.zone = cx.policy.first_zone();
                    self.request(BringUp::InsertStandard, cx)
                } else {
                    self.fail(FailureKind::Refused, error.to_string(), cx)
                }
            }
            Verdict::NextZone | Verdict::GiveUp => self.fail(FailureKind::Refused, error.to_string(), cx),
        }
    }

    fn on_update_failed(&mut self, error: &CallError, cx: &mut Context) -> Next {
        // Whether the API has refused only the update of the ready push's metadata.
        let is_ready_update = matches!(error, CallError::Api(_))
            && matches!(&self.step, Step::Update { updates, operation: None, .. }
                if matches!(**updates, [Update::Ready { .. }]));
        match error.verdict() {
            Verdict::Retry | Verdict::LookAgain => self.look_again(error, cx),
            // The ready push is optional: probes detect readiness too. Each refused call is logged.
            _ if is_ready_update && self.after.is_none() => self.bring_up(BringUp::Start, cx),
            Verdict::NextZone | Verdict::GiveUp => {
                let message =
                    format!("the instance cannot be brought in line with the configuration: {error}");
                self.fail(FailureKind::Refused, message, cx)
            }
        }
    }

    /// Returns the updates of a stopped instance that precede its start.
    fn updates_before_boot(&self, instance: &InstanceView, cx: &mut Context) -> Vec<Update> {
        let drift = cx.drift.iter().filter(|_| cx.policy.applies_drift);
        let mut updates: Vec<Update> = drift.map(|difference| difference.update.clone()).collect();
        // An update of the metadata contains the token already.
        let has_token = updates.iter().any(|update| matches!(update, Update::Metadata { .. }));
        if cx.renew_ready_token() && !has_token {
            updates.extend(instance.ready.clone());
        }
        updates
    }

    /// Updates the settings of a stopped instance. All settings that can be updated at all can be
    /// updated while it is stopped.
    fn update(&mut self, updates: Vec<Update>, cx: &mut Context) -> Next {
        let request_id = cx.next_request_id();
        self.step = Step::Update { updates, request_id, operation: None, attempt: Attempt::new(cx.now) };
        Next::Stay
    }

    fn bring_up(&mut self, bring_up: BringUp, cx: &mut Context) -> Next {
        if self.changes == MAX_CHANGES {
            let verb = bring_up.verb();
            let message =
                format!("the instance does not stay up: {verb} is due again after {MAX_CHANGES} tries");
            return self.fail(FailureKind::Refused, message, cx);
        }
        self.changes += 1;
        cx.usage.count_start(cx.now);
        self.request(bring_up, cx)
    }

    fn request(&mut self, bring_up: BringUp, cx: &mut Context) -> Next {
        let request_id = cx.next_request_id();
        match bring_up {
            // The updates before the start have set the token, if there is one.
            BringUp::Start => {}
            BringUp::Insert | BringUp::InsertStandard => {
                cx.renew_ready_token();
            }
            // A resumed VM does not boot, so it would not read a new token.
            BringUp::Resume => cx.ready_token = None,
        }
        self.may_run = true;
        self.kind = bring_up.start_kind();
        self.pushed_at = None;
        self.step = Step::Change { bring_up, request_id, attempt: Attempt::new(cx.now) };
        Next::Stay
    }

    fn record_down(&mut self, cx: &mut Context) {
        cx.usage.stop_metering(cx.now);
        cx.ready_token = None;
        self.may_run = false;
    }

    /// Looks at the instance in the next zone of the search.
    fn look_in_zone(&mut self, cx: &Context) -> Next {
        if cx.is_in_removed_zone() {
            return self.on_zone_removed();
        }
        // The instance is not up in the previous zone, but may be in this one.
        self.may_run = true;
        self.look(cx.now)
    }

    /// Looks again after a change whose failure leaves the instance's status unknown.
    fn look_again(&mut self, error: &CallError, cx: &mut Context) -> Next {
        self.last_error = Some(error.to_string());
        self.look_later(cx);
        self.stop_after(false).unwrap_or(Next::Stay)
    }

    fn look_later(&mut self, cx: &mut Context) -> Next {
        cx.looking = None;
        self.look(cx.now + LOOK_INTERVAL)
    }

    fn look(&mut self, at: Timestamp) -> Next {
        self.step = Step::Look(Attempt::new(at));
        Next::Stay
    }
}
