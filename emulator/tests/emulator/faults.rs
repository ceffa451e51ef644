//! Faults apply to the requested calls, and to no others.

use reqwest::Method;
use serde_json::{json, Value};

use crate::harness::{instance, Google, QUICK, ZONE};

async fn inject(google: &Google, fault: Value) {
    let (status, body) = google.control(Method::POST, "faults", Some(fault)).await;
    assert_eq!(status, 201, "{body}");
}

#[tokio::test]
async fn a_status_comes_in_googles_shape_as_often_as_asked() {
    let google = Google::start(QUICK).await;
    let fault = json!({ "method": "instances.list", "times": 2, "status": 503, "code": "UNAVAILABLE", "message": "later" });
    inject(&google, fault).await;
    let path = format!("zones/{ZONE}/instances");
    for _ in 0..2 {
        let error = json!({
            "code": 503, "message": "later", "status": "UNAVAILABLE",
            "errors": [{ "domain": "global", "reason": "backendError", "message": "later" }],
        });
        assert_eq!(google.get(&path).await, (503, json!({ "error": error })));
        assert_eq!(google.get("zones").await.0, 200, "other methods are well");
    }
    assert_eq!(google.get(&path).await.0, 200);
}

#[tokio::test]
async fn the_token_server_fails_in_its_own_shape() {
    let google = Google::start(QUICK).await;
    inject(&google, json!({ "method": "token", "status": 500, "message": "Backend Error" })).await;
    let error = json!({ "error": "internal_failure", "error_description": "Backend Error" });
    assert_eq!(google.grant(&google.assertion(json!({}))).await, (500, error));
    assert_eq!(google.grant(&google.assertion(json!({}))).await.0, 200);
}

#[tokio::test]
async fn a_dropped_call_has_no_answer_and_no_effect() {
    let google = Google::start(QUICK).await;
    inject(&google, json!({ "method": "*", "drop": true })).await;
    assert!(google.request(Method::GET, "zones").send().await.is_err());
    assert_eq!(google.get("zones").await.0, 200);
}

#[tokio::test]
async fn a_dropped_answer_leaves_the_effect() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    inject(&google, json!({ "method": "instances.stop", "drop": "answer" })).await;
    let token = google.assertion(json!({ "aud": null }));
    let stop = google.request(Method::POST, &format!("zones/{ZONE}/instances/vm/stop")).bearer_auth(token);
    assert!(stop.send().await.is_err());
    assert_ne!(google.instance("vm").await["status"], "RUNNING");
}

#[tokio::test]
async fn an_insert_that_fails_leaves_no_instance() {
    let google = Google::start(QUICK).await;
    inject(&google, json!({ "method": "*", "operation_error": "ZONE_RESOURCE_POOL_EXHAUSTED" })).await;
    assert_eq!(google.get("zones").await.0, 200, "a call without an operation is not met");
    let (status, operation) = google.insert(instance("vm")).await;
    assert_eq!(status, 200);
    let done = google.wait(&operation).await;
    assert_eq!(done["error"]["errors"][0]["code"], "ZONE_RESOURCE_POOL_EXHAUSTED");
    let message = done["error"]["errors"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("The zone 'projects/emulator-project/zones/us-central1-a' does not"),
        "{message}"
    );
    assert_eq!(
        (&done["httpErrorStatusCode"], &done["httpErrorMessage"]),
        (&json!(503), &json!("SERVICE UNAVAILABLE"))
    );
    assert_eq!(google.get(&format!("zones/{ZONE}/instances/vm")).await.0, 404);
    google.create("vm").await;
}

#[tokio::test]
async fn a_change_that_fails_is_undone() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    let error = json!({ "code": "INTERNAL_ERROR", "message": "no luck" });
    for (verb, before) in
        [("stop", "RUNNING"), ("start", "TERMINATED"), ("suspend", "RUNNING"), ("resume", "SUSPENDED")]
    {
        inject(&google, json!({ "method": format!("instances.{verb}"), "operation_error": error })).await;
        let done = google.change("vm", verb).await;
        assert_eq!(done["error"]["errors"], json!([error]), "{verb}");
        assert_eq!(google.instance("vm").await["status"], before, "{verb}");
        assert_eq!(google.change("vm", verb).await["error"], Value::Null);
    }
}

#[tokio::test]
async fn a_running_server_survives_a_stop_that_fails() {
    let google = Google::start(QUICK).await;
    let root = google.create("vm").await;
    inject(&google, json!({ "method": "instances.stop", "operation_error": "INTERNAL_ERROR" })).await;
    google.change("vm", "stop").await;
    assert_eq!(google.http.get(root).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn faults_are_listed_and_cleared() {
    let google = Google::start(QUICK).await;
    inject(&google, json!({ "method": "instances.get", "times": 3, "delay_ms": 1 })).await;
    google.instance("vm").await;
    let left = json!({ "faults": [{ "method": "instances.get", "times": 2, "delay_ms": 1 }] });
    assert_eq!(google.control(Method::GET, "faults", None).await, (200, left));
    assert_eq!(google.control(Method::DELETE, "faults", None).await.0, 200);
    assert_eq!(google.control(Method::GET, "faults", None).await.1, json!({ "faults": [] }));
}

#[tokio::test]
async fn faults_that_make_no_sense() {
    let google = Google::start(QUICK).await;
    let cases = [
        (json!({ "method": "instances.fly", "status": 500 }), "unknown method"),
        (json!({ "status": 500 }), "missing field `method`"),
        (json!({ "method": "token", "statsu": 500 }), "unknown field `statsu`"),
        (json!({ "method": "token" }), "give one of"),
        (json!({ "method": "token", "status": 200 }), "from 400 to 599"),
        (json!({ "method": "token", "times": 0, "status": 500 }), "times"),
        (json!({ "method": "token", "drop": true, "reason": "x" }), "go with status"),
        (json!({ "method": "instances.stop", "status": 500, "drop": true }), "only one of"),
        (json!({ "method": "instances.get", "operation_error": "X" }), "makes no operation"),
    ];
    for (fault, text) in cases {
        let (status, body) = google.control(Method::POST, "faults", Some(fault.clone())).await;
        assert_eq!(status, 400, "{fault}");
        assert!(body["error"].as_str().unwrap().contains(text), "{fault}: {body}");
    }
}
