//! The disks and static addresses of instances.

use gce_emulator::Timing;
use reqwest::Method;
use serde_json::{json, Value};

use crate::harness::{accepts, eventually, instance, Google, INSTANCE_PORT, NEVER, QUICK, ZONE};

const ADDRESSES: &str = "regions/us-central1/addresses";

fn disk(name: &str) -> String {
    format!("zones/{ZONE}/disks/{name}")
}

fn vm(name: &str) -> String {
    format!("zones/{ZONE}/instances/{name}")
}

fn reason(response: &Value) -> &str {
    response["error"]["errors"][0]["reason"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_boot_disk_comes_with_its_instance_and_goes_if_it_says_so() {
    let google = Google::start(QUICK).await;
    let mut body = instance("vm");
    body["disks"][0]["autoDelete"] = json!(true);
    body["disks"].as_array_mut().unwrap().push(json!({
        "initializeParams": {
            "diskName": "data",
            "diskSizeGb": "20",
            "diskType": format!("zones/{ZONE}/diskTypes/pd-ssd"),
        },
    }));
    let (_, operation) = google.insert(body).await;
    google.wait(&operation).await;

    let root = format!("{}/compute/v1/projects/emulator-project", google.endpoint);
    let (status, boot) = google.get(&disk("vm")).await;
    let expected = [
        ("kind", json!("compute#disk")),
        ("status", json!("READY")),
        ("sizeGb", json!("10")),
        ("zone", json!(format!("{root}/zones/{ZONE}"))),
        ("selfLink", json!(format!("{root}/zones/{ZONE}/disks/vm"))),
        ("type", json!(format!("{root}/zones/{ZONE}/diskTypes/pd-standard"))),
        ("users", json!([format!("{root}/zones/{ZONE}/instances/vm")])),
    ];
    assert_eq!(status, 200);
    for (name, value) in expected {
        assert_eq!(boot[name], value, "{name}");
    }
    let (_, list) = google.get(&format!("zones/{ZONE}/disks?fields=kind,items(name,sizeGb)")).await;
    let items = json!([{ "name": "data", "sizeGb": "20" }, { "name": "vm", "sizeGb": "10" }]);
    assert_eq!(list, json!({ "kind": "compute#diskList", "items": items }));

    let (status, refused) = google.delete(&disk("data")).await;
    assert_eq!((status, reason(&refused)), (400, "resourceInUseByAnotherResource"));
    let message = format!(
        "The disk resource 'projects/emulator-project/zones/{ZONE}/disks/data' is already being used by \
         'projects/emulator-project/zones/{ZONE}/instances/vm'"
    );
    assert_eq!(refused["error"]["message"], message);

    google.done(Method::DELETE, &vm("vm"), None).await;
    assert_eq!(google.get(&disk("vm")).await.0, 404);
    let (_, data) = google.get(&disk("data")).await;
    assert_eq!((&data["sizeGb"], &data["users"]), (&json!("20"), &Value::Null));
    google.done(Method::DELETE, &disk("data"), None).await;
    assert_eq!(google.get(&disk("data")).await.0, 404);
}

#[tokio::test]
async fn a_disk_that_was_kept_is_attached_again() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    let kept = google.get(&disk("vm")).await.1["id"].clone();

    let with_source = |name: &str, source: &str| {
        let mut body = instance(name);
        body["disks"] = json!([{ "boot": true, "source": source }]);
        body
    };
    let (status, refused) = google.insert(with_source("other", &disk("vm"))).await;
    assert_eq!((status, reason(&refused)), (400, "resourceInUseByAnotherResource"), "while it is in use");
    google.done(Method::DELETE, &vm("vm"), None).await;

    let (status, refused) = google.insert(instance("vm")).await;
    assert_eq!((status, reason(&refused)), (409, "alreadyExists"), "its own disk would have the same name");
    let (status, refused) = google.insert(with_source("vm", &disk("missing"))).await;
    assert_eq!((status, reason(&refused)), (404, "notFound"));

    let (_, operation) = google.insert(with_source("vm", &disk("vm"))).await;
    assert_eq!(google.wait(&operation).await["error"], Value::Null);
    let (_, attached) = google.get(&disk("vm")).await;
    assert_eq!((&attached["id"], attached["users"].as_array().map(Vec::len)), (&kept, Some(1)));
}

#[tokio::test]
async fn an_insert_that_fails_leaves_no_disk() {
    let google = Google::start(QUICK).await;
    let fault = json!({ "method": "instances.insert", "operation_error": "INTERNAL_ERROR" });
    google.control(Method::POST, "faults", Some(fault)).await;
    let (_, operation) = google.insert(instance("vm")).await;
    google.wait(&operation).await;
    assert_eq!(google.get(&disk("vm")).await.0, 404);
}

#[tokio::test]
async fn a_disk_of_its_own() {
    let google = Google::start(QUICK).await;
    let path = format!("zones/{ZONE}/disks");
    let body = json!({ "name": "data", "sizeGb": 30, "labels": { "a": "b" } });
    let done = google.done(Method::POST, &path, Some(body.clone())).await;
    assert_eq!((&done["operationType"], &done["zone"].is_string()), (&json!("insert"), &true));
    assert!(done["targetLink"].as_str().unwrap().ends_with(&disk("data")));
    let (_, data) = google.get(&disk("data")).await;
    assert_eq!((&data["sizeGb"], &data["labels"]), (&json!("30"), &json!({ "a": "b" })));
    let (status, refused) = google.call(Method::POST, &path, Some(body)).await;
    assert_eq!((status, reason(&refused)), (409, "alreadyExists"));
}

#[tokio::test]
async fn a_static_address_is_its_instances_through_every_start() {
    let google = Google::start(QUICK).await;
    let done = google.done(Method::POST, ADDRESSES, Some(json!({ "name": "fixed" }))).await;
    assert!(done["region"].as_str().unwrap().ends_with("/regions/us-central1"), "{done}");
    let path = format!("{ADDRESSES}/fixed");
    let (_, address) = google.get(&path).await;
    assert_eq!((&address["status"], &address["addressType"]), (&json!("RESERVED"), &json!("EXTERNAL")));
    let ip = address["address"].as_str().unwrap();

    let mut body = instance("vm");
    body["networkInterfaces"][0]["accessConfigs"] = json!([{ "natIP": ip }]);
    let (_, operation) = google.insert(body.clone()).await;
    assert_eq!(google.wait(&operation).await["error"], Value::Null);
    let root = format!("http://{ip}:{INSTANCE_PORT}");
    assert_eq!(google.listening("vm").await, root);
    let (_, address) = google.get(&path).await;
    assert_eq!(address["status"], "IN_USE");
    assert!(address["users"][0].as_str().unwrap().ends_with(&vm("vm")));

    google.change("vm", "stop").await;
    let stopped = google.instance("vm").await;
    assert_eq!(stopped["networkInterfaces"][0]["accessConfigs"][0]["natIP"], ip);
    let (status, refused) = google.delete(&path).await;
    assert_eq!((status, reason(&refused)), (400, "resourceInUseByAnotherResource"));
    body["name"] = json!("other");
    let (status, refused) = google.insert(body).await;
    assert_eq!((status, reason(&refused)), (400, "invalidResourceUsage"));
    assert_eq!(refused["error"]["message"], format!("External IP address: {ip} is already in-use."));

    // No other instance gets the address while its instance is down.
    assert_ne!(google.create("third").await, root);
    google.change("vm", "start").await;
    assert_eq!(google.listening("vm").await, root);

    google.done(Method::DELETE, &vm("vm"), None).await;
    eventually("its server is gone", || async { (!accepts(&root).await).then_some(()) }).await;
    assert_eq!(google.get(&path).await.1["status"], "RESERVED");
    google.done(Method::DELETE, &path, None).await;
    assert_eq!(google.get(&path).await.0, 404);
}

#[tokio::test]
async fn addresses_are_of_a_region_and_other_kinds_are_left_out() {
    let google = Google::start(QUICK).await;
    google.done(Method::POST, ADDRESSES, Some(json!({ "name": "a" }))).await;
    google.done(Method::POST, "regions/us-east1/addresses", Some(json!({ "name": "b" }))).await;
    let (_, list) = google.get(&format!("{ADDRESSES}?fields=kind,items/name")).await;
    assert_eq!(list, json!({ "kind": "compute#addressList", "items": [{ "name": "a" }] }));
    let elsewhere = google.get("regions/us-east1/addresses/b").await.1["address"].clone();
    let mut body = instance("vm");
    body["networkInterfaces"][0]["accessConfigs"] = json!([{ "natIP": elsewhere }]);
    assert_eq!(google.insert(body).await.0, 400, "it is another region's");

    for other in [
        json!({ "addressType": "INTERNAL" }),
        json!({ "ipVersion": "IPV6" }),
        json!({ "address": "192.0.2.1" }),
    ] {
        let mut body = json!({ "name": "c" });
        body.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
        assert_eq!(google.call(Method::POST, ADDRESSES, Some(body)).await.0, 501, "{other}");
    }
    assert_eq!(google.call(Method::POST, ADDRESSES, Some(json!({}))).await.0, 400, "it needs a name");
}

#[tokio::test]
async fn a_resource_is_there_when_its_operation_is_done() {
    let google = Google::start(Timing { stage_ms: NEVER, ..QUICK }).await;
    let body = json!({ "name": "slow" });
    let id = "requestId=0f8fad5b-d9cb-469f-a165-70867728950e";
    let (_, first) = google.call(Method::POST, &format!("{ADDRESSES}?{id}"), Some(body.clone())).await;
    assert_eq!(google.get(&format!("{ADDRESSES}/slow")).await.0, 404);
    let (_, again) = google.call(Method::POST, &format!("{ADDRESSES}?{id}"), Some(body.clone())).await;
    assert_eq!(again["name"], first["name"]);
    let (status, refused) = google.call(Method::POST, ADDRESSES, Some(body)).await;
    assert_eq!((status, reason(&refused)), (409, "alreadyExists"));
    let path = format!("regions/us-central1/operations/{}", first["name"].as_str().unwrap());
    eventually("it is at work", || async {
        (google.get(&path).await.1["status"] == "RUNNING").then_some(())
    })
    .await;
    let (_, list) = google.get("regions/us-central1/operations").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(google.delete(&path).await.0, 204);
}

#[tokio::test]
async fn an_operation_on_a_resource_can_fail() {
    let google = Google::start(QUICK).await;
    let fault = json!({ "method": "addresses.insert", "operation_error": "INTERNAL_ERROR" });
    google.control(Method::POST, "faults", Some(fault)).await;
    let (_, operation) = google.call(Method::POST, ADDRESSES, Some(json!({ "name": "a" }))).await;
    assert_eq!(google.wait(&operation).await["error"]["errors"][0]["code"], "INTERNAL_ERROR");
    assert_eq!(google.get(&format!("{ADDRESSES}/a")).await.0, 404);
}
