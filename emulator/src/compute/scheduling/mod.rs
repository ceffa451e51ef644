//! The rules of `scheduling`: <https://cloud.google.com/compute/docs/instances/spot> and
//! <https://cloud.google.com/compute/docs/instances/limit-vm-runtime>.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::{json, Map, Value};

use crate::error::ApiError;

/// The maximum of `maxRunDuration`: "The minimum time limit is 30 seconds and the maximum time
/// limit is 120 days." The emulator accepts shorter ones, too, so that tests need not wait.
const LONGEST_RUN: Duration = Duration::from_secs(120 * 24 * 60 * 60);

/// Checks a new instance's scheduling and fills in the API's defaults.
///
/// # Errors
/// Returns an error if options contradict each other.
pub fn complete(scheduling: Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    with_defaults(scheduling, "resource.scheduling")
}

/// Returns an instance's scheduling after `instances.setScheduling`. Null clears an option, as
/// `gcloud compute instances set-scheduling --clear-max-run-duration` does. Options that are not
/// given stay, except that a new provisioning model resets the options that follow from it.
///
/// # Errors
/// Returns an error if options contradict each other.
pub fn update(
    before: Map<String, Value>,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, ApiError> {
    let model = ["provisioningModel", "preemptible"];
    let mut scheduling = before.clone();
    if model.iter().any(|name| given.contains_key(*name)) {
        scheduling.retain(|name, _| !model.contains(&name.as_str()));
    }
    scheduling.extend(given.clone());
    scheduling.retain(|_, value| !value.is_null());
    if is_preemptible(&scheduling) != is_preemptible(&before) {
        let consequences = ["automaticRestart", "onHostMaintenance", "instanceTerminationAction"];
        scheduling.retain(|name, _| given.contains_key(name) || !consequences.contains(&name.as_str()));
    }
    with_defaults(scheduling, "resource")
}

/// Returns the longest duration of a run. `None` means no limit.
pub fn max_run_duration(scheduling: &Map<String, Value>) -> Option<Duration> {
    let limit = scheduling.get("maxRunDuration")?;
    // The schema has 64-bit integers as strings and others as numbers.
    let seconds = limit.get("seconds").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let nanos = limit.get("nanos").and_then(Value::as_u64);
    Some(Duration::from_secs(seconds.unwrap_or_default()) + Duration::from_nanos(nanos.unwrap_or_default()))
}

fn with_defaults(mut scheduling: Map<String, Value>, at: &str) -> Result<Map<String, Value>, ApiError> {
    let spot = is_spot(&scheduling);
    let preemptible = is_preemptible(&scheduling);
    check_contradictions(&scheduling, at)?;
    let mut default = |name: &str, value: Value| {
        scheduling.entry(name).or_insert(value);
    };
    default("onHostMaintenance", json!(if preemptible { "TERMINATE" } else { "MIGRATE" }));
    default("automaticRestart", json!(!preemptible));
    default("preemptible", json!(preemptible));
    default("provisioningModel", json!(if spot { "SPOT" } else { "STANDARD" }));
    if spot {
        default("instanceTerminationAction", json!("STOP"));
    }
    Ok(scheduling)
}

fn check_contradictions(scheduling: &Map<String, Value>, at: &str) -> Result<(), ApiError> {
    let refuse = |field: &str, value: &str, why: &str| {
        Err(ApiError::invalid_field(&format!("{at}.{field}"), value, why))
    };
    let preemptible = is_preemptible(scheduling);
    if preemptible && scheduling.get("automaticRestart") == Some(&json!(true)) {
        let why = "Scheduling must have automaticRestart be false when preemptible is true.";
        return refuse("automaticRestart", "true", why);
    }
    if preemptible && scheduling.get("onHostMaintenance") == Some(&json!("MIGRATE")) {
        let why = "Scheduling must have onHostMaintenance be TERMINATE when preemptible is true.";
        return refuse("onHostMaintenance", "MIGRATE", why);
    }
    let limit = max_run_duration(scheduling);
    if let Some(limit) = limit.filter(|limit| limit.is_zero() || *limit > LONGEST_RUN) {
        return refuse("maxRunDuration", &format!("{limit:?}"), "It must be at most 120 days and not zero.");
    }
    let limited = limit.is_some() || scheduling.contains_key("terminationTime");
    if let (Some(action), false) =
        (scheduling.get("instanceTerminationAction"), limited || is_spot(scheduling))
    {
        let why = "It needs provisioningModel SPOT, maxRunDuration or terminationTime.";
        return refuse("instanceTerminationAction", action.as_str().unwrap_or_default(), why);
    }
    Ok(())
}

fn is_spot(scheduling: &Map<String, Value>) -> bool {
    scheduling.get("provisioningModel") == Some(&json!("SPOT"))
}

fn is_preemptible(scheduling: &Map<String, Value>) -> bool {
    is_spot(scheduling) || scheduling.get("preemptible") == Some(&json!(true))
}
