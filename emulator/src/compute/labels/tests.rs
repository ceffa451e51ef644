use serde_json::json;

use super::*;

#[test]
fn labels_that_fit_and_others() {
    for good in [json!({}), json!({ "a": "" }), json!({ "team_1-x": "0-a" }), json!({ "größe": "ü" })] {
        assert_eq!(check(Some(&good)), Ok(()), "{good}");
    }
    let long = "a".repeat(64);
    for bad in
        [json!({ "": "" }), json!({ "A": "" }), json!({ "1": "" }), json!({ "a": "B" }), json!({ "a": long })]
    {
        assert!(check(Some(&bad)).is_err(), "{bad}");
    }
    let many: serde_json::Map<_, _> = (0..65).map(|n| (format!("l{n}"), json!(""))).collect();
    assert!(check(Some(&Value::Object(many))).is_err());
}
