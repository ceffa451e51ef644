//! `/emulator/instances`: the list of instances, and the events that can happen to one.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::Json;
use serde_json::{json, Value};

use super::error::ControlError;
use crate::clock::utc;
use crate::compute::change::Change;
use crate::compute::instance::{Instance, State as InstanceState};
use crate::compute::reach::Reach;
use crate::compute::world::Asked;
use crate::emulator::{Emulator, Shared};
use crate::lifecycle::carry_out;

type Reply = Result<Json<Value>, ControlError>;

/// `GET /emulator/instances`: lists the instances of all zones.
pub async fn list(State(emulator): Shared) -> Json<Value> {
    let known: Vec<Instance> = emulator.look(|world| world.instances().cloned().collect());
    let instances: Vec<_> = known.iter().map(|instance| describe(&emulator, instance)).collect();
    Json(json!({ "instances": instances }))
}

/// `POST …/preempt`: Compute Engine takes back a Spot VM.
pub async fn preempt(State(emulator): Shared, Path(name): Path<String>) -> Reply {
    begin(&emulator, &named(&emulator, &name)?, Change::Preempt)
}

/// `POST …/poweroff`: the guest powers its machine off.
pub async fn power_off(State(emulator): Shared, Path(name): Path<String>) -> Reply {
    begin(&emulator, &named(&emulator, &name)?, Change::GuestTerminate)
}

/// `POST …/maintain`: Compute Engine maintains the instance's host.
pub async fn maintain(State(emulator): Shared, Path(name): Path<String>) -> Reply {
    let instance = named(&emulator, &name)?;
    begin(&emulator, &instance, Change::of_host_maintenance(&instance))
}

/// `POST …/crash`: the server ends while the machine runs on.
pub async fn crash(State(emulator): Shared, Path(name): Path<String>) -> Reply {
    let instance = named(&emulator, &name)?;
    running(&instance)?;
    emulator.guests.cut(instance.id);
    emulator.log.line(format_args!("{}/{name} crashes", instance.zone));
    Ok(Json(json!({})))
}

/// `POST …/hang`: the server accepts connections and never responds.
pub async fn hang(State(emulator): Shared, Path(name): Path<String>) -> Reply {
    let instance = named(&emulator, &name)?;
    if let Some(settling) = emulator.guests.hang(instance.id, running(&instance)?) {
        settling.settled().await;
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
    if let Some(settling) = emulator.guests.swallow(instance.id, running(&instance)?) {
        settling.settled().await;
    }
    emulator.log.line(format_args!("{}/{name} swallows connections", instance.zone));
    Ok(Json(json!({})))
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

fn begin(emulator: &Arc<Emulator>, instance: &Instance, change: Change) -> Reply {
    let (zone, name) = (&instance.zone, &instance.name);
    let (operation, work) =
        emulator.change(|world, now| world.change(change, zone, name, Asked::default(), now))?;
    if let Some(work) = work {
        carry_out(emulator, work);
    }
    Ok(Json(json!({ "operation": operation.name })))
}

/// Finds an instance by name. Names are unique within a zone only; the first zone that has the name wins.
fn named(emulator: &Emulator, name: &str) -> Result<Instance, ControlError> {
    let found = emulator.look(|world| world.instances().find(|instance| instance.name == name).cloned());
    found.ok_or_else(|| ControlError::new(StatusCode::NOT_FOUND, format!("unknown instance {name:?}")))
}

fn running(instance: &Instance) -> Result<Reach, ControlError> {
    match instance.state {
        InstanceState::Running { reach, .. } => Ok(reach),
        other => {
            let why = format!("instance {:?} is {}, not RUNNING", instance.name, other.status());
            Err(ControlError::new(StatusCode::CONFLICT, why))
        }
    }
}
