//! The control routes.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{accepts, eventually, instance, Google, QUICK, ZONE};

#[tokio::test]
async fn statistics_count_every_call_that_arrived() {
    let google = Google::start(QUICK).await;
    google.insert(instance("vm")).await;
    google.insert(instance("vm")).await;
    google.request(Method::GET, "zones").send().await.unwrap();
    let calls = json!({ "calls": { "instances.insert": 2, "token": 1, "zones.list": 1 } });
    assert_eq!(google.control(Method::GET, "stats", None).await, (200, calls));
}

#[tokio::test]
async fn a_reset_forgets_all_but_the_tokens() {
    let google = Google::start(QUICK).await;
    let root = google.create("vm").await;
    google.control(Method::PUT, "timing", Some(json!({ "stop_ms": 7 }))).await;
    google.control(Method::POST, "faults", Some(json!({ "method": "*", "status": 500 }))).await;
    assert_eq!(google.control(Method::POST, "reset", None).await, (200, json!({})));

    assert_eq!(google.control(Method::GET, "instances", None).await.1, json!({ "instances": [] }));
    assert_eq!(google.control(Method::GET, "faults", None).await.1, json!({ "faults": [] }));
    assert_eq!(google.control(Method::GET, "stats", None).await.1, json!({ "calls": {} }));
    assert_eq!(google.control(Method::GET, "timing", None).await.1["stop_ms"], 10);
    eventually("its server is gone", || async { (!accepts(&root).await).then_some(()) }).await;
    assert_eq!(google.get(&format!("zones/{ZONE}/instances")).await.0, 200);
}

#[tokio::test]
async fn timing_changes_in_part() {
    let google = Google::start(QUICK).await;
    let changed = json!({
        "provision_ms": 10, "stage_ms": 10, "boot_ms": 99, "stop_ms": 10, "suspend_ms": 10, "resume_ms": 10,
    });
    assert_eq!(
        google.control(Method::PUT, "timing", Some(json!({ "boot_ms": 99 }))).await,
        (200, changed.clone())
    );
    for wrong in [json!({ "bot_ms": 1 }), json!({ "boot_ms": "1" }), json!({ "boot_ms": -1 }), json!([])] {
        assert_eq!(google.control(Method::PUT, "timing", Some(wrong.clone())).await.0, 400, "{wrong}");
    }
    assert_eq!(google.control(Method::GET, "timing", None).await.1, changed);
}

#[tokio::test]
async fn a_preempted_instance_stops() {
    let google = Google::start(QUICK).await;
    let root = google.create("vm").await;
    let (status, body) = google.control(Method::POST, "instances/vm/preempt", None).await;
    assert_eq!(status, 200, "{body}");
    let done = google.wait(&json!({ "name": body["operation"] })).await;
    assert_eq!(done["operationType"], "compute.instances.preempted");
    assert_eq!(google.instance("vm").await["status"], "TERMINATED");
    assert!(!accepts(&root).await);
    assert_eq!(google.control(Method::POST, "instances/vm/preempt", None).await.0, 400);
}

#[tokio::test]
async fn a_preempted_instance_is_deleted_if_it_says_so() {
    let google = Google::start(QUICK).await;
    let mut body = instance("vm");
    body["scheduling"] = json!({ "provisioningModel": "SPOT", "instanceTerminationAction": "DELETE" });
    let (_, operation) = google.insert(body).await;
    google.wait(&operation).await;
    let (_, body) = google.control(Method::POST, "instances/vm/preempt", None).await;
    google.wait(&json!({ "name": body["operation"] })).await;
    assert_eq!(google.get(&format!("zones/{ZONE}/instances/vm")).await.0, 404);
}

#[tokio::test]
async fn after_a_crash_the_machine_runs_without_its_server() {
    let google = Google::start(QUICK).await;
    let root = google.create("vm").await;
    assert_eq!(google.control(Method::POST, "instances/vm/crash", None).await.0, 200);
    eventually("the port is closed", || async { (!accepts(&root).await).then_some(()) }).await;
    assert_eq!(google.instance("vm").await["status"], "RUNNING");
    assert_eq!(google.report("vm").await.unwrap()["listening"], false);
}

#[tokio::test]
async fn a_hung_server_accepts_and_says_nothing() {
    let google = Google::start(QUICK).await;
    let root = google.create("vm").await;
    assert_eq!(google.control(Method::POST, "instances/vm/hang", None).await.0, 200);
    assert_eq!(google.listening("vm").await, root);
    let mut connection = TcpStream::connect(root.trim_start_matches("http://")).await.unwrap();
    connection.write_all(b"GET / HTTP/1.1\r\nHost: vm\r\n\r\n").await.unwrap();
    let response = tokio::time::timeout(Duration::from_millis(300), connection.read_u8()).await;
    assert!(response.is_err(), "it responded: {response:?}");
}

#[tokio::test]
async fn unknown_instances_and_routes() {
    let google = Google::start(QUICK).await;
    for path in ["preempt", "maintain", "poweroff", "crash", "hang", "swallow", "fly"]
        .map(|what| format!("instances/vm/{what}"))
    {
        let (status, body) = google.control(Method::POST, &path, None).await;
        assert_eq!((status, body["error"].is_string()), (404, true), "{path}");
    }
}

#[tokio::test]
async fn the_front_page_lists_instances() {
    let google = Google::start(QUICK).await;
    let page = google.http.get(&google.endpoint).send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let page = page.text().await.unwrap();
    for part in ["/emulator/instances", "/emulator/operations", "/emulator/stats", "<main>", "lang=\"en\""] {
        assert!(page.contains(part), "{part}");
    }
    let elsewhere = ["https://", "src=", "@import"].map(|text| page.contains(text));
    assert_eq!(elsewhere, [false; 3], "it needs nothing from outside");
}
