use serde_json::json;

use super::*;
use crate::discovery::COMPUTE;

fn select(fields: &str, value: Value) -> Result<Value, String> {
    let schema = &COMPUTE.schemas["Instance"];
    Fields::parse(fields, &COMPUTE, schema).map(|fields| fields.select(&value)).map_err(|error| error.message)
}

#[test]
fn keeps_what_was_asked_for() {
    let instance = json!({
        "name": "a", "status": "RUNNING", "labels": { "x": "1", "y": "2" },
        "disks": [{ "boot": true, "index": 0, "kind": "k" }, { "boot": false, "index": 1, "kind": "k" }],
        "networkInterfaces": [{ "name": "nic0", "accessConfigs": [{ "natIP": "127.0.0.9", "name": "n" }] }],
    });
    let cases = [
        ("name", json!({ "name": "a" })),
        ("name,labels/y", json!({ "name": "a", "labels": { "y": "2" } })),
        (
            "disks(boot,index)",
            json!({ "disks": [{ "boot": true, "index": 0 }, { "boot": false, "index": 1 }] }),
        ),
        (
            "disks/boot,disks/index",
            json!({ "disks": [{ "boot": true, "index": 0 }, { "boot": false, "index": 1 }] }),
        ),
        (
            "status,networkInterfaces/accessConfigs(natIP)",
            json!({ "status": "RUNNING", "networkInterfaces": [{ "accessConfigs": [{ "natIP": "127.0.0.9" }] }] }),
        ),
        ("*", instance.clone()),
    ];
    for (fields, expected) in cases {
        assert_eq!(select(fields, instance.clone()), Ok(expected), "{fields}");
    }
}

#[test]
fn refuses_what_it_cannot_read() {
    for fields in ["", "name,", "disks(boot", "disks(boot))", "/name", "disks()"] {
        assert_eq!(select(fields, json!({})), Err(format!("Invalid field selection {fields}")));
    }
    assert_eq!(select("nmae", json!({})), Err("Invalid field selection nmae".into()));
    assert_eq!(select("disks/bot", json!({})), Err("Invalid field selection bot".into()));
}
