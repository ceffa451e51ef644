use super::*;

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[test]
fn what_is_not_given_stays() {
    let before = complete(map(json!({
        "provisioningModel": "SPOT", "maxRunDuration": { "seconds": "60" }, "instanceTerminationAction": "DELETE",
    })))
    .unwrap();
    let after = update(before.clone(), &map(json!({ "maxRunDuration": { "seconds": "90" } }))).unwrap();
    assert_eq!(max_run_duration(&after), Some(Duration::from_secs(90)));
    assert_eq!(after["instanceTerminationAction"], "DELETE");
    // The model is the current one.
    assert_eq!(update(before.clone(), &map(json!({ "provisioningModel": "SPOT" }))).unwrap(), before);
}

#[test]
fn what_is_given_as_null_is_cleared() {
    let before = complete(map(json!({
        "maxRunDuration": { "seconds": "60" }, "instanceTerminationAction": "STOP",
    })));
    let cleared = map(json!({ "maxRunDuration": null, "instanceTerminationAction": null }));
    assert_eq!(update(before.unwrap(), &cleared), complete(Map::new()));
    let spot = complete(map(json!({ "provisioningModel": "SPOT", "maxRunDuration": { "seconds": "60" } })));
    let cleared = update(spot.unwrap(), &map(json!({ "maxRunDuration": null }))).unwrap();
    assert_eq!(cleared["instanceTerminationAction"], "STOP");
    assert_eq!(max_run_duration(&cleared), None);
}

#[test]
fn a_new_model_brings_its_own_options() {
    let standard = complete(Map::new()).unwrap();
    let spot = update(standard.clone(), &map(json!({ "provisioningModel": "SPOT" }))).unwrap();
    assert_eq!(
        Value::Object(spot.clone()),
        json!({
            "provisioningModel": "SPOT", "preemptible": true, "automaticRestart": false,
            "onHostMaintenance": "TERMINATE", "instanceTerminationAction": "STOP",
        })
    );
    assert_eq!(update(spot.clone(), &map(json!({ "preemptible": false }))).unwrap(), standard);
    let restart = map(json!({ "automaticRestart": true }));
    assert_eq!(update(spot, &restart).unwrap_err().reason, "invalid");
}
