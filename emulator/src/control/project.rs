//! The routes for the project as a whole: operations, quotas, stockouts and the reset.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::Json;
use serde_json::{json, Value};

use super::error::ControlError;
use crate::compute::stockouts::Stockout;
use crate::emulator::Shared;

/// `GET /emulator/operations`: lists the last operations, newest first.
pub async fn operations(State(emulator): Shared) -> Json<Value> {
    const SHOWN: usize = 50;
    let (url, user) = (emulator.project_url(), &emulator.account.email);
    let operations: Vec<_> = emulator.read(|world| {
        let mut all: Vec<_> = world.operations().collect();
        all.sort_by_key(|operation| std::cmp::Reverse(operation.id));
        all.into_iter().take(SHOWN).map(|operation| operation.resource(&url, user)).collect()
    });
    Json(json!({ "operations": operations }))
}

/// `GET /emulator/quotas`: returns the limits.
pub async fn quotas(State(emulator): Shared) -> Json<Value> {
    Json(emulator.read(|world| json!(world.quotas)))
}

/// `PUT /emulator/quotas`: sets and removes limits.
pub async fn set_quotas(State(emulator): Shared, body: Bytes) -> Result<Json<Value>, ControlError> {
    let changes: BTreeMap<String, BTreeMap<String, Option<u64>>> =
        serde_json::from_slice(&body).map_err(ControlError::bad_request)?;
    let set = emulator.change(|world, _| world.quotas.set(changes).map(|()| json!(world.quotas)));
    set.map(Json).map_err(ControlError::bad_request)
}

/// `GET /emulator/stockouts`: lists the stockouts.
pub async fn stockouts(State(emulator): Shared) -> Json<Value> {
    Json(emulator.read(|world| json!({ "stockouts": world.stockouts })))
}

/// `POST /emulator/stockouts`: adds a stockout.
pub async fn add_stockout(
    State(emulator): Shared,
    body: Bytes,
) -> Result<(StatusCode, Json<Stockout>), ControlError> {
    let stockout: Stockout = serde_json::from_slice(&body).map_err(ControlError::bad_request)?;
    stockout.check().map_err(ControlError::bad_request)?;
    emulator.change(|world, _| world.stockouts.push(stockout.clone()));
    Ok((StatusCode::CREATED, Json(stockout)))
}

/// `DELETE /emulator/stockouts`: removes all stockouts.
pub async fn clear_stockouts(State(emulator): Shared) -> Json<Value> {
    emulator.change(|world, _| world.stockouts.clear());
    Json(json!({}))
}

/// `POST /emulator/reset`: returns the emulator to its state after the start.
pub async fn reset(State(emulator): Shared) -> Json<Value> {
    emulator.reset();
    emulator.log.line("reset");
    Json(json!({}))
}
