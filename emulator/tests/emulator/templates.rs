//! Instance templates, and instances made from them.

use reqwest::Method;
use serde_json::{json, Value};

use crate::harness::{Google, QUICK, ZONE};

const TEMPLATES: &str = "global/instanceTemplates";

fn template(name: &str) -> Value {
    json!({
        "name": name,
        "description": "for tests",
        "properties": {
            "machineType": "e2-small",
            "description": "made from a template",
            "labels": { "team": "a", "tier": "web" },
            "tags": { "items": ["http-server"] },
            "metadata": { "items": [{ "key": "k", "value": "v" }] },
            "scheduling": { "provisioningModel": "SPOT", "instanceTerminationAction": "STOP" },
            "disks": [{
                "boot": true,
                "autoDelete": true,
                "initializeParams": {
                    "sourceImage": "projects/debian-cloud/global/images/family/debian-12",
                    "diskType": "pd-balanced",
                },
            }],
            "networkInterfaces": [{ "network": "global/networks/default", "accessConfigs": [{}] }],
        },
    })
}

async fn insert_from(google: &Google, source: &str, body: Value) -> (u16, Value) {
    let path = format!("zones/{ZONE}/instances?sourceInstanceTemplate={source}");
    google.call(Method::POST, &path, Some(body)).await
}

#[tokio::test]
async fn a_template_is_kept_listed_and_deleted() {
    let google = Google::start(QUICK).await;
    let done = google.done(Method::POST, TEMPLATES, Some(template("web"))).await;
    assert_eq!((&done["zone"], &done["region"]), (&Value::Null, &Value::Null));
    assert!(done["selfLink"].as_str().unwrap().contains("/global/operations/"));
    assert_eq!(google.get(&format!("global/operations/{}", done["name"].as_str().unwrap())).await.0, 200);

    let (status, kept) = google.get(&format!("{TEMPLATES}/web")).await;
    assert_eq!((status, &kept["kind"]), (200, &json!("compute#instanceTemplate")));
    assert_eq!(kept["properties"], template("web")["properties"]);
    let (_, list) = google.get(&format!("{TEMPLATES}?fields=kind,items/name")).await;
    assert_eq!(list, json!({ "kind": "compute#instanceTemplateList", "items": [{ "name": "web" }] }));
    assert_eq!(google.call(Method::POST, TEMPLATES, Some(template("web"))).await.0, 409);

    google.done(Method::DELETE, &format!("{TEMPLATES}/web"), None).await;
    assert_eq!(google.get(&format!("{TEMPLATES}/web")).await.0, 404);
}

#[tokio::test]
async fn an_instance_has_its_templates_properties_and_what_the_body_says_over_them() {
    let google = Google::start(QUICK).await;
    google.done(Method::POST, TEMPLATES, Some(template("web"))).await;
    let root = format!("{}/compute/v1/projects/emulator-project", google.endpoint);

    let (status, operation) =
        insert_from(&google, "global/instanceTemplates/web", json!({ "name": "plain" })).await;
    assert_eq!(status, 200, "{operation}");
    assert_eq!(google.wait(&operation).await["error"], Value::Null);
    let plain = google.instance("plain").await;
    let expected = [
        ("/machineType", json!(format!("{root}/zones/{ZONE}/machineTypes/e2-small"))),
        ("/description", json!("made from a template")),
        ("/labels", json!({ "team": "a", "tier": "web" })),
        ("/tags/items", json!(["http-server"])),
        ("/scheduling/provisioningModel", json!("SPOT")),
        ("/disks/0/source", json!(format!("{root}/zones/{ZONE}/disks/plain"))),
    ];
    for (pointer, value) in expected {
        assert_eq!(plain.pointer(pointer), Some(&value), "{pointer}");
    }
    let (_, disk) = google.get(&format!("zones/{ZONE}/disks/plain?fields=type")).await;
    assert_eq!(disk["type"], format!("{root}/zones/{ZONE}/diskTypes/pd-balanced"));

    // A full URL; objects are merged, arrays and plain values replaced.
    let source = format!("https://www.googleapis.com/compute/v1/projects/emulator-project/{TEMPLATES}/web");
    let body = json!({
        "name": "other",
        "machineType": format!("zones/{ZONE}/machineTypes/n1-standard-1"),
        "labels": { "tier": "db" },
        "tags": { "items": ["ssh"] },
        "networkInterfaces": [{}],
    });
    let (_, operation) = insert_from(&google, &source, body).await;
    assert_eq!(google.wait(&operation).await["error"], Value::Null);
    let other = google.instance("other").await;
    assert!(other["machineType"].as_str().unwrap().ends_with("/n1-standard-1"));
    assert_eq!(other["labels"], json!({ "team": "a", "tier": "db" }));
    assert_eq!(other["tags"]["items"], json!(["ssh"]));
    assert_eq!(other["networkInterfaces"][0]["accessConfigs"], Value::Null);
    assert_eq!(other["metadata"]["items"], json!([{ "key": "k", "value": "v" }]));
}

#[tokio::test]
async fn templates_that_cannot_be_used() {
    let google = Google::start(QUICK).await;
    let sources = [
        ("global/instanceTemplates/missing", 404, "global/instanceTemplates/missing' was not found"),
        ("web", 400, "The URL is malformed."),
        ("projects/other-project/global/instanceTemplates/web", 403, "permission"),
    ];
    for (source, expected, text) in sources {
        let (status, refused) = insert_from(&google, source, json!({ "name": "vm" })).await;
        assert_eq!(status, expected, "{refused}");
        assert!(refused["error"]["message"].as_str().unwrap().contains(text), "{refused}");
    }
    let cases = [
        ("/properties", Value::Null, "resource.properties"),
        ("/properties/machineType", Value::Null, "resource.properties.machineType"),
        (
            "/properties/machineType",
            json!(format!("zones/{ZONE}/machineTypes/e2-small")),
            "the name of a machine type",
        ),
        ("/properties/disk", json!([]), "Unknown name \"disk\" at 'resource.properties'"),
        ("/properties/scheduling/provisioningModel", json!("CHEAP"), "SPOT"),
    ];
    for (pointer, value, text) in cases {
        let mut body = template("web");
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        let (status, refused) = google.call(Method::POST, TEMPLATES, Some(body)).await;
        assert_eq!(status, 400, "{pointer}: {refused}");
        assert!(refused["error"]["message"].as_str().unwrap().contains(text), "{pointer}: {refused}");
    }
}
