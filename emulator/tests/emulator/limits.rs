//! Limits: quotas, stockouts and the rate limit.

use reqwest::Method;
use serde_json::{json, Value};

use crate::harness::{instance, Google, QUICK, ZONE};

/// Inserts an instance and returns its operation.
async fn operation_of_insert(google: &Google, body: Value) -> Value {
    let (status, operation) = google.insert(body).await;
    assert_eq!(status, 200, "{operation}");
    google.wait(&operation).await
}

async fn set_quota(google: &Google, metric: &str, limit: Value) {
    let body = json!({ "us-central1": { metric: limit } });
    let (status, body) = google.control(Method::PUT, "quotas", Some(body)).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn more_than_a_quota_is_refused_by_the_operation() {
    let google = Google::start(QUICK).await;
    set_quota(&google, "CPUS", json!(1)).await;
    google.create("vm").await;
    let done = operation_of_insert(&google, instance("second")).await;
    let error = json!([{
        "code": "QUOTA_EXCEEDED",
        "message": "Quota 'CPUS' exceeded.  Limit: 1.0 in region us-central1.",
        "errorDetails": [{ "quotaInfo": {
            "metricName": "compute.googleapis.com/cpus",
            "limitName": "CPUS-per-project-region",
            "dimensions": { "region": "us-central1" },
            "limit": 1.0,
        } }],
    }]);
    assert_eq!(done["error"]["errors"], error);
    assert_eq!((&done["httpErrorStatusCode"], &done["httpErrorMessage"]), (&json!(403), &json!("FORBIDDEN")));
    assert_eq!(google.get(&format!("zones/{ZONE}/instances/second")).await.0, 404);
    assert_eq!(google.get(&format!("zones/{ZONE}/disks/second")).await.0, 404);

    let (_, region) = google.get("regions/us-central1").await;
    assert_eq!(region["quotas"], json!([{ "metric": "CPUS", "limit": 1.0, "usage": 1.0 }]));
    assert_eq!(google.get("regions/us-east1").await.1["quotas"], json!([]));

    // A stopped instance uses no processors, and needs them again to start.
    google.change("vm", "stop").await;
    google.create("second").await;
    let done = google.change("vm", "start").await;
    assert_eq!(done["error"]["errors"][0]["code"], "QUOTA_EXCEEDED");
    assert_eq!(google.instance("vm").await["status"], "TERMINATED");
    set_quota(&google, "CPUS", Value::Null).await;
    assert_eq!(google.change("vm", "start").await["error"], Value::Null);
}

#[tokio::test]
async fn every_quota_counts_its_own() {
    let spot = json!({ "provisioningModel": "SPOT" });
    let cases = [
        ("INSTANCES", json!({})),
        ("IN_USE_ADDRESSES", json!({})),
        ("DISKS_TOTAL_GB", json!({})),
        ("N2_CPUS", json!({ "machineType": format!("zones/{ZONE}/machineTypes/n2-standard-2") })),
        ("PREEMPTIBLE_CPUS", json!({ "scheduling": spot })),
    ];
    for (metric, parts) in cases {
        let google = Google::start(QUICK).await;
        let mut body = instance("vm");
        body.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        set_quota(&google, metric, json!(0)).await;
        let done = operation_of_insert(&google, body.clone()).await;
        let message = done["error"]["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.starts_with(&format!("Quota '{metric}' exceeded.")), "{metric}: {done}");
        set_quota(&google, metric, json!(10)).await;
        assert_eq!(operation_of_insert(&google, body).await["error"], Value::Null, "{metric}");
    }
    let google = Google::start(QUICK).await;
    set_quota(&google, "STATIC_ADDRESSES", json!(0)).await;
    let body = json!({ "name": "a" });
    let (_, operation) = google.call(Method::POST, "regions/us-central1/addresses", Some(body)).await;
    assert_eq!(google.wait(&operation).await["error"]["errors"][0]["code"], "QUOTA_EXCEEDED");
}

#[tokio::test]
async fn a_zone_is_out_of_stock_until_it_is_lifted() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    google.change("vm", "stop").await;
    let stockout = json!({ "zone": ZONE, "machine_type": "n1-standard-1" });
    let (status, _) = google.control(Method::POST, "stockouts", Some(stockout.clone())).await;
    assert_eq!(status, 201);
    let listed = google.control(Method::GET, "stockouts", None).await.1;
    assert_eq!(listed, json!({ "stockouts": [stockout] }));

    for done in [google.change("vm", "start").await, operation_of_insert(&google, instance("other")).await] {
        let error = &done["error"]["errors"][0];
        assert_eq!(error["code"], "ZONE_RESOURCE_POOL_EXHAUSTED");
        assert!(error["message"].as_str().unwrap().contains("does not have enough resources available"));
        let info = error["errorDetails"].as_array().unwrap().iter().find_map(|d| d.get("errorInfo")).unwrap();
        assert_eq!(
            (&info["metadatas"]["vmType"], &info["metadatas"]["zone"]),
            (&json!("n1-standard-1"), &json!(ZONE))
        );
        assert_eq!(done["httpErrorStatusCode"], 503);
    }
    let mut body = instance("small");
    body["machineType"] = json!(format!("zones/{ZONE}/machineTypes/e2-small"));
    assert_eq!(operation_of_insert(&google, body).await["error"], Value::Null, "other types are there");
    google.control(Method::DELETE, "stockouts", None).await;
    assert_eq!(google.change("vm", "start").await["error"], Value::Null);
}

#[tokio::test]
async fn spot_machines_run_out_alone() {
    let google = Google::start(QUICK).await;
    google.control(Method::POST, "stockouts", Some(json!({ "provisioning_model": "SPOT" }))).await;
    let mut body = instance("spot");
    body["scheduling"] = json!({ "provisioningModel": "SPOT" });
    assert_eq!(
        operation_of_insert(&google, body).await["error"]["errors"][0]["code"],
        "ZONE_RESOURCE_POOL_EXHAUSTED"
    );
    google.create("standard").await;
}

#[tokio::test]
async fn too_many_calls_are_refused() {
    let google = Google::start(QUICK).await;
    for (status, code) in [(403, "PERMISSION_DENIED"), (429, "RESOURCE_EXHAUSTED")] {
        let limit = json!({ "calls": 1, "per_ms": 3_600_000, "status": status });
        assert_eq!(google.control(Method::PUT, "rate-limit", Some(limit)).await.0, 200);
        assert_eq!(google.get("zones").await.0, 200);
        let (got, refused) = google.get("zones").await;
        assert_eq!(got, status);
        assert_eq!(refused["error"]["status"], code);
        let entry = &refused["error"]["errors"][0];
        assert_eq!(
            (&entry["domain"], &entry["reason"]),
            (&json!("usageLimits"), &json!("rateLimitExceeded"))
        );
        assert_eq!(google.grant(&google.assertion(json!({}))).await.0, 200, "tokens are not limited");
    }
    assert_eq!(google.control(Method::DELETE, "rate-limit", None).await.0, 200);
    assert_eq!(google.get("zones").await.0, 200);
}

#[tokio::test]
async fn limits_that_make_no_sense() {
    let google = Google::start(QUICK).await;
    let cases = [
        (Method::PUT, "quotas", json!({ "us-nowhere1": { "CPUS": 1 } }), "unknown region"),
        (Method::PUT, "quotas", json!({ "us-central1": { "SPACESHIPS": 1 } }), "unknown metric"),
        (Method::PUT, "quotas", json!({ "us-central1": { "CPUS": -1 } }), "u64"),
        (Method::POST, "stockouts", json!({ "zone": "us-nowhere1-a" }), "unknown zone"),
        (Method::POST, "stockouts", json!({ "machine_type": "e2-tiny" }), "unknown machine type"),
        (Method::POST, "stockouts", json!({ "provisioning_model": "CHEAP" }), "SPOT or STANDARD"),
        (Method::POST, "stockouts", json!({ "zoen": ZONE }), "unknown field"),
        (Method::PUT, "rate-limit", json!({ "calls": 1, "status": 500 }), "403 or 429"),
        (Method::PUT, "rate-limit", json!({ "calls": 1, "per_ms": 0 }), "per_ms"),
    ];
    for (method, path, body, text) in cases {
        let (status, refused) = google.control(method, path, Some(body.clone())).await;
        assert_eq!(status, 400, "{body}");
        assert!(refused["error"].as_str().unwrap().contains(text), "{body}: {refused}");
    }
}
