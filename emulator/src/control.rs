//! The emulator's own routes, without authentication: for tests and for people.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{json, Map, Value};

use crate::clock::utc;
use crate::compute::change::Change;
use crate::compute::instance::{Instance, State as InstanceState};
use crate::emulator::Emulator;
use crate::error::ApiError;
use crate::faults::Fault;
use crate::lifecycle::carry_out;

type Shared = State<Arc<Emulator>>;

/// The control routes.
pub fn router() -> Router<Arc<Emulator>> {
    Router::new()
        .route("/", get(|| async { Html(include_str!("control.html")) }))
        .route("/emulator/instances", get(instances))
        .route("/emulator/instances/{name}/preempt", post(preempt))
        .route("/emulator/instances/{name}/crash", post(crash))
        .route("/emulator/instances/{name}/hang", post(hang))
        .route("/emulator/stats", get(stats))
        .route("/emulator/reset", post(reset))
        .route("/emulator/timing", get(timing).put(set_timing))
        .route("/emulator/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/emulator/service-account.json", get(service_account))
        .fallback(|| async { Refused(StatusCode::NOT_FOUND, "there is nothing here; see /".into()) })
}

/// A control route's error: `{"error": "..."}`.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(error.code, error.message)
    }
}

async fn instances(State(emulator): Shared) -> Json<Value> {
    let known: Vec<Instance> = emulator.look(|world| world.instances().cloned().collect());
    let instances: Vec<_> = known.iter().map(|instance| describe(&emulator, instance)).collect();
    Json(json!({ "instances": instances }))
}

fn describe(emulator: &Emulator, instance: &Instance) -> Value {
    let address = instance.state.address();
    let listening_since = emulator.guests.listening_since(instance.id);
    json!({
        "name": instance.name,
        "project": emulator.options.project,
        "zone": instance.zone,
        "machine_type": instance.machine_type(),
        "status": instance.state.status(),
        "public_ip": address.filter(|_| instance.is_public()).map(|address| address.ip()),
        "port": address.map_or(emulator.options.instance_port, |address| address.port()),
        "listening": listening_since.is_some(),
        "listening_since": listening_since.map(utc),
        "boots": instance.boots,
        "created": utc(instance.created),
        "last_start": instance.last_start.map(utc),
    })
}

async fn preempt(State(emulator): Shared, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    let zone = named(&emulator, &name)?.zone;
    let (operation, work) =
        emulator.change(|world, now| world.change(Change::Preempt, &zone, &name, None, now))?;
    if let Some(work) = work {
        carry_out(&emulator, work, None);
    }
    Ok(Json(json!({ "operation": operation.name })))
}

async fn crash(State(emulator): Shared, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    let instance = named(&emulator, &name)?;
    running(&instance)?;
    emulator.guests.cut(instance.id);
    emulator.log.line(format_args!("{}/{name} crashes", instance.zone));
    Ok(Json(json!({})))
}

async fn hang(State(emulator): Shared, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    let instance = named(&emulator, &name)?;
    let address = running(&instance)?;
    emulator.guests.hang(instance.id, address);
    emulator.log.line(format_args!("{}/{name} hangs", instance.zone));
    Ok(Json(json!({})))
}

async fn stats(State(emulator): Shared) -> Json<Value> {
    Json(json!({ "calls": *emulator.calls() }))
}

async fn reset(State(emulator): Shared) -> Json<Value> {
    emulator.reset();
    emulator.log.line("reset");
    Json(json!({}))
}

async fn timing(State(emulator): Shared) -> Json<Value> {
    Json(json!(*emulator.timing()))
}

async fn set_timing(State(emulator): Shared, body: Bytes) -> Result<Json<Value>, Refused> {
    let changes: Map<String, Value> = serde_json::from_slice(&body).map_err(bad_request)?;
    let mut timing = emulator.timing();
    *timing = timing.with(&changes).map_err(bad_request)?;
    Ok(Json(json!(*timing)))
}

async fn faults(State(emulator): Shared) -> Json<Value> {
    Json(json!({ "faults": emulator.faults().pending() }))
}

async fn add_fault(State(emulator): Shared, body: Bytes) -> Result<(StatusCode, Json<Fault>), Refused> {
    let fault: Fault = serde_json::from_slice(&body).map_err(bad_request)?;
    fault.check().map_err(bad_request)?;
    emulator.faults().add(fault.clone());
    Ok((StatusCode::CREATED, Json(fault)))
}

async fn clear_faults(State(emulator): Shared) -> Json<Value> {
    emulator.faults().clear();
    Json(json!({}))
}

async fn service_account(State(emulator): Shared) -> Json<Value> {
    Json(emulator.account.key_file().clone())
}

/// Names are unique in a zone only; here the first of that name is meant.
fn named(emulator: &Emulator, name: &str) -> Result<Instance, Refused> {
    let found = emulator.look(|world| world.instances().find(|instance| instance.name == name).cloned());
    found.ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("no instance is named {name:?}")))
}

fn running(instance: &Instance) -> Result<SocketAddr, Refused> {
    match instance.state {
        InstanceState::Running { address, .. } => Ok(address),
        other => Err(Refused(
            StatusCode::CONFLICT,
            format!("{} is {}, not RUNNING", instance.name, other.status()),
        )),
    }
}

fn bad_request(error: impl ToString) -> Refused {
    Refused(StatusCode::BAD_REQUEST, error.to_string())
}
