//! `--state`: the state survives a restart.

use std::fs;
use std::path::{Path, PathBuf};

use gce_emulator::{Emulator, Options, Timing};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{json, Value};

use crate::harness::{instance, options, Google, NEVER, QUICK, ZONE};
use crate::program::Program;

const ADDRESSES: &str = "regions/us-central1/addresses";

/// Returns a path at which no file exists.
fn file(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.json", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

async fn start(path: &Path, timing: Timing) -> Google {
    Google::start_with(Options { state: Some(path.to_owned()), timing, ..options() }).await
}

/// Replaces one emulator's address with another's in a value.
fn moved(value: &Value, from: &str, to: &str) -> Value {
    serde_json::from_str(&value.to_string().replace(from, to)).unwrap()
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let path = file("everything");
    let before = start(&path, QUICK).await;
    before.done(Method::POST, ADDRESSES, Some(json!({ "name": "fixed" }))).await;
    let root = before.create("vm").await;
    before.create("stopped").await;
    before.change("stopped", "stop").await;
    before.create("asleep").await;
    before.change("asleep", "suspend").await;
    let template = json!({ "name": "t", "properties": {
        "machineType": "e2-small", "disks": [], "networkInterfaces": [],
    } });
    before.done(Method::POST, "global/instanceTemplates", Some(template)).await;
    let id = "requestId=0f8fad5b-d9cb-469f-a165-70867728950e";
    let again = format!("zones/{ZONE}/instances/vm/reset?{id}");
    let reset = before.done(Method::POST, &again, None).await;
    before.control(Method::PUT, "timing", Some(json!({ "stop_ms": 7 }))).await;
    before.control(Method::PUT, "quotas", Some(json!({ "us-central1": { "CPUS": 9 } }))).await;
    before.control(Method::POST, "stockouts", Some(json!({ "zone": "us-east1-b" }))).await;
    let paths = [
        format!("zones/{ZONE}/instances"),
        format!("zones/{ZONE}/disks"),
        format!("zones/{ZONE}/operations"),
        "regions/us-central1/operations".to_owned(),
        ADDRESSES.to_owned(),
        "global/instanceTemplates".to_owned(),
    ];
    let mut known = Vec::new();
    for path in &paths {
        known.push(before.get(path).await.1);
    }
    let (endpoint, key, token) = (before.endpoint.clone(), before.key.clone(), before.token.clone());
    drop(before);

    let after = start(&path, Timing { boot_ms: 9, ..QUICK }).await;
    for (path, known) in paths.iter().zip(&known) {
        assert_eq!(after.get(path).await.1, moved(known, &endpoint, &after.endpoint), "{path}");
    }
    assert_eq!(after.listening("vm").await, root, "it runs where it ran");
    assert!(after.http.get(&root).send().await.unwrap().status().is_success());
    assert_eq!(after.report("vm").await.unwrap()["boots"], 2, "that was no boot");
    assert_eq!(after.key["private_key"], key["private_key"]);
    let request = after.request(Method::GET, "zones").bearer_auth(&token);
    assert_eq!(request.send().await.unwrap().status(), 200, "tokens are good yet");
    assert_eq!(after.post(&again).await.1["name"], reset["name"], "a repeated call is known");
    let timing = after.control(Method::GET, "timing", None).await.1;
    assert_eq!((&timing["stop_ms"], &timing["boot_ms"]), (&json!(7), &json!(10)), "what was set counts");
    let quotas = json!({ "us-central1": { "CPUS": 9 } });
    assert_eq!(after.control(Method::GET, "quotas", None).await.1, quotas);
    let stockouts = json!({ "stockouts": [{ "zone": "us-east1-b" }] });
    assert_eq!(after.control(Method::GET, "stockouts", None).await.1, stockouts);

    after.change("asleep", "resume").await;
    after.listening("asleep").await;
    assert_ne!(after.create("new").await, root);
    after.control(Method::POST, "reset", None).await;
    assert_eq!(after.control(Method::GET, "timing", None).await.1["boot_ms"], 9, "the flags count again");
    assert!(!fs::read_to_string(&path).unwrap().contains("instances/vm"), "a reset is for good");
}

#[tokio::test]
async fn what_was_under_way_goes_on() {
    let path = file("under-way");
    let before = start(&path, Timing { stop_ms: NEVER, ..QUICK }).await;
    before.create("stopping").await;
    before.create("failing").await;
    before.change("failing", "suspend").await;
    before.post(&format!("zones/{ZONE}/instances/stopping/stop")).await;
    let fault = json!({ "method": "instances.delete", "operation_error": "INTERNAL_ERROR" });
    before.control(Method::POST, "faults", Some(fault)).await;
    let (_, failing) = before.delete(&format!("zones/{ZONE}/instances/failing")).await;
    before.control(Method::PUT, "timing", Some(json!({ "provision_ms": NEVER, "stage_ms": NEVER }))).await;
    before.insert(instance("coming")).await;
    before.call(Method::POST, ADDRESSES, Some(json!({ "name": "a" }))).await;
    let quick = json!({ "provision_ms": 10, "stage_ms": 10, "stop_ms": 10 });
    before.control(Method::PUT, "timing", Some(quick)).await;
    assert_eq!(before.instance("coming").await["status"], "PROVISIONING");
    assert_eq!(before.instance("stopping").await["status"], "STOPPING");
    drop(before);

    let after = start(&path, QUICK).await;
    for scope in [&format!("zones/{ZONE}"), "regions/us-central1"] {
        let (_, list) = after.get(&format!("{scope}/operations")).await;
        for operation in list["items"].as_array().unwrap() {
            after.wait(operation).await;
        }
    }
    after.listening("coming").await;
    assert_eq!(after.instance("stopping").await["status"], "TERMINATED");
    let path = format!("zones/{ZONE}/operations/{}", failing["name"].as_str().unwrap());
    assert_eq!(after.get(&path).await.1["error"]["errors"][0]["code"], "INTERNAL_ERROR");
    assert_eq!(after.instance("failing").await["status"], "SUSPENDED");
    assert_eq!(after.get(&format!("{ADDRESSES}/a")).await.0, 200);
}

#[tokio::test]
async fn a_run_limit_holds_through_a_restart() {
    let path = file("run-limit");
    let before = start(&path, QUICK).await;
    let mut body = instance("vm");
    body["scheduling"] = json!({ "maxRunDuration": { "seconds": 1 }, "instanceTerminationAction": "DELETE" });
    let (_, operation) = before.insert(body).await;
    before.wait(&operation).await;
    drop(before);
    let after = start(&path, QUICK).await;
    crate::harness::eventually("its time is over", || async {
        (after.get(&format!("zones/{ZONE}/instances/vm")).await.0 == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nothing_that_was_answered_is_lost_when_the_program_is_killed() {
    let path = file("killed");
    let flag = format!("--state={}", path.display());
    let flags = [flag.as_str(), "--provision-ms=0", "--stage-ms=0", "--boot-ms=0"];
    let program = Program::start(&flags).await;
    let google = Google::connect(program.endpoint.clone(), None).await;
    let root = google.create("vm").await;
    program.kill(Signal::KILL).await;

    let program = Program::start(&flags).await;
    let google = Google::connect(program.endpoint.clone(), None).await;
    assert_eq!(google.listening("vm").await, root);
    program.end(Signal::TERM).await;
    assert!(fs::read_to_string(&path).unwrap().contains("instances/vm"), "its end is not the instances'");
}

#[tokio::test]
async fn a_file_that_is_no_state_is_named() {
    let path = file("broken");
    let refused =
        async |options: Options| Emulator::start(options).await.err().expect("it is refused").to_string();
    let with = |path: &Path| Options { state: Some(path.to_owned()), ..options() };
    for (content, why) in [
        ("", "EOF"),
        ("{\"version\": 1", "EOF"),
        ("{}", "its version is null, not 1"),
        ("{\"version\": 1}", "missing field"),
    ] {
        fs::write(&path, content).unwrap();
        let error = refused(with(&path)).await;
        assert!(error.contains(&path.display().to_string()) && error.contains(why), "{content}: {error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content, "it is left alone");
    }
    let missing = path.with_file_name("no-such-folder").join("state.json");
    let error = refused(with(&missing)).await;
    assert!(error.contains(&missing.display().to_string()), "{error}");

    fs::remove_file(&path).unwrap();
    drop(start(&path, QUICK).await);
    let error = refused(Options { project: "other-project".into(), ..with(&path) }).await;
    assert!(error.contains("--project emulator-project"), "{error}");
}
