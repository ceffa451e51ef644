//! The routes for the emulated API: its calls, faults, rate limit, clock, timing and key file.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value};

use super::error::ControlError;
use crate::emulator::Shared;
use crate::faults::Fault;
use crate::rate_limit::Limit;

/// The largest offset of the clock: a year, in milliseconds.
const LARGEST_OFFSET: u64 = 365 * 24 * 60 * 60 * 1000;

/// The offset of Google's clock from this machine's.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    offset_ms: i64,
}

/// `GET /emulator/stats`: counts the calls of each method.
pub async fn stats(State(emulator): Shared) -> Json<Value> {
    Json(json!({ "calls": *emulator.calls() }))
}

/// `GET /emulator/faults`: lists the faults that are not used up.
pub async fn faults(State(emulator): Shared) -> Json<Value> {
    Json(json!({ "faults": emulator.faults().pending() }))
}

/// `POST /emulator/faults`: adds a fault.
pub async fn add_fault(
    State(emulator): Shared,
    body: Bytes,
) -> Result<(StatusCode, Json<Fault>), ControlError> {
    let fault: Fault = serde_json::from_slice(&body).map_err(ControlError::bad_request)?;
    fault.check().map_err(ControlError::bad_request)?;
    emulator.faults().add(fault.clone());
    Ok((StatusCode::CREATED, Json(fault)))
}

/// `DELETE /emulator/faults`: removes all faults.
pub async fn clear_faults(State(emulator): Shared) -> Json<Value> {
    emulator.faults().clear();
    Json(json!({}))
}

/// `GET /emulator/rate-limit`: returns the limit.
pub async fn rate_limit(State(emulator): Shared) -> Json<Value> {
    Json(json!({ "rate_limit": emulator.rate_limit().limit() }))
}

/// `PUT /emulator/rate-limit`: sets the limit.
pub async fn set_rate_limit(State(emulator): Shared, body: Bytes) -> Result<Json<Value>, ControlError> {
    let limit: Limit = serde_json::from_slice(&body).map_err(ControlError::bad_request)?;
    emulator.rate_limit().set(Some(limit.clone())).map_err(ControlError::bad_request)?;
    Ok(Json(json!({ "rate_limit": limit })))
}

/// `DELETE /emulator/rate-limit`: removes the limit.
pub async fn clear_rate_limit(State(emulator): Shared) -> Result<Json<Value>, ControlError> {
    emulator.rate_limit().set(None).map_err(ControlError::bad_request)?;
    Ok(Json(json!({})))
}

/// `GET /emulator/timing`: returns the duration of each phase.
pub async fn timing(State(emulator): Shared) -> Json<Value> {
    Json(json!(*emulator.timing()))
}

/// `PUT /emulator/timing`: changes the duration of some phases.
pub async fn set_timing(State(emulator): Shared, body: Bytes) -> Result<Json<Value>, ControlError> {
    let changes: Map<String, Value> = serde_json::from_slice(&body).map_err(ControlError::bad_request)?;
    let timing = emulator.timing().updated(&changes).map_err(ControlError::bad_request)?;
    *emulator.timing() = timing;
    emulator.save();
    Ok(Json(json!(timing)))
}

/// `GET /emulator/clock`: returns the offset.
pub async fn clock(State(emulator): Shared) -> Json<Clock> {
    Json(Clock { offset_ms: emulator.clock_offset() })
}

/// `PUT /emulator/clock`: sets the offset.
pub async fn set_clock(State(emulator): Shared, body: Bytes) -> Result<Json<Clock>, ControlError> {
    let clock: Clock = serde_json::from_slice(&body).map_err(ControlError::bad_request)?;
    if clock.offset_ms.unsigned_abs() > LARGEST_OFFSET {
        return Err(ControlError::bad_request("offset_ms must be at most a year"));
    }
    emulator.set_clock_offset(clock.offset_ms);
    Ok(Json(clock))
}

/// `GET /emulator/service-account.json`: returns the service account's key file.
pub async fn service_account(State(emulator): Shared) -> Json<Value> {
    Json(emulator.account.key_file().clone())
}
