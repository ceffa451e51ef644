//! Operations: <https://cloud.google.com/compute/docs/reference/rest/v1/zoneOperations>.

use std::borrow::Cow;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use super::operation_error::OperationError;
use super::place::Scope;
use crate::clock::pacific;

/// A change that is pending, running or done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Operation {
    pub id: u64,
    pub name: String,
    pub scope: Scope,
    /// `operationType`, such as `insert`, `start` or `compute.instances.preempted`.
    pub kind: Cow<'static, str>,
    pub target: Target,
    pub inserted: SystemTime,
    pub state: OperationState,
}

/// The resource that an operation changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// The path below the project, such as `zones/us-central1-a/instances/vm`.
    pub path: String,
    pub id: u64,
}

/// The progress of an operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum OperationState {
    /// The operation is accepted.
    Pending,
    /// The operation is at work.
    Running { since: SystemTime },
    /// The operation has ended, successfully or with an error.
    Done { since: SystemTime, end: SystemTime, error: Option<OperationError> },
}

impl Operation {
    /// Returns `true` if the operation has ended.
    pub fn is_done(&self) -> bool {
        matches!(self.state, OperationState::Done { .. })
    }

    /// Returns the resource as the API shows it. `project_url` ends in the project's name.
    pub fn resource(&self, project_url: &str, user: &str) -> Value {
        let scope_url = format!("{project_url}/{}", self.scope);
        let event = system_event(&self.kind);
        let mut resource = json!({
            "kind": "compute#operation",
            "id": self.id.to_string(),
            "name": self.name,
            "operationType": self.kind,
            "targetLink": format!("{project_url}/{}", self.target.path),
            "targetId": self.target.id.to_string(),
            "user": if event.is_some() { "system" } else { user },
            "insertTime": pacific(self.inserted),
            "selfLink": format!("{scope_url}/operations/{}", self.name),
        });
        if let Some(field) = self.scope.field() {
            resource[field] = json!(scope_url);
        }
        match &self.state {
            OperationState::Pending => {
                resource["status"] = json!("PENDING");
                resource["progress"] = json!(0);
            }
            OperationState::Running { since } => {
                resource["status"] = json!("RUNNING");
                resource["progress"] = json!(0);
                resource["startTime"] = json!(pacific(*since));
            }
            OperationState::Done { since, end, error } => {
                resource["status"] = json!("DONE");
                resource["progress"] = json!(100);
                resource["startTime"] = json!(pacific(*since));
                resource["endTime"] = json!(pacific(*end));
                if let Some(text) = event {
                    resource["statusMessage"] = json!(text);
                }
                if let Some(error) = error {
                    let (status, text) = error.http();
                    let scope_path = scope_url.split_once("/compute/v1/").map_or("", |(_, path)| path);
                    resource["error"] = json!({ "errors": [error.entry(scope_path)] });
                    resource["httpErrorStatusCode"] = json!(status);
                    resource["httpErrorMessage"] = json!(text);
                }
            }
        }
        resource
    }
}

/// Returns Compute Engine's description of a change that it makes itself:
/// <https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-reboots>. `None` means
/// that the change is a caller's.
pub fn system_event(kind: &str) -> Option<&'static str> {
    match kind {
        "compute.instances.preempted" => Some("Instance was preempted."),
        "compute.instances.guestTerminate" => Some("Instance terminated by guest OS shutdown."),
        "compute.instances.migrateOnHostMaintenance" => {
            Some("Instance migrated during Compute Engine maintenance.")
        }
        "compute.instances.terminateOnHostMaintenance" => {
            Some("Instance terminated during Compute Engine maintenance.")
        }
        "compute.instances.automaticRestart" => Some("Instance automatically restarted by Compute Engine."),
        _ => None,
    }
}
