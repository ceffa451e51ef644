use serde_json::json;

use super::*;
use crate::discovery::COMPUTE;

fn matches(text: &str) -> Result<bool, ApiError> {
    let resource = json!({
        "name": "vm-1", "status": "RUNNING", "labels": { "team-x": "a b" }, "scheduling": { "preemptible": true },
        "id": "900",
    });
    Filter::parse(text, &COMPUTE, &COMPUTE.schemas["Instance"]).map(|filter| filter.matches(&resource))
}

#[test]
fn expressions_of_any_field() {
    let cases = [
        ("name=vm-1", true),
        ("name = \"vm-2\"", false),
        ("name != vm-2", true),
        ("labels.team-x='a b'", true),
        ("labels.other=a", false),
        ("labels.other!=a", true),
        ("labels.other:*", false),
        ("labels.team-x:*", true),
        ("NOT labels.team-x:*", false),
        ("scheduling.preemptible = true", true),
        ("(name=vm-1) AND (status=RUNNING)", true),
        ("(name=vm-1) (status=TERMINATED)", false),
        ("name=vm-1 AND status=RUNNING", true),
        ("(name=a) OR (name=vm-1)", true),
        ("(name=vm-1) OR (name=b) AND (status=TERMINATED)", false),
        ("((name=vm-1) AND (status=TERMINATED)) OR (id=900)", true),
        ("id > 1000", false),
        ("id <= 900", true),
        ("name >= vm-0", true),
        ("name < 'vm-0'", false),
        ("name eq vm-.", true),
        ("name eq vm", false),
        ("name ne .*1", false),
        ("name eq '(vm|web)-[0-9]+'", true),
        ("(name eq vm.*) (status ne \"TERM.*\")", true),
    ];
    for (text, expected) in cases {
        assert_eq!(matches(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_it_does_not_know() {
    let unknown =
        ["", "vm-1", "name=", "name=vm-*", "name:vm", "name is vm", "name eq '('", "(name=a) OR", "(name=a"];
    for text in unknown {
        assert_eq!(matches(text).unwrap_err().reason, "notImplemented", "{text}");
    }
    for text in ["nmae=vm-1", "scheduling.spot=true", "name.first=x", "NOT (nmae:*)"] {
        assert_eq!(matches(text).unwrap_err().reason, "invalid", "{text}");
    }
}
