//! Instances go through their states, and their servers with them.

use gce_emulator::Timing;
use reqwest::Method;
use serde_json::{json, Value};

use crate::harness::{accepts, eventually, instance, Google, INSTANCE_PORT, NEVER, QUICK, ZONE};

fn nat_ip(instance: &Value) -> Option<&str> {
    instance["networkInterfaces"][0]["accessConfigs"][0]["natIP"].as_str()
}

#[tokio::test]
async fn the_whole_life_of_an_instance() {
    let google = Google::start(QUICK).await;

    let root = google.create("vm").await;
    let running = google.instance("vm").await;
    assert_eq!(running["status"], "RUNNING");
    assert_eq!(nat_ip(&running).map(|ip| format!("http://{ip}:{INSTANCE_PORT}")).as_ref(), Some(&root));
    assert!(running["lastStartTimestamp"].is_string());
    assert!(google.http.get(&root).send().await.unwrap().status().is_success());

    let stopped = google.change("vm", "stop").await;
    assert_eq!((&stopped["operationType"], &stopped["progress"]), (&json!("stop"), &json!(100)));
    let terminated = google.instance("vm").await;
    assert_eq!((&terminated["status"], nat_ip(&terminated)), (&json!("TERMINATED"), None));
    assert!(terminated["lastStopTimestamp"].is_string());

    google.change("vm", "start").await;
    let second_root = google.listening("vm").await;
    assert_ne!(second_root, root, "each start has a new address");
    assert_eq!(google.report("vm").await.unwrap()["boots"], 2);

    let (_, operation) = google.call(Method::DELETE, &format!("zones/{ZONE}/instances/vm"), None).await;
    google.wait(&operation).await;
    assert_eq!(google.get(&format!("zones/{ZONE}/instances/vm")).await.0, 404);
    assert_eq!(google.report("vm").await, None);
}

#[tokio::test]
async fn provisioning_shows_no_address_and_staging_does_before_the_operation_is_done() {
    let google = Google::start(Timing { provision_ms: NEVER, ..QUICK }).await;
    google.insert(instance("early")).await;
    let early = google.instance("early").await;
    assert_eq!((&early["status"], nat_ip(&early)), (&json!("PROVISIONING"), None));

    google.control(Method::PUT, "timing", Some(json!({ "provision_ms": 0, "stage_ms": NEVER }))).await;
    let (_, operation) = google.insert(instance("vm")).await;
    assert_eq!(operation["status"], "PENDING");
    let staging = eventually("STAGING", || async {
        let instance = google.instance("vm").await;
        (instance["status"] == "STAGING").then_some(instance)
    })
    .await;
    assert!(nat_ip(&staging).is_some());
    let name = operation["name"].as_str().unwrap();
    let (_, operation) = google.get(&format!("zones/{ZONE}/operations/{name}")).await;
    assert_eq!(operation["status"], "RUNNING");
    assert_eq!(operation["endTime"], Value::Null);
}

#[tokio::test]
async fn the_server_is_closed_until_the_boot_is_over() {
    let google = Google::start(Timing { boot_ms: NEVER, ..QUICK }).await;
    let (_, operation) = google.insert(instance("vm")).await;
    google.wait(&operation).await;
    let running = google.instance("vm").await;
    let address = nat_ip(&running).unwrap();
    assert!(!accepts(&format!("{address}:{INSTANCE_PORT}")).await);
    assert_eq!(google.report("vm").await.unwrap()["listening"], false);
}

#[tokio::test]
async fn the_server_is_gone_as_soon_as_the_instance_stops() {
    let google = Google::start(Timing { stop_ms: NEVER, ..QUICK }).await;
    let root = google.create("vm").await;
    let mut stream = google.http.get(format!("{root}/stream?n=2&interval_ms={NEVER}")).send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());

    google.post(&format!("zones/{ZONE}/instances/vm/stop")).await;
    assert_eq!(google.instance("vm").await["status"], "STOPPING");
    eventually("the port is closed", || async { (!accepts(&root).await).then_some(()) }).await;
    assert!(stream.chunk().await.is_err(), "connections end with the server");
}

#[tokio::test]
async fn a_suspended_instance_goes_on_where_it_was() {
    let google = Google::start(QUICK).await;
    let root = google.create("vm").await;
    let page = |root: String| async { google.http.get(root).send().await.unwrap().text().await.unwrap() };
    let booted = |page: &str| page.split("datetime=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let before = booted(&page(root).await);

    google.change("vm", "suspend").await;
    let suspended = google.instance("vm").await;
    assert_eq!((&suspended["status"], nat_ip(&suspended)), (&json!("SUSPENDED"), None));
    assert!(suspended["lastSuspendedTimestamp"].is_string());

    // A resumed instance does not boot: a boot would never end.
    google.control(Method::PUT, "timing", Some(json!({ "boot_ms": NEVER }))).await;
    google.change("vm", "resume").await;
    let root = google.listening("vm").await;
    assert_eq!(booted(&page(root).await), before);
    assert_eq!(google.report("vm").await.unwrap()["boots"], 1);
}

#[tokio::test]
async fn a_reset_boots_again_at_the_same_address() {
    let google = Google::start(QUICK).await;
    let root = google.create("vm").await;
    google.control(Method::PUT, "timing", Some(json!({ "boot_ms": NEVER }))).await;
    let (_, operation) = google.post(&format!("zones/{ZONE}/instances/vm/reset")).await;
    assert_eq!((&operation["operationType"], &operation["status"]), (&json!("reset"), &json!("PENDING")));
    google.wait(&operation).await;
    assert_eq!(google.instance("vm").await["status"], "RUNNING");
    let report = google.report("vm").await.unwrap();
    assert_eq!((&report["listening"], &report["boots"]), (&json!(false), &json!(2)));

    google.control(Method::PUT, "timing", Some(json!({ "boot_ms": 0 }))).await;
    google.change("vm", "reset").await;
    assert_eq!(google.listening("vm").await, root);

    google.change("vm", "stop").await;
    assert_eq!(google.post(&format!("zones/{ZONE}/instances/vm/reset")).await.0, 400);
}

#[tokio::test]
async fn changes_that_the_state_makes_void_or_forbids() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    let (_, started) = google.post(&format!("zones/{ZONE}/instances/vm/start")).await;
    assert_eq!(started["status"], "DONE", "there is nothing to do");
    assert_eq!(google.post(&format!("zones/{ZONE}/instances/vm/resume")).await.0, 400);

    google.change("vm", "suspend").await;
    for verb in ["start", "stop", "suspend"] {
        assert_eq!(google.post(&format!("zones/{ZONE}/instances/vm/{verb}")).await.0, 400, "{verb}");
    }
    google.change("vm", "resume").await;
    google.change("vm", "stop").await;
    let (_, stopped) = google.post(&format!("zones/{ZONE}/instances/vm/stop")).await;
    assert_eq!(stopped["status"], "DONE");
    assert_eq!(google.post(&format!("zones/{ZONE}/instances/vm/suspend")).await.0, 400);
}

#[tokio::test]
async fn one_operation_at_a_time() {
    let google = Google::start(Timing { stop_ms: NEVER, ..QUICK }).await;
    google.create("vm").await;
    google.post(&format!("zones/{ZONE}/instances/vm/stop")).await;
    let (status, body) = google.post(&format!("zones/{ZONE}/instances/vm/start")).await;
    assert_eq!((status, &body["error"]["errors"][0]["reason"]), (400, &json!("resourceNotReady")));
    assert_eq!(
        body["error"]["message"],
        format!("The resource 'projects/emulator-project/zones/{ZONE}/instances/vm' is not ready")
    );
}

#[tokio::test]
async fn a_repeated_request_id_does_nothing_again() {
    let google = Google::start(QUICK).await;
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let path = format!("zones/{ZONE}/instances?requestId={id}");
    let (_, first) = google.call(Method::POST, &path, Some(instance("vm"))).await;
    google.wait(&first).await;
    let (status, again) = google.call(Method::POST, &path, Some(instance("vm"))).await;
    assert_eq!((status, &again["name"], &again["status"]), (200, &first["name"], &json!("DONE")));

    let (status, body) = google.insert(instance("vm")).await;
    assert_eq!((status, &body["error"]["errors"][0]["reason"]), (409, &json!("alreadyExists")));

    // The same id for another method is another request.
    let (_, stop) = google.post(&format!("zones/{ZONE}/instances/vm/stop?requestId={id}")).await;
    assert_ne!(stop["name"], first["name"]);
    google.wait(&stop).await;
    google.change("vm", "start").await;
    let (_, again) = google.post(&format!("zones/{ZONE}/instances/vm/stop?requestId={id}")).await;
    assert_eq!(again["name"], stop["name"]);
    assert_eq!(google.instance("vm").await["status"], "RUNNING");
}

#[tokio::test]
async fn an_instance_without_access_config_has_no_public_address() {
    let google = Google::start(QUICK).await;
    let mut body = instance("vm");
    body["networkInterfaces"] = json!([{}]);
    let (_, operation) = google.insert(body).await;
    google.wait(&operation).await;
    let interface = google.instance("vm").await["networkInterfaces"][0].clone();
    assert_eq!(interface["accessConfigs"], Value::Null);
    assert_eq!(google.report("vm").await.unwrap()["public_ip"], Value::Null);

    // Clients in its network reach it, at an address that never changes.
    let internal = format!("http://{}:{INSTANCE_PORT}", interface["networkIP"].as_str().unwrap());
    assert_eq!(google.listening("vm").await, internal);
    assert!(google.http.get(&internal).send().await.unwrap().status().is_success());
    google.change("vm", "stop").await;
    assert_eq!(google.instance("vm").await["networkInterfaces"][0], interface);
    google.change("vm", "start").await;
    assert_eq!(google.listening("vm").await, internal);
}
