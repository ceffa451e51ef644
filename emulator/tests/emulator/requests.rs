//! Requests are checked against the discovery document and the rules of Compute Engine.

use reqwest::Method;
use serde_json::{json, Value};

use crate::harness::{instance, Google, QUICK, ZONE};

#[tokio::test]
async fn bodies_that_do_not_fit_the_schema() {
    let google = Google::start(QUICK).await;
    let cases = [
        ("/nmae", json!("x"), "Invalid JSON payload received. Unknown name \"nmae\": Cannot find field."),
        (
            "/disks/0/boots",
            json!(true),
            "Invalid JSON payload received. Unknown name \"boots\" at 'resource.disks[0]': Cannot find field.",
        ),
        (
            "/scheduling",
            json!({ "preemptible": "x" }),
            "Invalid value at 'resource.scheduling.preemptible' (TYPE_BOOL), \"x\"",
        ),
        ("/disks/0/diskSizeGb", json!("ten"), "Invalid value at 'resource.disks[0].diskSizeGb' (TYPE_INT64), \"ten\""),
        ("/tags", json!({ "items": "web" }), "Invalid value at 'resource.tags.items' (TYPE_LIST), \"web\""),
        ("/labels", json!({ "a": 1 }), "Invalid value at 'resource.labels.a' (TYPE_STRING), 1"),
    ];
    for (pointer, value, message) in cases {
        let (status, body) = google.insert(with(pointer, value)).await;
        assert_eq!((status, &body["error"]["message"]), (400, &json!(message)), "{pointer}");
        assert_eq!(body["error"]["status"], "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn instances_that_compute_engine_refuses() {
    let google = Google::start(QUICK).await;
    let cases = [
        ("/name", Value::Null, "required", "resource.name"),
        ("/name", json!("Not_A_Name"), "invalid", "resource.name"),
        ("/machineType", Value::Null, "required", "resource.machineType"),
        ("/machineType", json!("n1-standard-1"), "invalid", "The URL is malformed."),
        (
            "/machineType",
            json!("zones/us-east1-b/machineTypes/n1-standard-1"),
            "invalid",
            "in the instance's zone",
        ),
        (
            "/machineType",
            json!(format!("zones/{ZONE}/machineTypes/n1-standard-3")),
            "invalid",
            "Machine type with name 'n1-standard-3' does not exist in zone 'us-central1-a'.",
        ),
        ("/disks", json!([]), "required", "'resource.disks': ''. No disks are specified."),
        ("/disks/0/boot", json!(false), "invalid", "Boot disk"),
        ("/disks/0/initializeParams", json!({}), "required", "sourceImage"),
        ("/disks/0/initializeParams/sourceImage", json!("debian-12"), "invalid", "The URL is malformed."),
        ("/networkInterfaces", Value::Null, "required", "resource.networkInterfaces"),
        (
            "/networkInterfaces/0/accessConfigs",
            json!([{ "natIP": "203.0.113.9" }]),
            "invalid",
            "'203.0.113.9' was not found in region 'us-central1'.",
        ),
        (
            "/networkInterfaces/0/accessConfigs",
            json!([{ "type": "DIRECT_IPV6" }]),
            "invalid",
            "ONE_TO_ONE_NAT",
        ),
        ("/networkInterfaces/0/ipv6AccessConfigs", json!([{}]), "invalid", "stack type"),
        ("/networkInterfaces/0/stackType", json!("IPV4_IPV6"), "invalid", "has no IPv6 addresses"),
        ("/disks/0/source", json!("global/disks/d"), "invalid", "The URL is malformed."),
        ("/disks/0/source", json!("zones/us-east1-b/disks/d"), "invalid", "in the instance's zone"),
        ("/labels", json!({ "Team": "a" }), "invalid", "'resource.labels': 'Team'"),
        ("/tags", json!({ "items": ["Web"] }), "invalid", "resource.tags.items[0]"),
        ("/scheduling", json!({ "provisioningModel": "CHEAP" }), "invalid", "SPOT"),
        (
            "/scheduling",
            json!({ "provisioningModel": "SPOT", "automaticRestart": true }),
            "invalid",
            "automaticRestart",
        ),
        (
            "/scheduling",
            json!({ "instanceTerminationAction": "STOP" }),
            "invalid",
            "instanceTerminationAction",
        ),
        (
            "/scheduling",
            json!({ "maxRunDuration": { "seconds": 121 * 24 * 3600 } }),
            "invalid",
            "resource.scheduling.maxRunDuration",
        ),
    ];
    for (pointer, value, reason, text) in cases {
        let (status, body) = google.insert(with(pointer, value.clone())).await;
        assert_eq!(
            (status, &body["error"]["errors"][0]["reason"]),
            (400, &json!(reason)),
            "{pointer} {value}: {body}"
        );
        assert!(body["error"]["message"].as_str().unwrap().contains(text), "{pointer} {value}: {body}");
    }
}

#[tokio::test]
async fn an_instance_comes_back_as_google_returns_it() {
    let google = Google::start(QUICK).await;
    let mut body =
        with("/scheduling", json!({ "provisioningModel": "SPOT", "maxRunDuration": { "seconds": 60 } }));
    body["tags"] = json!({ "items": ["http-server"] });
    body["metadata"] = json!({ "items": [{ "key": "startup-script", "value": "true" }] });
    body["labels"] = json!({ "team": "a" });
    body["serviceAccounts"] = json!([{ "email": "default", "scopes": ["s"] }]);
    // Read-only fields are accepted and ignored.
    body["status"] = json!("TERMINATED");
    let machine_type =
        format!("https://www.googleapis.com/compute/v1/projects/p/zones/{ZONE}/machineTypes/e2-micro");
    body["machineType"] = json!(machine_type);
    let (status, operation) = google.insert(body).await;
    assert_eq!(status, 200, "{operation}");
    google.wait(&operation).await;

    let instance = google.instance("vm").await;
    let root = format!("{}/compute/v1/projects/emulator-project", google.endpoint);
    let expected = [
        ("/kind", json!("compute#instance")),
        ("/status", json!("RUNNING")),
        ("/id", operation["targetId"].clone()),
        ("/zone", json!(format!("{root}/zones/{ZONE}"))),
        ("/selfLink", operation["targetLink"].clone()),
        ("/machineType", json!(format!("{root}/zones/{ZONE}/machineTypes/e2-micro"))),
        ("/tags/items", json!(["http-server"])),
        ("/metadata/items", json!([{ "key": "startup-script", "value": "true" }])),
        ("/labels", json!({ "team": "a" })),
        ("/serviceAccounts", json!([{ "email": "default", "scopes": ["s"] }])),
        ("/scheduling/preemptible", json!(true)),
        ("/scheduling/automaticRestart", json!(false)),
        ("/scheduling/instanceTerminationAction", json!("STOP")),
        ("/scheduling/maxRunDuration", json!({ "seconds": "60" })),
        ("/disks/0/diskSizeGb", json!("10")),
        ("/disks/0/initializeParams", Value::Null),
        ("/disks/0/source", json!(format!("{root}/zones/{ZONE}/disks/vm"))),
        ("/networkInterfaces/0/network", json!(format!("{root}/global/networks/default"))),
    ];
    for (pointer, value) in expected {
        assert_eq!(instance.pointer(pointer).unwrap_or(&Value::Null), &value, "{pointer}");
    }
    for pointer in ["/tags/fingerprint", "/metadata/fingerprint", "/labelFingerprint", "/fingerprint"] {
        assert!(instance.pointer(pointer).is_some_and(Value::is_string), "{pointer}");
    }
    assert!(instance["creationTimestamp"].as_str().unwrap().ends_with("-08:00"), "Pacific time, as Google's");
}

#[tokio::test]
async fn paths_and_queries_that_do_not_fit() {
    let google = Google::start(QUICK).await;
    let zone = format!("zones/{ZONE}");
    let cases = [
        (
            "zones/us-nowhere1-a/instances".to_owned(),
            400,
            "Invalid value for field 'zone': 'us-nowhere1-a'. Unknown zone.",
        ),
        (format!("{zone}/instances/missing"), 404, "instances/missing' was not found"),
        (format!("{zone}/instances/Not_A_Name"), 400, "Must be a match of regex"),
        (format!("{zone}/operations/operation-1"), 404, "operations/operation-1' was not found"),
        (format!("{zone}/instances?colour=red"), 400, "Unknown name \"colour\""),
        (format!("{zone}/instances?maxResults=many"), 400, "(TYPE_UINT32), \"many\""),
        (format!("{zone}/instances?fields=itmes"), 400, "Invalid field selection itmes"),
        (format!("{zone}/instances?filter=x"), 501, "does not implement the filter 'x'"),
        (format!("{zone}/instances?filter=x%3D1"), 400, "Invalid list filter expression."),
        (
            format!("{zone}/instances?orderBy=status"),
            400,
            "Only 'name' and 'creationTimestamp desc' are known.",
        ),
        (format!("{zone}/instances?maxResults=501"), 400, "less than or equal to 500"),
        ("regions/us-nowhere1/addresses".to_owned(), 400, "'region': 'us-nowhere1'. Unknown region."),
        ("global/firewalls".to_owned(), 501, "does not implement compute.firewalls.list"),
        (format!("{zone}/spaceships"), 404, "was not found on this server"),
    ];
    for (path, status, text) in cases {
        let (got, body) = google.get(&path).await;
        assert_eq!(got, status, "{path}: {body}");
        assert_eq!(body["error"]["code"], status);
        assert!(body["error"]["message"].as_str().unwrap().contains(text), "{path}: {body}");
    }
    for id in ["x", "00000000-0000-0000-0000-000000000000"] {
        let (status, body) = google.post(&format!("{zone}/instances/vm/start?requestId={id}")).await;
        assert_eq!((status, &body["error"]["errors"][0]["reason"]), (400, &json!("invalid")), "{id}");
    }
}

#[tokio::test]
async fn another_project_is_forbidden() {
    let google = Google::start(QUICK).await;
    let (status, body) = google.get(&format!("../other-project/zones/{ZONE}/instances/vm")).await;
    assert_eq!((status, &body["error"]["errors"][0]["reason"]), (403, &json!("forbidden")));
    let message = format!(
        "Required 'compute.instances.get' permission for 'projects/other-project/zones/{ZONE}/instances/vm'"
    );
    assert_eq!(body["error"]["message"], message);
}

#[tokio::test]
async fn fields_and_pages() {
    let google = Google::start(QUICK).await;
    for name in ["a", "b", "c"] {
        google.create(name).await;
    }
    let path = format!("zones/{ZONE}/instances?fields=items(name,status),nextPageToken&maxResults=2");
    let (_, first) = google.get(&path).await;
    let item = |name: &str| json!({ "name": name, "status": "RUNNING" });
    assert_eq!(first, json!({ "items": [item("a"), item("b")], "nextPageToken": "b" }));
    let (_, second) = google.get(&format!("{path}&pageToken=b")).await;
    assert_eq!(second, json!({ "items": [item("c")] }));

    let fields = "fields=status,networkInterfaces/accessConfigs(type)";
    let (_, part) = google.get(&format!("zones/{ZONE}/instances/a?{fields}")).await;
    let interfaces = json!([{ "accessConfigs": [{ "type": "ONE_TO_ONE_NAT" }] }]);
    assert_eq!(part, json!({ "status": "RUNNING", "networkInterfaces": interfaces }));
}

#[tokio::test]
async fn operations_are_listed_and_deleted() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    let (_, list) = google.get(&format!("zones/{ZONE}/operations")).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let name = list["items"][0]["name"].as_str().unwrap();
    let path = format!("zones/{ZONE}/operations/{name}");
    assert_eq!(google.call(Method::DELETE, &path, None).await, (204, Value::Null));
    assert_eq!(google.get(&path).await.0, 404);
}

/// Returns the usual body with one value replaced; null removes it.
fn with(pointer: &str, value: Value) -> Value {
    let mut body = instance("vm");
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}
