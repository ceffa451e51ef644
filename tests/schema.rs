//! Every request that is sent to Compute Engine, held against Google's discovery document by a
//! validator that knows nothing of this program.

mod schema {
    pub mod discovery;
}

use std::collections::BTreeMap;
use std::iter::successors;
use std::time::Duration;

use schema::discovery::{discovery, Method};
use serde_json::{json, Map, Value};
use vmproxy::compute::{
    BringUp, Call, Change, HttpRequest, OperationName, RequestId, TakeDown, Target, Update,
};
use vmproxy::{Accelerator, Address, Instance};

#[test]
fn every_request_is_one_of_the_discovery_document() {
    let document = discovery();
    for (call, request) in requests() {
        let complaints = Method::of(&document, call.method_id()).complaints(&request);
        assert!(complaints.is_empty(), "{call:?}, {request:?}: {complaints:#?}");
    }
}

#[test]
fn every_field_that_is_misspelt_is_found() {
    let document = discovery();
    let mut found = 0;
    for (call, request) in requests() {
        let Some(body) = &request.body else { continue };
        let method = Method::of(&document, call.method_id());
        for (misspelt, name) in misspelt(&serde_json::from_str(body).unwrap()) {
            let request = HttpRequest { body: Some(misspelt.to_string()), ..request.clone() };
            let complaints = method.complaints(&request);
            let [complaint] = complaints.as_slice() else { panic!("{name} in {misspelt}: {complaints:#?}") };
            assert!(complaint.contains(&format!("'{name}' was unexpected")), "{complaint}");
            found += 1;
        }
    }
    assert!(found > 100, "{found}");
}

#[test]
fn every_wrong_value_is_found() {
    let document = discovery();
    let insert = Call::Change { change: BringUp::Insert.into(), request_id: request_id() };
    let request = request(&insert, &fullest());
    let method = Method::of(&document, insert.method_id());
    for (field, wrong) in [
        ("/name", json!("No_Name")),
        ("/name", json!(1)),
        ("/disks", json!({})),
        ("/disks/0/boot", json!("true")),
        ("/disks/0/initializeParams/diskSizeGb", json!(20)),
        ("/disks/0/initializeParams/diskSizeGb", json!("20GB")),
        ("/networkInterfaces/0/accessConfigs/0/type", json!("NAT")),
        ("/networkInterfaces/0/accessConfigs/0", Value::Null),
        ("/scheduling/provisioningModel", json!("spot")),
        ("/scheduling/automaticRestart", json!("no")),
        ("/scheduling/maxRunDuration", json!("3600s")),
        ("/scheduling/maxRunDuration/seconds", json!(3600)),
        ("/serviceAccounts/0/scopes", json!("https://www.googleapis.com/auth/compute")),
        ("/tags/items", json!(["web", 1])),
        ("/metadata/items/0", json!(["color", "green"])),
    ] {
        let mut body: Value = serde_json::from_str(request.body.as_ref().unwrap()).unwrap();
        *body.pointer_mut(field).expect(field) = wrong.clone();
        let request = HttpRequest { body: Some(body.to_string()), ..request.clone() };
        assert!(!method.complaints(&request).is_empty(), "{field} = {wrong}");
    }
}

#[test]
fn every_wrong_method_path_and_parameter_is_found() {
    let document = discovery();
    let start = Call::Change { change: BringUp::Start.into(), request_id: request_id() };
    let right = request(&start, &fullest());
    let method = Method::of(&document, start.method_id());
    assert_eq!(method.complaints(&right), Vec::<String>::new());
    let with_url = |from: &str, to: &str| {
        assert!(right.url.contains(from), "{}", right.url);
        HttpRequest { url: right.url.replace(from, to), ..right.clone() }
    };
    for wrong in [
        HttpRequest { method: "PUT", ..right.clone() },
        HttpRequest { body: Some("{}".to_owned()), ..right.clone() },
        with_url("compute/v1", "compute/v2"),
        with_url("/start", "/begin"),
        with_url("/start", ""),
        with_url("/instances", ""),
        with_url("/backend/", "/Backend/"),
        with_url("/backend/", "//"),
        with_url("/us-central1-a/", "/US-central1-a/"),
        with_url("/my-project/", "/my_project/"),
        with_url("requestId", "requestid"),
        with_url("requestId=", "validateOnly=true&requestId="),
    ] {
        assert!(!method.complaints(&wrong).is_empty(), "{wrong:?}");
    }
}

/// Every call about each instance, with its request.
fn requests() -> Vec<(Call, HttpRequest)> {
    let calls: Vec<Call> = successors(Some(Call::Get), next).collect();
    let instances = [least(), usual(), fullest(), inside(), over_ipv6(), of_a_template()];
    let pairs = instances.iter().flat_map(|instance| calls.iter().map(move |call| (instance, call)));
    pairs.map(|(instance, call)| (call.clone(), request(call, instance))).collect()
}

/// From each call to another, through all that there are: a new one does not compile until it has
/// its place.
fn next(call: &Call) -> Option<Call> {
    let make = |change| Some(Call::Change { change, request_id: request_id() });
    let set = |update| Some(Call::Update { update, request_id: request_id() });
    let fingerprint = || "42WmSpB8rSM=".to_owned();
    match call {
        Call::Get => Some(Call::Wait { operation: OperationName("operation-1763837663999-64".to_owned()) }),
        Call::Wait { .. } => make(BringUp::Insert.into()),
        Call::Change { change, .. } => match change {
            Change::Up(BringUp::Insert) => make(BringUp::InsertStandard.into()),
            Change::Up(BringUp::InsertStandard) => make(BringUp::Start.into()),
            Change::Up(BringUp::Start) => make(BringUp::Resume.into()),
            Change::Up(BringUp::Resume) => make(TakeDown::Stop.into()),
            Change::Down(TakeDown::Stop) => make(TakeDown::Suspend.into()),
            Change::Down(TakeDown::Suspend) => make(TakeDown::Delete.into()),
            Change::Down(TakeDown::Delete) => set(Update::MachineType),
        },
        Call::Update { update, .. } => match update {
            Update::MachineType => set(Update::Scheduling { spot: true }),
            Update::Scheduling { spot: true } => set(Update::Scheduling { spot: false }),
            Update::Scheduling { spot: false } => set(Update::Tags { fingerprint: fingerprint() }),
            Update::Tags { .. } => {
                let others = BTreeMap::from([("ssh-keys".to_owned(), "me:ssh-ed25519 AAAA".to_owned())]);
                set(Update::Metadata { fingerprint: fingerprint(), others })
            }
            Update::Metadata { .. } => {
                let others = BTreeMap::from([("ssh-keys".to_owned(), "me:ssh-ed25519 AAAA".to_owned())]);
                set(Update::Ready { fingerprint: fingerprint(), others })
            }
            Update::Ready { .. } => {
                let others = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
                set(Update::Labels { fingerprint: fingerprint(), others })
            }
            Update::Labels { .. } => None,
        },
    }
}

fn request(call: &Call, instance: &Instance) -> HttpRequest {
    let endpoint = "https://compute.googleapis.com/compute/v1";
    call.http_request(&Target { endpoint, project: "my-project", zone: &instance.zone, instance })
}

fn request_id() -> RequestId {
    RequestId::derive(7, 1)
}

/// Of which nothing is sent that can be left out.
fn least() -> Instance {
    Instance { tags: vec![], not_preemptible: true, address: Address::Internal, ..usual() }
}

fn usual() -> Instance {
    Instance { name: "backend".into(), zone: "us-central1-a".into(), ..Instance::default() }
}

/// With every field; a new one does not compile until it is here.
fn fullest() -> Instance {
    Instance {
        name: "backend".into(),
        project: Some("my-project".into()),
        zone: "us-central1-a".into(),
        zones: vec!["us-central1-b".into()],
        source_instance_template: None,
        image: "projects/debian-cloud/global/images/family/debian-12".into(),
        machine_type: "n1-standard-1".into(),
        accelerators: vec![Accelerator { kind: "nvidia-tesla-t4".into(), count: 1 }],
        address: Address::External,
        static_address: Some("203.0.113.7".parse().unwrap()),
        network: Some("default".into()),
        subnetwork: Some("default".into()),
        tags: vec!["web".into(), "http-server".into()],
        labels: BTreeMap::from([("team".into(), "a".into())]),
        metadata: BTreeMap::from([
            ("color".into(), "green".into()),
            ("empty".into(), String::new()),
            ("vmproxy-ready-token".into(), "x".into()),
        ]),
        startup_script: Some("#!/bin/sh\necho \"hi\"".into()),
        startup_script_url: Some("gs://bucket/startup.sh".into()),
        shutdown_script: Some("#!/bin/sh\nsync".into()),
        boot_disk_size: Some(20),
        boot_disk_type: Some("pd-ssd".into()),
        not_preemptible: false,
        spot_fallback: true,
        max_run_duration: Some(Duration::from_secs(3600)),
        service_account: Some("vm@my-project.iam.gserviceaccount.com".into()),
        scopes: vec!["https://www.googleapis.com/auth/logging.write".into()],
        resource: Map::from_iter([("canIpForward".to_owned(), true.into())]),
    }
}

/// The same without an external address.
fn inside() -> Instance {
    Instance { address: Address::Internal, static_address: Some("10.0.0.7".parse().unwrap()), ..fullest() }
}

fn over_ipv6() -> Instance {
    let static_address = Some("2001:db8::7".parse().unwrap());
    Instance { address: Address::Ipv6, static_address, ..fullest() }
}

fn of_a_template() -> Instance {
    let source_instance_template = Some("projects/my-project/global/instanceTemplates/web".into());
    Instance { source_instance_template, spot_fallback: false, ..fullest() }
}

/// The value with one of its fields misspelt, for each of them, and what that is called then.
fn misspelt(value: &Value) -> Vec<(Value, String)> {
    let mut all = Vec::new();
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let wrong = format!("{name}x");
                let mut renamed = fields.clone();
                renamed.remove(name);
                renamed.insert(wrong.clone(), field.clone());
                all.push((renamed.into(), wrong));
                if name == "labels" {
                    // Their names are the user's.
                    continue;
                }
                for (inner, wrong) in misspelt(field) {
                    let mut changed = fields.clone();
                    changed.insert(name.clone(), inner);
                    all.push((changed.into(), wrong));
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                for (inner, wrong) in misspelt(item) {
                    let mut changed = items.clone();
                    changed[index] = inner;
                    all.push((changed.into(), wrong));
                }
            }
        }
        _ => {}
    }
    all
}
