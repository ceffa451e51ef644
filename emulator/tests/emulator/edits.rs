//! The methods that change an instance's definition.

use reqwest::Method;
use serde_json::{json, Value};

use crate::harness::{Google, NEVER, QUICK, ZONE};

async fn set(google: &Google, method: &str, body: Value) -> (u16, Value) {
    google.call(Method::POST, &format!("zones/{ZONE}/instances/vm/{method}"), Some(body)).await
}

/// Calls the method and waits for its operation, which must succeed.
async fn set_well(google: &Google, method: &str, body: Value) {
    let (status, operation) = set(google, method, body).await;
    assert_eq!((status, &operation["operationType"]), (200, &json!(method)), "{operation}");
    assert_eq!(operation["status"], "PENDING");
    let done = google.wait(&operation).await;
    assert_eq!(done["error"], Value::Null, "{done}");
}

#[tokio::test]
async fn the_machine_type_of_a_stopped_instance() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    let body = json!({ "machineType": format!("zones/{ZONE}/machineTypes/e2-custom-2-4096") });
    let (status, refused) = set(&google, "setMachineType", body.clone()).await;
    assert_eq!((status, &refused["error"]["errors"][0]["reason"]), (400, &json!("invalid")));
    assert!(refused["error"]["message"].as_str().unwrap().contains("while the instance is stopped"));

    google.change("vm", "stop").await;
    for (wrong, text) in [
        (json!({}), "Machine type must be given."),
        (json!({ "machineType": "zones/us-east1-b/machineTypes/e2-small" }), "in the instance's zone"),
        (json!({ "machineType": format!("zones/{ZONE}/machineTypes/e2-tiny") }), "'e2-tiny' does not exist"),
        (json!({ "machine_type": "e2-small" }), "Unknown name \"machine_type\""),
    ] {
        let (status, refused) = set(&google, "setMachineType", wrong).await;
        assert_eq!(status, 400);
        assert!(refused["error"]["message"].as_str().unwrap().contains(text), "{refused}");
    }
    let before = google.instance("vm").await;
    set_well(&google, "setMachineType", body).await;
    let after = google.instance("vm").await;
    assert!(after["machineType"].as_str().unwrap().ends_with("/e2-custom-2-4096"));
    assert_ne!(after["fingerprint"], before["fingerprint"]);
}

#[tokio::test]
async fn the_scheduling_of_a_stopped_instance() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    let spot = json!({ "provisioningModel": "SPOT", "instanceTerminationAction": "DELETE" });
    assert_eq!(set(&google, "setScheduling", spot.clone()).await.0, 400);

    google.change("vm", "stop").await;
    set_well(&google, "setScheduling", spot).await;
    let expected = json!({
        "provisioningModel": "SPOT", "preemptible": true, "automaticRestart": false,
        "onHostMaintenance": "TERMINATE", "instanceTerminationAction": "DELETE",
    });
    assert_eq!(google.instance("vm").await["scheduling"], expected);
    let (status, refused) = set(&google, "setScheduling", json!({ "automaticRestart": true })).await;
    assert_eq!((status, &refused["error"]["errors"][0]["reason"]), (400, &json!("invalid")));
}

#[tokio::test]
async fn what_has_a_fingerprint_changes_only_with_it() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    let cases = [
        (
            "setMetadata",
            json!({ "items": [{ "key": "k", "value": "v" }] }),
            ("/metadata/items", "/metadata/fingerprint", "fingerprint"),
            "Supplied fingerprint does not match current metadata fingerprint.",
        ),
        (
            "setTags",
            json!({ "items": ["web"] }),
            ("/tags/items", "/tags/fingerprint", "fingerprint"),
            "Supplied fingerprint does not match current tags fingerprint.",
        ),
        (
            "setLabels",
            json!({ "labels": { "team": "a" } }),
            ("/labels", "/labelFingerprint", "labelFingerprint"),
            "Labels fingerprint either invalid or resource labels have changed",
        ),
    ];
    for (method, body, (content, current, given), message) in cases {
        let first = google.instance("vm").await.pointer(current).unwrap().clone();
        let with = |fingerprint: &Value| {
            let mut body = body.clone();
            body[given] = fingerprint.clone();
            body
        };
        for wrong in [Value::Null, json!("AAAAAAAAAAA=")] {
            let (status, refused) = set(&google, method, with(&wrong)).await;
            let entry = json!([{
                "message": message, "domain": "global", "reason": "conditionNotMet",
                "location": "If-Match", "locationType": "header",
            }]);
            assert_eq!((status, &refused["error"]["errors"]), (412, &entry), "{method}");
        }
        set_well(&google, method, with(&first)).await;
        let after = google.instance("vm").await;
        let part = content.rsplit('/').next().unwrap();
        assert_eq!(after.pointer(content), Some(&body[part]), "{method}");
        assert_eq!(set(&google, method, with(&first)).await.0, 412, "{method}");

        // Setting the same value again is a change, too.
        let second = after.pointer(current).unwrap();
        set_well(&google, method, with(second)).await;
        assert_ne!(google.instance("vm").await.pointer(current), Some(second), "{method}");
    }
}

#[tokio::test]
async fn a_change_takes_time_and_holds_the_instance() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    google.control(Method::PUT, "timing", Some(json!({ "stage_ms": NEVER }))).await;
    let before = google.instance("vm").await;
    let body = json!({ "labels": { "a": "b" }, "labelFingerprint": before["labelFingerprint"] });
    let (status, operation) = set(&google, "setLabels", body.clone()).await;
    assert_eq!((status, &operation["status"]), (200, &json!("PENDING")));
    assert_eq!(google.instance("vm").await, before);
    let (status, refused) = set(&google, "setLabels", body).await;
    assert_eq!((status, &refused["error"]["errors"][0]["reason"]), (400, &json!("resourceNotReady")));
}

#[tokio::test]
async fn a_repeated_or_failing_change() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    let before = google.instance("vm").await;
    let body = json!({ "items": ["web"], "fingerprint": before["tags"]["fingerprint"] });
    let fault = json!({ "method": "instances.setTags", "operation_error": "INTERNAL_ERROR" });
    google.control(Method::POST, "faults", Some(fault)).await;
    let (_, operation) = set(&google, "setTags", body.clone()).await;
    let done = google.wait(&operation).await;
    assert_eq!(done["error"]["errors"][0]["code"], "INTERNAL_ERROR");
    assert_eq!(google.instance("vm").await, before);

    let method = "setTags?requestId=0f8fad5b-d9cb-469f-a165-70867728950e&fields=name,status";
    let (_, first) = set(&google, method, body.clone()).await;
    assert_eq!(first.as_object().unwrap().len(), 2, "{first}");
    google.wait(&first).await;
    // The fingerprint is out of date by now.
    let (status, again) = set(&google, method, body).await;
    assert_eq!((status, again), (200, json!({ "name": first["name"], "status": "DONE" })));
}
