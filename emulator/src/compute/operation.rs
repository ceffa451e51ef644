//! Zone operations: <https://cloud.google.com/compute/docs/reference/rest/v1/zoneOperations>.

use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use crate::clock::pacific;

/// A change at work, or done.
#[derive(Debug, Clone)]
pub struct Operation {
    pub id: u64,
    pub name: String,
    pub zone: String,
    /// `insert`, `start`, `compute.instances.preempted`...
    pub kind: &'static str,
    /// The instance's name and id.
    pub target: (String, u64),
    pub inserted: SystemTime,
    pub state: OperationState,
}

/// How far an operation has come.
#[derive(Debug, Clone)]
pub enum OperationState {
    /// Accepted.
    Pending,
    /// At work.
    Running { since: SystemTime },
    /// Over, well or not.
    Done { since: SystemTime, end: SystemTime, error: Option<OperationError> },
}

/// Why an operation failed: an entry of `error.errors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ErrorForm")]
pub struct OperationError {
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// A code alone, or with its message.
#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorForm {
    Code(String),
    Full(FullError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FullError {
    code: String,
    message: Option<String>,
}

impl Operation {
    /// Whether it is over.
    pub fn is_done(&self) -> bool {
        matches!(self.state, OperationState::Done { .. })
    }

    /// The resource as the API gives it; `project_url` ends in the project's name.
    pub fn resource(&self, project_url: &str, user: &str) -> Value {
        let zone_url = format!("{project_url}/zones/{}", self.zone);
        let mut resource = json!({
            "kind": "compute#operation",
            "id": self.id.to_string(),
            "name": self.name,
            "zone": zone_url,
            "operationType": self.kind,
            "targetLink": format!("{zone_url}/instances/{}", self.target.0),
            "targetId": self.target.1.to_string(),
            "user": user,
            "insertTime": pacific(self.inserted),
            "selfLink": format!("{zone_url}/operations/{}", self.name),
        });
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
                if let Some(error) = error {
                    let (status, text) = error.http();
                    let zone_path = zone_url.split_once("/compute/v1/").map_or("", |(_, path)| path);
                    resource["error"] = json!({ "errors": [error.entry(zone_path)] });
                    resource["httpErrorStatusCode"] = json!(status);
                    resource["httpErrorMessage"] = json!(text);
                }
            }
        }
        resource
    }
}

impl OperationError {
    /// There was no address for the instance.
    pub fn no_address(why: &str) -> Self {
        Self { code: "IP_SPACE_EXHAUSTED".into(), message: Some(why.to_owned()) }
    }

    fn entry(&self, zone: &str) -> Value {
        let message = self.message.clone().unwrap_or_else(|| match self.code.as_str() {
            "ZONE_RESOURCE_POOL_EXHAUSTED" => format!(
                "The zone '{zone}' does not have enough resources available to fulfill the request.  \
                 Try a different zone, or try again later."
            ),
            "QUOTA_EXCEEDED" => "Quota 'CPUS' exceeded.".into(),
            code => format!("The operation failed: {code}"),
        });
        json!({ "code": self.code, "message": message })
    }

    /// The HTTP status that Google gives a failed operation, in its resource only.
    fn http(&self) -> (u16, &'static str) {
        match self.code.as_str() {
            "ZONE_RESOURCE_POOL_EXHAUSTED" | "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS" => {
                (503, "SERVICE UNAVAILABLE")
            }
            "QUOTA_EXCEEDED" => (403, "FORBIDDEN"),
            "INTERNAL_ERROR" => (500, "INTERNAL SERVER ERROR"),
            _ => (400, "BAD REQUEST"),
        }
    }
}

impl Display for OperationError {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(&self.code)
    }
}

impl From<ErrorForm> for OperationError {
    fn from(form: ErrorForm) -> Self {
        match form {
            ErrorForm::Code(code) => Self { code, message: None },
            ErrorForm::Full(FullError { code, message }) => Self { code, message },
        }
    }
}
