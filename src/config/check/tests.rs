//! Tests of the rules for single values against the Compute Engine API.

use super::*;
use serde_json::{json, Value};

type Rule = fn(&str) -> Result<(), ConfigError>;

#[test]
fn names_are_those_of_the_api() {
    let discovery = include_str!("../../../emulator/data/compute.v1.json");
    let discovery: Value = serde_json::from_str(discovery).unwrap();
    let name = "/schemas/Instance/properties/name/pattern";
    let zone = "/resources/instances/methods/insert/parameters/zone/pattern";
    let tag = "/schemas/Tags/properties/items/pattern";
    let project = "/resources/instances/methods/insert/parameters/project/pattern";
    let metadata_key = "/schemas/Metadata/properties/items/items/properties/key/pattern";
    let long = ["a".repeat(63), "a".repeat(64), "k".repeat(128), "k".repeat(129)];
    let texts = [
        "",
        "a",
        "1",
        "-",
        "A",
        "a-1",
        "a-",
        "-a",
        "1a",
        "a_b",
        "a.b",
        "a b",
        "ä",
        "a/b",
        "a--b",
        "my-project",
    ];
    let projects =
        ["123456789012", "example.com:my-project", "google.com:1", "a:b:c", "a b:c", "Example.com:p", "a:-b"];
    let rules: [(&str, Rule); 5] = [
        (name, rules::name),
        (zone, rules::name),
        (tag, rules::name),
        (project, rules::project),
        (metadata_key, rules::metadata_key),
    ];
    for (pointer, rule) in rules {
        let pattern = discovery.pointer(pointer).and_then(Value::as_str).unwrap();
        let schema = jsonschema::validator_for(&json!({"pattern": format!("^(?:{pattern})$")})).unwrap();
        for text in texts.into_iter().chain(projects).chain(long.iter().map(String::as_str)) {
            assert_eq!(rule(text).is_ok(), schema.is_valid(&text.into()), "{text:?} {pattern}");
        }
    }
}

#[test]
fn what_the_api_has_no_pattern_for_is_held_against_its_documents() {
    let table: [(Rule, &[&str], &[&str]); 4] = [
        (
            rules::image,
            &[
                "projects/debian-cloud/global/images/family/debian-12",
                "projects/example.com:p/global/images/mine",
                "global/images/mine",
                "https://www.googleapis.com/compute/v1/projects/p/global/images/mine",
            ],
            &[
                "debian",
                "a/b",
                "projects/p/global/images",
                "projects//global/images/a",
                "global/images/a/b",
                "https://a&b/compute/v1/global/images/c",
                "gs://a",
            ],
        ),
        (
            |key| rules::label(key, true),
            &["team", "équipe", "a-b_1", &"a".repeat(63)],
            &["", "Team", "1a", "_a", "a b", "a.b", &"a".repeat(64)],
        ),
        (|value| rules::label(value, false), &["", "1", "-", "é"], &["A", "a.b", &"a".repeat(64)]),
        (
            rules::email,
            &["default", "vm@p.iam.gserviceaccount.com", "1-compute@developer.gserviceaccount.com"],
            &["", "vm", "@p.iam", "vm@project", "a b@c.d"],
        ),
    ];
    for (rule, right, wrong) in table {
        for text in right {
            assert_eq!(rule(text), Ok(()), "{text:?}");
        }
        for text in wrong {
            assert!(rule(text).is_err(), "{text:?}");
        }
    }
}
