//! `maxRunDuration` ends an instance's run.

use reqwest::Method;
use serde_json::{json, Value};

use crate::harness::{accepts, eventually, instance, Google, QUICK, ZONE};

const TERMINATION: &str = "/resourceStatus/scheduling/terminationTimestamp";

/// Inserts an instance with this scheduling.
async fn insert(google: &Google, scheduling: Value) -> Value {
    let mut body = instance("vm");
    body["scheduling"] = scheduling;
    let (status, operation) = google.insert(body).await;
    assert_eq!(status, 200, "{operation}");
    google.wait(&operation).await
}

#[tokio::test]
async fn an_instance_stops_when_its_time_is_over() {
    let google = Google::start(QUICK).await;
    let root = google.create("vm").await;
    google.change("vm", "stop").await;
    let path = format!("zones/{ZONE}/instances/vm/setScheduling");
    let body = json!({ "maxRunDuration": { "seconds": 1 } });
    let (_, operation) = google.call(Method::POST, &path, Some(body)).await;
    google.wait(&operation).await;

    let started = google.change("vm", "start").await;
    let stopped = eventually("an operation of its own", || async {
        let (_, list) = google.get(&format!("zones/{ZONE}/operations?filter=operationType%3Dstop")).await;
        list["items"].as_array().unwrap().iter().find(|o| o["id"].as_str() > started["id"].as_str()).cloned()
    })
    .await;
    google.wait(&stopped).await;
    assert_eq!(google.instance("vm").await["status"], "TERMINATED");
    assert!(!accepts(&root).await);
}

#[tokio::test]
async fn an_instance_is_deleted_if_it_says_so() {
    let google = Google::start(QUICK).await;
    // The run is over before the insertion is.
    let limit = json!({ "maxRunDuration": { "nanos": 1 }, "instanceTerminationAction": "DELETE" });
    let inserted = insert(&google, limit).await;
    assert_eq!(inserted["error"], Value::Null);
    eventually("it is gone", || async {
        (google.get(&format!("zones/{ZONE}/instances/vm")).await.0 == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_run_has_its_own_end() {
    let google = Google::start(QUICK).await;
    insert(&google, json!({ "maxRunDuration": { "seconds": 3600 } })).await;
    let mut last = None;
    for (down, up) in [("stop", "start"), ("suspend", "resume")] {
        let running = google.instance("vm").await;
        let end = running.pointer(TERMINATION).and_then(Value::as_str).map(str::to_owned);
        assert!(end.is_some() && end > last, "{end:?} after {last:?}");
        last = end;
        google.change("vm", down).await;
        assert_eq!(google.instance("vm").await.pointer(TERMINATION), None);
        google.change("vm", up).await;
    }
}
