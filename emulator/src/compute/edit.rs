//! The methods that change an instance's definition and leave its state alone.

use serde_json::{json, Map, Value};

use super::fingerprint::fingerprint;
use super::instance::{Instance, State};
use super::{labels, scheduling};
use crate::error::ApiError;

/// A change of an instance's definition, with the body of its method.
#[derive(Debug, Clone)]
pub enum Edit {
    /// The URL of an existing machine type.
    MachineType(String),
    Scheduling(Map<String, Value>),
    Metadata(Map<String, Value>),
    Tags(Map<String, Value>),
    Labels(Map<String, Value>),
}

impl Edit {
    /// Returns the edit that a method makes of its body. `None` means that the method makes none, or
    /// does not take its body as it is.
    pub fn of_method(id: &str) -> Option<fn(Map<String, Value>) -> Self> {
        match id {
            "instances.setScheduling" => Some(Self::Scheduling),
            "instances.setMetadata" => Some(Self::Metadata),
            "instances.setTags" => Some(Self::Tags),
            "instances.setLabels" => Some(Self::Labels),
            _ => None,
        }
    }

    /// Returns the operation's `operationType`.
    pub fn operation_type(&self) -> &'static str {
        match self {
            Self::MachineType(_) => "setMachineType",
            Self::Scheduling(_) => "setScheduling",
            Self::Metadata(_) => "setMetadata",
            Self::Tags(_) => "setTags",
            Self::Labels(_) => "setLabels",
        }
    }

    /// Returns the fields that the change sets in the definition.
    ///
    /// # Errors
    /// Returns an error if the instance's state does not allow the change, the fingerprint is out
    /// of date, or the options contradict each other.
    pub fn fields(self, instance: &Instance) -> Result<Map<String, Value>, ApiError> {
        let current = |part: &str| instance.definition.get(part).cloned().unwrap_or_default();
        let fields = match self {
            // "Changes the machine type for a stopped instance":
            // https://cloud.google.com/compute/docs/reference/rest/v1/instances/setMachineType
            Self::MachineType(url) => {
                stopped(instance, "The machine type")?;
                json!({ "machineType": url })
            }
            // "You can only call this method on a stopped instance":
            // https://cloud.google.com/compute/docs/reference/rest/v1/instances/setScheduling
            Self::Scheduling(given) => {
                stopped(instance, "The scheduling")?;
                let before = current("scheduling").as_object().cloned().unwrap_or_default();
                json!({ "scheduling": scheduling::update(before, &given)? })
            }
            Self::Metadata(mut metadata) => {
                let why = "Supplied fingerprint does not match current metadata fingerprint.";
                check(metadata.get("fingerprint"), &current("metadata")["fingerprint"], why)?;
                metadata.insert("kind".into(), json!("compute#metadata"));
                json!({ "metadata": with_fingerprint(metadata) })
            }
            Self::Tags(tags) => {
                let why = "Supplied fingerprint does not match current tags fingerprint.";
                check(tags.get("fingerprint"), &current("tags")["fingerprint"], why)?;
                json!({ "tags": with_fingerprint(tags) })
            }
            Self::Labels(body) => {
                let why = "Labels fingerprint either invalid or resource labels have changed";
                check(body.get("labelFingerprint"), &current("labelFingerprint"), why)?;
                labels::check(body.get("labels"))?;
                let labels = body.get("labels").cloned().unwrap_or_else(|| json!({}));
                json!({ "labels": labels, "labelFingerprint": fingerprint(&Value::Object(body)) })
            }
        };
        Ok(fields.as_object().cloned().unwrap_or_default())
    }
}

fn stopped(instance: &Instance, what: &str) -> Result<(), ApiError> {
    match instance.state {
        State::Terminated => Ok(()),
        _ => Err(ApiError::bad_state(format!(
            "{what} can only be changed while the instance is stopped (instance '{}')",
            instance.name
        ))),
    }
}

/// Checks a fingerprint: "You must always provide an up-to-date fingerprint hash ..., otherwise the
/// request will fail with error 412 conditionNotMet",
/// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/setMetadata>.
fn check(given: Option<&Value>, current: &Value, why: &str) -> Result<(), ApiError> {
    match given == Some(current) {
        true => Ok(()),
        false => Err(ApiError::condition_not_met(why)),
    }
}

fn with_fingerprint(mut part: Map<String, Value>) -> Map<String, Value> {
    let new = fingerprint(&Value::Object(part.clone()));
    part.insert("fingerprint".into(), new);
    part
}
