//! How a start is, for whoever looks at a waiting page.

use serde_json::json;

use super::store::Record;
use crate::error::Error;
use crate::lifecycle::{Failure, FailureKind};
use crate::time::Timestamp;
use crate::vm::VmState;

/// How a start is.
pub(super) struct StartStatus {
    /// Identifies the status; the time that passes does not.
    pub key: String,
    /// All of it, as `/_vmproxy/wait/{vm}` answers.
    pub json: String,
    /// Whether it is over.
    pub is_last: bool,
}

impl StartStatus {
    /// How it is now.
    pub fn of(Record { vm, lifecycle }: &Record, now: Timestamp) -> Self {
        let state = lifecycle.vm_state();
        let progress = lifecycle.progress(now);
        let is_last = progress.is_none();
        // What did not work in bringing the VM down is no visitor's matter.
        let is_told = |failure: &&Failure| failure.kind != FailureKind::NotDown;
        let failure = lifecycle.failure().filter(|_| is_last && state != VmState::Running).filter(is_told);
        let problem = failure.map(|failure| Error::from_failure(vm, failure, now).problem(Some(vm)));
        let told = problem.map(|problem| {
            json!({"title": problem.title, "detail": problem.detail, "retry_after": problem.retry_after})
        });
        let phase = progress.map(|progress| progress.phase.as_str());
        let json = json!({
            "state": state,
            "phase": phase,
            "elapsed_ms": progress.map_or(0, |progress| progress.elapsed_ms),
            "expected_ms": progress.and_then(|progress| progress.expected_ms),
            "eta_ms": progress.and_then(|progress| progress.rest_ms()),
            "failure": told,
        });
        Self { key: format!("{state:?} {phase:?}"), json: json.to_string(), is_last }
    }
}
