//! Events without a call: maintenance, preemption, a guest that powers off, a lost network.

use std::time::Duration;

use reqwest::Method;
use serde_json::{json, Value};
use tokio::net::TcpStream;

use crate::harness::{accepts, eventually, instance, Google, QUICK, ZONE};

async fn trigger(google: &Google, what: &str) -> Value {
    let (status, body) = google.control(Method::POST, &format!("instances/vm/{what}"), None).await;
    assert_eq!(status, 200, "{body}");
    google.wait(&json!({ "name": body["operation"] })).await
}

fn assert_system_event(operation: &Value, kind: &str, message: &str) {
    assert_eq!(operation["operationType"], kind);
    assert_eq!(operation["statusMessage"], message);
    assert_eq!(operation["user"], "system");
    assert!(operation["name"].as_str().unwrap().starts_with("systemevent-"), "{operation}");
}

async fn start_with(scheduling: Value) -> (Google, String) {
    let google = Google::start(QUICK).await;
    let mut body = instance("vm");
    body["scheduling"] = scheduling;
    let (status, operation) = google.insert(body).await;
    assert_eq!(status, 200, "{operation}");
    google.wait(&operation).await;
    let root = google.listening("vm").await;
    (google, root)
}

#[tokio::test]
async fn a_preemption_is_a_system_event() {
    let (google, _) = start_with(json!({ "provisioningModel": "SPOT" })).await;
    let operation = trigger(&google, "preempt").await;
    assert_system_event(&operation, "compute.instances.preempted", "Instance was preempted.");
    assert_eq!(google.instance("vm").await["status"], "TERMINATED");
}

#[tokio::test]
async fn an_instance_migrates_when_its_host_is_maintained() {
    let (google, root) = start_with(json!({})).await;
    let mut stream = google.http.get(format!("{root}/stream?n=2&interval_ms=3600000")).send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    let operation = trigger(&google, "maintain").await;
    let kind = "compute.instances.migrateOnHostMaintenance";
    assert_system_event(&operation, kind, "Instance migrated during Compute Engine maintenance.");
    assert_eq!(google.instance("vm").await["status"], "RUNNING");
    let more = tokio::time::timeout(Duration::from_millis(100), stream.chunk()).await;
    assert!(more.is_err(), "its connections stay open: {more:?}");
    assert_eq!(google.report("vm").await.unwrap()["boots"], 1);
}

#[tokio::test]
async fn an_instance_that_cannot_migrate_ends_and_comes_back_if_it_says_so() {
    let kind = "compute.instances.terminateOnHostMaintenance";
    let message = "Instance terminated during Compute Engine maintenance.";
    let (google, _) =
        start_with(json!({ "onHostMaintenance": "TERMINATE", "automaticRestart": false })).await;
    assert_system_event(&trigger(&google, "maintain").await, kind, message);
    assert_eq!(google.instance("vm").await["status"], "TERMINATED");

    let (google, _) = start_with(json!({ "onHostMaintenance": "TERMINATE" })).await;
    assert_system_event(&trigger(&google, "maintain").await, kind, message);
    let restart = eventually("it is started again", || async {
        let filter = "filter=operationType%3Dcompute.instances.automaticRestart";
        let (_, list) = google.get(&format!("zones/{ZONE}/operations?{filter}")).await;
        list["items"].get(0).cloned()
    })
    .await;
    let restarted = google.wait(&restart).await;
    let message = "Instance automatically restarted by Compute Engine.";
    assert_system_event(&restarted, "compute.instances.automaticRestart", message);
    google.listening("vm").await;
    assert_eq!(google.report("vm").await.unwrap()["boots"], 2);
}

#[tokio::test]
async fn a_guest_powers_its_machine_off() {
    let (google, root) = start_with(json!({})).await;
    let operation = trigger(&google, "poweroff").await;
    let kind = "compute.instances.guestTerminate";
    assert_system_event(&operation, kind, "Instance terminated by guest OS shutdown.");
    assert_eq!(google.instance("vm").await["status"], "TERMINATED");
    assert!(!accepts(&root).await);
    for what in ["poweroff", "maintain"] {
        let (status, _) = google.control(Method::POST, &format!("instances/vm/{what}"), None).await;
        assert_eq!(status, 400, "{what}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_machine_that_swallows_connections_neither_takes_nor_refuses_them() {
    let (google, root) = start_with(json!({})).await;
    let address = root.trim_start_matches("http://").to_owned();
    assert_eq!(google.control(Method::POST, "instances/vm/swallow", None).await.0, 200);
    eventually("a connection is neither taken nor refused", || async {
        let connecting = TcpStream::connect(&address);
        tokio::time::timeout(Duration::from_millis(300), connecting).await.is_err().then_some(())
    })
    .await;
    assert_eq!(google.instance("vm").await["status"], "RUNNING");
    assert_eq!(google.report("vm").await.unwrap()["listening"], false);
    google.change("vm", "reset").await;
    assert_eq!(google.listening("vm").await, root);
    assert!(google.http.get(&root).send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn the_operations_of_the_whole_project_newest_first() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    google.change("vm", "stop").await;
    let (_, body) = google.control(Method::GET, "operations", None).await;
    let kinds: Vec<_> = body["operations"].as_array().unwrap().iter().map(|o| &o["operationType"]).collect();
    assert_eq!(kinds, ["stop", "insert"]);
    let newest_first =
        format!("zones/{ZONE}/operations?orderBy=creationTimestamp+desc&fields=items/operationType");
    let items = json!([{ "operationType": "stop" }, { "operationType": "insert" }]);
    assert_eq!(google.get(&newest_first).await.1["items"], items);
    let (_, page) = google.get(&format!("{newest_first},nextPageToken&maxResults=1")).await;
    let next = format!("{newest_first}&pageToken={}", page["nextPageToken"].as_str().unwrap());
    assert_eq!(google.get(&next).await.1["items"], json!([{ "operationType": "insert" }]));
}
