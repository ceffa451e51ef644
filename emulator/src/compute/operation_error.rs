//! Errors of operations.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

/// An entry of an operation's `error.errors`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "ErrorForm")]
pub struct OperationError {
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(rename = "errorDetails", skip_serializing_if = "Vec::is_empty")]
    details: Vec<Value>,
}

/// The JSON forms of an error: a code alone, or an object.
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
    #[serde(default, rename = "errorDetails")]
    details: Vec<Value>,
}

impl OperationError {
    /// Creates an error with a message for people.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: Some(message.into()), details: Vec::new() }
    }

    /// Creates the error for an instance for which no address is free.
    pub fn no_address(why: &str) -> Self {
        Self::new("IP_SPACE_EXHAUSTED", why)
    }

    /// Creates the error for a change that exceeds a region's quota.
    pub fn quota_exceeded(metric: &str, limit: u64, region: &str) -> Self {
        let limit = limit as f64;
        let message = format!("Quota '{metric}' exceeded.  Limit: {limit:.1} in region {region}.");
        let quota = json!({ "quotaInfo": {
            "metricName": format!("compute.googleapis.com/{}", metric.to_lowercase()),
            "limitName": format!("{}-per-project-region", metric.replace('_', "-")),
            "dimensions": { "region": region },
            "limit": limit,
        } });
        Self { details: vec![quota], ..Self::new("QUOTA_EXCEEDED", message) }
    }

    /// Creates the error for a machine type that is out of stock in a zone. The message is the
    /// default one.
    pub fn stockout(zone: &str, machine_type: &str) -> Self {
        let text = format!(
            "A {machine_type} VM instance is currently unavailable in the {zone} zone. Alternatively, \
             you can try your request again with a different VM hardware configuration or at a later \
             time. For more information, see the troubleshooting documentation."
        );
        let details = vec![
            json!({ "help": { "links": [{
                "description": "Troubleshooting documentation",
                "url": "https://cloud.google.com/compute/docs/resource-error",
            }] } }),
            json!({ "localizedMessage": { "locale": "en-US", "message": text } }),
            json!({ "errorInfo": {
                "reason": "resource_availability",
                "domain": "compute.googleapis.com",
                "metadatas": { "zone": zone, "vmType": machine_type, "zonesAvailable": "", "attachment": "" },
            } }),
        ];
        Self { code: "ZONE_RESOURCE_POOL_EXHAUSTED".into(), message: None, details }
    }

    /// Returns the entry of `error.errors`. `scope` is the operation's, beginning with `projects/`.
    pub fn entry(&self, scope: &str) -> Value {
        let message = self.message.clone().unwrap_or_else(|| match self.code.as_str() {
            "ZONE_RESOURCE_POOL_EXHAUSTED" | "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS" => format!(
                "The zone '{scope}' does not have enough resources available to fulfill the request.  \
                 Try a different zone, or try again later."
            ),
            "QUOTA_EXCEEDED" => "Quota 'CPUS' exceeded.".into(),
            code => format!("The operation failed: {code}"),
        });
        let mut entry = json!({ "code": self.code, "message": message });
        if !self.details.is_empty() {
            entry["errorDetails"] = json!(self.details);
        }
        entry
    }

    /// Returns the HTTP status that Google writes into the resource of a failed operation.
    pub fn http(&self) -> (u16, &'static str) {
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
            ErrorForm::Code(code) => Self { code, message: None, details: Vec::new() },
            ErrorForm::Full(FullError { code, message, details }) => Self { code, message, details },
        }
    }
}
