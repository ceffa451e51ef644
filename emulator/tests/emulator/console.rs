//! The serial port of an instance.

use serde_json::{json, Value};

use crate::harness::{instance, Google, QUICK, ZONE};

async fn read(google: &Google, query: &str) -> (u16, Value) {
    google.get(&format!("zones/{ZONE}/instances/vm/serialPort?{query}")).await
}

#[tokio::test]
async fn each_boot_is_on_the_console() {
    let google = Google::start(QUICK).await;
    let mut body = instance("vm");
    let script = "#!/bin/sh -e\necho second line";
    body["metadata"] = json!({ "items": [{ "key": "startup-script", "value": script }] });
    let (_, operation) = google.insert(body).await;
    google.wait(&operation).await;

    let (status, first) = read(&google, "").await;
    assert_eq!(
        (status, &first["kind"], &first["start"]),
        (200, &json!("compute#serialPortOutput"), &json!("0"))
    );
    let text = first["contents"].as_str().unwrap();
    assert!(text.contains("Hostname set to <vm>") && text.contains("#!/bin/sh -e\r\n"), "{text}");
    assert!(!text.contains("second line"), "{text}");
    let next = first["next"].as_str().unwrap();
    assert_eq!(next, text.len().to_string());

    let (_, nothing) = read(&google, &format!("port=1&start={next}")).await;
    assert_eq!((&nothing["contents"], &nothing["next"]), (&json!(""), &json!(next)));
    assert_eq!(read(&google, "port=2").await.1["contents"], "");
    assert_eq!(read(&google, "port=5").await.0, 400);

    google.change("vm", "reset").await;
    let (_, second) = read(&google, &format!("start={next}")).await;
    assert_eq!((&second["contents"], &second["start"]), (&first["contents"], &json!(next)));
}

#[tokio::test]
async fn a_stopped_instance_has_no_console() {
    let google = Google::start(QUICK).await;
    google.create("vm").await;
    let (_, before) = read(&google, "").await;
    google.change("vm", "stop").await;
    let (status, refused) = read(&google, "").await;
    assert_eq!((status, &refused["error"]["errors"][0]["reason"]), (400, &json!("resourceNotReady")));
    google.change("vm", "start").await;
    assert_eq!(read(&google, "").await.1, before);
}
