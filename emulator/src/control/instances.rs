//! `/emulator/instances`: the list of instances, and the events that can happen to an instance.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::Json;
use serde_json::{json, Value};

use super::error::ControlError;
use crate::clock::utc;
use crate::compute::change::Change;
use crate::compute::host_addresses::HostAddresses;
use crate::compute::instance::{Instance, State as InstanceState};
use crate::compute::world::RequestContext;
use crate::emulator::{Emulator, Shared};
use crate::lifecycle::execute;

type Reply = Result<Json<Value>, ControlError>;

/// `GET /emulator/instances`: lists the instances of all zones.
pub async fn list(State(emulator): Shared) -> Json<Value> {
    let known: Vec<Instance> = emulator.read(|world| world.instances().cloned().collect());
    let instances: Vec<_> = known.iter().map(|instance| describe(&emulator, instance)).collect();
    Json(json!({ "instances": instances }))
}

/// `POST …/preempt`: Compute Engine takes back a Spot VM.
pub async fn preempt(State(emulator): Shared, Path(name): Path<String>) -> Reply {
    accept(&emulator, &named(&emulator, &name)?, Change::Preempt)
}

/// `POST …/poweroff`: the guest powers its machine off.
pub async fn power_off(State(emulator): Shared, Path(name): Path<String>) -> Reply {
    accept(&emulator, &named(&emulator, &name)?, Change::GuestTerminate)
}

/// `POST …/maintain`: Compute Engine maintains the instance's host.
pub async fn maintain(State(emulator): Shared, Path(name): Path<String>) -> Reply {
    let instance = named(&emulator, &name)?;
    accept(&emulator, &instance, Change::for_host_maintenance(&instance))
}

/// `POST …/crash`: the server ends while the machine runs on.
pub async fn crash(State(emulator): Shared, Path(name): Path<String>) -> Reply {
    let instance = named(&emulator, &name)?;
    running(&instance)?;
    emulator.guests.stop_server(instance.id);
    emulator.log.line(format_args!("{}/{name} crashes", instance.zone));
    Ok(Json(json!({})))
}

/// `POST …/hang`: the server accepts connections and never responds.
pub async fn hang(State(emulator): Shared, Path(name): Path<String>) -> Reply {
    let instance = named(&emulator, &name)?;
    if let Some(applied) = emulator.guests.hang(instance.id, running(&instance)?) {
        applied.wait().await;
    }
    emulator.log.line(format_args!("{}/{name} hangs", instance.zone));
    Ok(Json(json!({})))
}

/// `POST …/swallow`: connections are neither accepted nor refused.
pub async fn swallow(State(emulator): Shared, Path(name): Path<String>) -> Reply {
    if !cfg!(target_os = "linux") {
        let why = "swallow needs Linux: no other system drops the packets of new connections";
        return Err(ControlError::new(StatusCode::NOT_IMPLEMENTED, why));
    }
    let instance = named(&emulator, &name)?;
    if let Some(applied) = emulator.guests.swallow(instance.id, running(&instance)?) {
        applied.wait().await;
    }
    emulator.log.line(format_args!("{}/{name} swallows connections", instance.zone));
    Ok(Json(json!({})))
}

fn describe(emulator: &Emulator, instance: &Instance) -> Value {
    let listening_since = emulator.guests.listening_since(instance.id);
    let (addresses, address_request) = (instance.state.addresses(), instance.address_request());
    let v6 = addresses.and_then(|addresses| addresses.v6);
    let external = addresses.and_then(|addresses| addresses.external(address_request));
    let server = external.or(addresses.and_then(HostAddresses::first));
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

fn accept(emulator: &Arc<Emulator>, instance: &Instance, change: Change) -> Reply {
    let (zone, name) = (&instance.zone, &instance.name);
    let (operation, work) =
        emulator.change(|world, now| world.change(change, zone, name, RequestContext::default(), now))?;
    if let Some(work) = work {
        execute(emulator, work);
    }
    Ok(Json(json!({ "operation": operation.name })))
}

/// Finds an instance by name. Names are unique within a zone only; the first zone that has the name
/// wins.
fn named(emulator: &Emulator, name: &str) -> Result<Instance, ControlError> {
    let found = emulator.read(|world| world.instances().find(|instance| instance.name == name).cloned());
    found.ok_or_else(|| ControlError::new(StatusCode::NOT_FOUND, format!("unknown instance {name:?}")))
}

fn running(instance: &Instance) -> Result<HostAddresses, ControlError> {
    match instance.state {
        InstanceState::Running { addresses, .. } => Ok(addresses),
        other => {
            let why = format!("instance {:?} is {}, not RUNNING", instance.name, other.status());
            Err(ControlError::new(StatusCode::CONFLICT, why))
        }
    }
}
