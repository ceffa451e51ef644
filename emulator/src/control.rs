//! The emulator's own routes, without authentication: for tests and for people.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value};

use crate::clock::utc;
use crate::compute::change::Change;
use crate::compute::instance::{Instance, State as InstanceState};
use crate::compute::reach::Reach;
use crate::compute::stockouts::Stockout;
use crate::compute::world::Asked;
use crate::emulator::Emulator;
use crate::error::ApiError;
use crate::faults::Fault;
use crate::lifecycle::carry_out;
use crate::rate_limit::Limit;

type Shared = State<Arc<Emulator>>;

/// A year, in milliseconds.
const FARTHEST_CLOCK: u64 = 365 * 24 * 60 * 60 * 1000;

/// Google's clock, beside this machine's.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    offset_ms: i64,
}

/// The control routes.
pub fn router() -> Router<Arc<Emulator>> {
    Router::new()
        .route("/", get(|| async { Html(include_str!("control.html")) }))
        .route("/emulator/instances", get(instances))
        .route("/emulator/instances/{name}/preempt", post(preempt))
        .route("/emulator/instances/{name}/crash", post(crash))
        .route("/emulator/instances/{name}/hang", post(hang))
        .route("/emulator/instances/{name}/swallow", post(swallow))
        .route("/emulator/instances/{name}/poweroff", post(power_off))
        .route("/emulator/instances/{name}/maintain", post(maintain))
        .route("/emulator/operations", get(operations))
        .route("/emulator/quotas", get(quotas).put(set_quotas))
        .route("/emulator/stockouts", get(stockouts).post(add_stockout).delete(clear_stockouts))
        .route("/emulator/rate-limit", get(rate_limit).put(set_rate_limit).delete(clear_rate_limit))
        .route("/emulator/stats", get(stats))
        .route("/emulator/reset", post(reset))
        .route("/emulator/timing", get(timing).put(set_timing))
        .route("/emulator/clock", get(clock).put(set_clock))
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
    let listening_since = emulator.guests.listening_since(instance.id);
    let (reach, wanted) = (instance.state.reach(), instance.wanted());
    let v6 = reach.and_then(|reach| reach.v6);
    let external = reach.and_then(|reach| reach.external(wanted));
    let server = external.or(reach.and_then(Reach::first));
    json!({
        "name": instance.name,
        "project": emulator.options.project,
        "zone": instance.zone,
        "machine_type": instance.machine_type(),
        "status": instance.state.status(),
        "public_ip": external.map(|address| address.ip()),
        "internal_ip": instance.internal_ip(),
        "port": server.map_or(emulator.options.instance_port, |address| address.port()),
        "ipv6": v6.map(|address| address.ip()),
        "ipv6_port": v6.map(|address| address.port()),
        "url": server.map(|address| format!("http://{address}")),
        "listening": listening_since.is_some(),
        "listening_since": listening_since.map(utc),
        "boots": instance.boots,
        "created": utc(instance.created),
        "last_start": instance.last_start.map(utc),
    })
}

async fn preempt(State(emulator): Shared, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    begin(&emulator, &named(&emulator, &name)?, Change::Preempt)
}

async fn power_off(State(emulator): Shared, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    begin(&emulator, &named(&emulator, &name)?, Change::GuestTerminate)
}

async fn maintain(State(emulator): Shared, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    let instance = named(&emulator, &name)?;
    begin(&emulator, &instance, Change::of_host_maintenance(&instance))
}

fn begin(emulator: &Arc<Emulator>, instance: &Instance, change: Change) -> Result<Json<Value>, Refused> {
    let (zone, name) = (&instance.zone, &instance.name);
    let (operation, work) =
        emulator.change(|world, now| world.change(change, zone, name, Asked::default(), now))?;
    if let Some(work) = work {
        carry_out(emulator, work);
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
    if let Some(settling) = emulator.guests.hang(instance.id, running(&instance)?) {
        settling.settled().await;
    }
    emulator.log.line(format_args!("{}/{name} hangs", instance.zone));
    Ok(Json(json!({})))
}

async fn swallow(State(emulator): Shared, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    if !cfg!(target_os = "linux") {
        return Err(Refused(
            StatusCode::NOT_IMPLEMENTED,
            "connections can be swallowed on Linux only".into(),
        ));
    }
    let instance = named(&emulator, &name)?;
    if let Some(settling) = emulator.guests.swallow(instance.id, running(&instance)?) {
        settling.settled().await;
    }
    emulator.log.line(format_args!("{}/{name} swallows connections", instance.zone));
    Ok(Json(json!({})))
}

/// The newest first.
async fn operations(State(emulator): Shared) -> Json<Value> {
    const SHOWN: usize = 50;
    let (url, user) = (emulator.project_url(), &emulator.account.email);
    let operations: Vec<_> = emulator.look(|world| {
        let mut all: Vec<_> = world.operations().collect();
        all.sort_by_key(|operation| std::cmp::Reverse(operation.id));
        all.into_iter().take(SHOWN).map(|operation| operation.resource(&url, user)).collect()
    });
    Json(json!({ "operations": operations }))
}

async fn quotas(State(emulator): Shared) -> Json<Value> {
    Json(emulator.look(|world| json!(world.quotas)))
}

async fn set_quotas(State(emulator): Shared, body: Bytes) -> Result<Json<Value>, Refused> {
    let changes: BTreeMap<String, BTreeMap<String, Option<u64>>> =
        serde_json::from_slice(&body).map_err(bad_request)?;
    let set = emulator.change(|world, _| world.quotas.set(changes).map(|()| json!(world.quotas)));
    set.map(Json).map_err(bad_request)
}

async fn stockouts(State(emulator): Shared) -> Json<Value> {
    Json(emulator.look(|world| json!({ "stockouts": world.stockouts })))
}

async fn add_stockout(State(emulator): Shared, body: Bytes) -> Result<(StatusCode, Json<Stockout>), Refused> {
    let stockout: Stockout = serde_json::from_slice(&body).map_err(bad_request)?;
    stockout.check().map_err(bad_request)?;
    emulator.change(|world, _| world.stockouts.push(stockout.clone()));
    Ok((StatusCode::CREATED, Json(stockout)))
}

async fn clear_stockouts(State(emulator): Shared) -> Json<Value> {
    emulator.change(|world, _| world.stockouts.clear());
    Json(json!({}))
}

async fn rate_limit(State(emulator): Shared) -> Json<Value> {
    Json(json!({ "rate_limit": emulator.rate_limit().limit() }))
}

async fn set_rate_limit(State(emulator): Shared, body: Bytes) -> Result<Json<Value>, Refused> {
    let limit: Limit = serde_json::from_slice(&body).map_err(bad_request)?;
    emulator.rate_limit().set(Some(limit.clone())).map_err(bad_request)?;
    Ok(Json(json!({ "rate_limit": limit })))
}

async fn clear_rate_limit(State(emulator): Shared) -> Result<Json<Value>, Refused> {
    emulator.rate_limit().set(None).map_err(bad_request)?;
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
    let timing = emulator.timing().with(&changes).map_err(bad_request)?;
    *emulator.timing() = timing;
    emulator.changed();
    Ok(Json(json!(timing)))
}

async fn clock(State(emulator): Shared) -> Json<Clock> {
    Json(Clock { offset_ms: emulator.clock_offset() })
}

async fn set_clock(State(emulator): Shared, body: Bytes) -> Result<Json<Clock>, Refused> {
    let clock: Clock = serde_json::from_slice(&body).map_err(bad_request)?;
    if clock.offset_ms.unsigned_abs() > FARTHEST_CLOCK {
        return Err(bad_request("offset_ms must be within a year"));
    }
    emulator.set_clock_offset(clock.offset_ms);
    Ok(Json(clock))
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

fn running(instance: &Instance) -> Result<Reach, Refused> {
    match instance.state {
        InstanceState::Running { reach, .. } => Ok(reach),
        other => Err(Refused(
            StatusCode::CONFLICT,
            format!("{} is {}, not RUNNING", instance.name, other.status()),
        )),
    }
}

fn bad_request(error: impl ToString) -> Refused {
    Refused(StatusCode::BAD_REQUEST, error.to_string())
}
