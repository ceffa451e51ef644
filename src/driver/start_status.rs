//! The progress of a start, as the waiting page shows it.

use serde_json::json;

use super::record::Record;
use crate::error::Error;
use crate::lifecycle::{Failure, FailureKind};
use crate::time::Timestamp;
use crate::vm::VmState;

/// The progress of a start.
#[derive(Clone, Debug)]
pub struct StartStatus {
    /// Changes with the status, but not with the time that passes.
    pub key: String,
    /// The body of a response of `/_vmproxy/wait/{vm}`.
    pub json: String,
    /// `true` if the start is over.
    pub is_last: bool,
}

impl StartStatus {
    /// The status at `now`.
    pub(super) fn of(Record { vm, lifecycle }: &Record, now: Timestamp) -> Self {
        let state = lifecycle.vm_state();
        let progress = lifecycle.progress(now);
        let is_last = progress.is_none();
        // A VM that could not be stopped is the operator's matter, not a visitor's.
        let concerns_visitors = |failure: &&Failure| failure.kind != FailureKind::NotDown;
        let failure = lifecycle.failure().filter(|_| is_last && state != VmState::Running);
        let problem = failure
            .filter(concerns_visitors)
            .map(|failure| Error::from_failure(vm, failure, now).problem(Some(vm)));
        let failure = problem.map(|problem| {
            json!({"title": problem.title, "detail": problem.detail, "retry_after": problem.retry_after})
        });
        let phase = progress.map(|progress| progress.phase.as_str());
        let json = json!({
            "state": state,
            "phase": phase,
            "elapsed_ms": progress.map_or(0, |progress| progress.elapsed_ms),
            "expected_ms": progress.and_then(|progress| progress.expected_ms),
            "eta_ms": progress.and_then(|progress| progress.rest_ms()),
            "failure": failure,
        });
        Self { key: format!("{state:?} {phase:?}"), json: json.to_string(), is_last }
    }
}
