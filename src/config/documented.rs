//! Checks that `docs/configuration.md` and `schema/wrangler.schema.json` agree with the code.
//!
//! `UPDATE_DOCS=1 cargo test --lib config` writes the document's tables.

use std::collections::BTreeSet;
use std::error::Error;
use std::{env, fs};

use jsonschema::{Retrieve, Uri, Validator};
use serde_json::{json, Value};

use super::reference::{self, kind, tables};
use super::{parse_vms, write_vm};
use crate::vm::WAITING_PAGE;

const DOCUMENT: &str = include_str!("../../docs/configuration.md");
const SCHEMA: &str = include_str!("../../schema/wrangler.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// Returns the schema of `VMS` alone, which does not refer to Wrangler's.
fn schema_of_vms() -> Validator {
    let vms = json!({"$ref": "#/definitions/vms", "definitions": schema()["definitions"]});
    let options = jsonschema::draft7::options().should_validate_formats(true);
    options.build(&vms).unwrap()
}

/// Returns the cells of each row of a generated table.
fn rows_of(table: &str) -> Vec<Vec<&'static str>> {
    rows_after(&format!("<!-- generated: {table} -->"))
}

/// Returns the cells of each row of the first table after `heading`, without its head.
fn rows_after(heading: &str) -> Vec<Vec<&'static str>> {
    let text = &DOCUMENT[DOCUMENT.find(heading).unwrap_or_else(|| panic!("no {heading}"))..];
    let table = text.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" |").map(str::trim).collect()).collect()
}

/// Returns the pieces of code in a cell.
fn code_in(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn toml(text: &str) -> Value {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

#[test]
fn the_tables_are_generated() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    let document = fs::read_to_string(path).unwrap();
    let generated = reference::generate(&document, &schema());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, generated).unwrap();
    } else {
        assert!(document == generated, "out of date: run UPDATE_DOCS=1 cargo test --lib config");
    }
}

#[test]
fn the_tables_and_the_schema_have_the_keys_of_the_code() {
    for table in tables() {
        let documented: Vec<&str> =
            rows_of(table.definition).iter().map(|row| row[0].trim_matches('`')).collect();
        assert_eq!(documented, table.names, "{}", table.definition);
        let schema = schema();
        let properties = schema["definitions"][table.definition]["properties"].as_object().unwrap();
        let in_schema: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
        assert_eq!(in_schema, table.names.into_iter().collect(), "{}", table.definition);
    }
}

#[test]
fn the_tables_and_the_schema_have_the_defaults_of_the_code() {
    for table in tables() {
        for row in rows_of(table.definition) {
            let (key, documented) = (row[0].trim_matches('`'), row[2]);
            let in_schema = schema()["definitions"][table.definition]["properties"][key].clone();
            let default = table.default_of(key);
            assert_eq!(in_schema.get("default"), default, "{}.{key}", table.definition);
            match default {
                Some(default) => {
                    assert_eq!(in_schema.get("x-default"), None, "{key}");
                    let documented = toml(&format!("default = {}", documented.trim_matches('`')));
                    assert_eq!(documented["default"], *default, "{key}");
                }
                None => assert!(!documented.is_empty(), "{key}"),
            }
        }
    }
}

#[test]
fn the_tables_have_the_types_of_the_schema() {
    for table in tables() {
        let schema = schema();
        for row in rows_of(table.definition) {
            let (key, documented, allowed) = (row[0].trim_matches('`'), row[1], row[4]);
            let property = &schema["definitions"][table.definition]["properties"][key];
            assert_eq!(documented, kind(property), "{key}");
            if let Some(choices) = property["enum"].as_array() {
                let choices: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
                let documented: Vec<&str> =
                    code_in(allowed).iter().map(|code| code.trim_matches('"')).collect();
                assert_eq!(documented, choices, "{key}");
            }
        }
    }
}

/// The schema cannot express how keys depend on each other, nor every rule for a value. But it must
/// accept what the code accepts, and refuse values of the wrong type.
#[test]
fn the_schema_judges_each_value_as_the_code_does() {
    let schema = schema_of_vms();
    let values = [
        json!(true),
        json!(0),
        json!(1),
        json!(80),
        json!(70000),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("text"),
        json!("Text"),
        json!("/path"),
        json!("5m"),
        json!("0x"),
        json!("203.0.113.7"),
        json!("http://a.example"),
        json!("stop"),
        json!("apply"),
        json!("hold"),
        json!("internal"),
        json!("a@b.c"),
        json!("gs://a/b"),
        json!([]),
        json!(["text"]),
        json!([1]),
        json!([{}]),
        json!({}),
        json!({"a": "b"}),
        json!({"a": 1}),
    ];
    for table in tables() {
        for (key, value) in
            table.names.into_iter().flat_map(|key| values.iter().map(move |value| (key, value)))
        {
            let mut vm = least();
            match table.definition {
                "vm" => vm[key] = value.clone(),
                "instance" => vm["instance"][key] = value.clone(),
                "wake" => vm["wake"] = json!({key: value}),
                "asleep_response" => vm["wake"] = json!({"asleep_response": [{key: value}]}),
                _ => {
                    vm["instance"]["accelerators"] = json!([{"type": "nvidia-tesla-t4"}]);
                    vm["instance"]["accelerators"][0][key] = value.clone();
                }
            }
            let vms = json!([vm]);
            let verdict = parse_vms(&vms.to_string());
            let is_valid = schema.is_valid(&vms);
            assert!(is_valid || verdict.is_err(), "the schema refuses {key} = {value}");
            let problem = verdict.err().map(|error| error.problem).unwrap_or_default();
            let is_of_wrong_kind = problem.starts_with(&format!("{value} is not "))
                && ["a string", "true", "an integer", "a dur", "one of", "an IP", "an array", "a table"]
                    .iter()
                    .any(|kind| problem.contains(&format!("is not {kind}")));
            assert!(!is_valid || !is_of_wrong_kind, "the schema accepts {key} = {value}: {problem}");
        }
    }
}

#[test]
fn the_examples_are_accepted() {
    let schema = schema_of_vms();
    let wrangler = include_str!("../../wrangler.toml");
    let documented = DOCUMENT.split("```toml\n").skip(1).map(|text| text.split("```").next().unwrap());
    let examples: Vec<Value> = documented.chain([wrangler]).map(toml).collect();
    let with_vms: Vec<&Value> = examples
        .iter()
        .flat_map(|example| [example.pointer("/vars/VMS"), example.pointer("/env/demo/vars/VMS")])
        .flatten()
        .collect();
    assert_eq!(with_vms.len(), 8);
    for vms in with_vms {
        if let Err(error) = parse_vms(&vms.to_string()) {
            panic!("{error}\n{vms:#}");
        }
        assert!(
            schema.is_valid(vms),
            "{:?}\n{vms:#}",
            schema.iter_errors(vms).map(|e| e.to_string()).collect::<Vec<_>>()
        );
    }
}

/// Validates as an editor does, by the first line of `wrangler.toml`.
#[test]
fn the_schema_goes_together_with_wranglers_own() {
    struct Wrangler;
    impl Retrieve for Wrangler {
        fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
            assert_eq!(uri.as_str(), "https://unpkg.com/wrangler@4/config-schema.json");
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/node_modules/wrangler/config-schema.json");
            // Without `npm ci`, only vmproxy's part is tested.
            Ok(fs::read_to_string(path)
                .map_or_else(|_| json!({}), |text| serde_json::from_str(&text).unwrap()))
        }
    }
    let schema = jsonschema::draft7::options().with_retriever(Wrangler).build(&schema()).unwrap();
    let wrangler = include_str!("../../wrangler.toml");
    let errors: Vec<String> = schema.iter_errors(&toml(wrangler)).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    for (right, wrong) in [
        ("path = \"/\"", "path = 1"),
        ("port = 8780", "port = \"8780\""),
        ("zone = \"us-central1-a\"", "zone = \"A\""),
    ] {
        assert!(!schema.is_valid(&toml(&wrangler.replace(right, wrong))), "{wrong}");
    }
}

#[test]
fn every_setting_is_valid_in_the_schema() {
    let vm: Value = serde_json::from_str(&write_vm(&super::tests::all_set())).unwrap();
    let errors: Vec<String> =
        schema_of_vms().iter_errors(&json!([vm])).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn the_settings_of_the_waiting_page_are_those_of_the_code() {
    let rows = rows_of("waiting_page");
    let keys: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(keys, WAITING_PAGE.map(|(name, _)| name));
    let schema = schema();
    let in_schema = schema["definitions"]["waiting_page"]["properties"].as_object().unwrap();
    assert_eq!(
        in_schema.keys().collect::<BTreeSet<_>>(),
        keys.iter().map(|key| key.to_string()).collect::<BTreeSet<_>>().iter().collect()
    );
    for (row, (name, default)) in rows.iter().zip(WAITING_PAGE) {
        let documented = code_in(row[2]).first().map_or("", |code| code.trim_matches('"'));
        let property = &in_schema[name];
        assert_eq!(
            (documented, property["default"].as_str().unwrap_or_default()),
            (default, default),
            "{name}"
        );
        assert!(property["type"] == "string" && property["description"].is_string(), "{name}");
    }
}

#[test]
fn every_documented_error_is_what_the_code_says() {
    let schema = schema_of_vms();
    for row in rows_after("## Errors") {
        let wrong = row[0];
        let vms = mistaken(wrong);
        let expected = code_in(row[1])[0];
        let error = parse_vms(&vms.to_string()).expect_err(wrong).to_string();
        match expected.split_once('…') {
            Some((beginning, "")) => assert!(error.starts_with(beginning), "{expected}\n{error}"),
            _ => assert_eq!(error, expected),
        }
        let key = expected.split(": ").next().unwrap();
        assert!(!schema.is_valid(&vms) || BEYOND_THE_SCHEMA.contains(&key), "the schema accepts {wrong}");
    }
}

#[test]
fn every_key_has_an_error() {
    let errors: Vec<&str> = rows_after("## Errors").iter().map(|row| code_in(row[1])[0]).collect();
    for table in tables() {
        for key in table.names {
            let key = format!("{}.{key}", table.parent);
            let is_there =
                |error: &&str| error.strip_prefix(&key).is_some_and(|rest| rest.starts_with([':', '.', '[']));
            assert!(errors.iter().any(is_there), "no error at {key}");
        }
    }
}

/// Keys with errors beyond the schema: how keys or VMs depend on each other, the parts of a URL,
/// the length of a duration. The schema finds all other errors.
const BEYOND_THE_SCHEMA: [&str; 17] = [
    "VMS[1].path",
    "VMS[1].instance.name",
    "VMS[0].origin",
    "VMS[0].vpc",
    "VMS[0].host_header",
    "VMS[0].busy_limit",
    "VMS[0].deep_sleep_after",
    "VMS[0].waiting_page.background_color",
    "VMS[0].wake.asleep_response[0].body",
    "VMS[0].ready_push",
    "VMS[0].instance.boot_disk_size",
    "VMS[0].instance.boot_disk_type",
    "VMS[0].instance.address",
    "VMS[0].instance.static_address",
    "VMS[0].instance.startup_script",
    "VMS[0].instance.spot_fallback",
    "VMS[0].instance.max_run_duration",
];

/// Returns VMs with a mistake that the document describes.
fn mistaken(wrong: &str) -> Value {
    let code = code_in(wrong);
    match wrong.split(' ').next() {
        Some("without") => {
            let mut vm = least();
            let (parent, key) = code[0].rsplit_once('.').unwrap_or(("", code[0]));
            let table = if parent.is_empty() { &mut vm } else { &mut vm[parent] };
            table.as_object_mut().unwrap().remove(key).unwrap();
            json!([vm])
        }
        Some("65") => {
            let names: Vec<String> = (0..65).map(|number| format!("name-{number}")).collect();
            let many = match code[0] {
                "instance.labels" => names.into_iter().map(|name| (name, "")).collect(),
                _ => Value::from(names),
            };
            let key = code[0].trim_start_matches("instance.");
            json!([with(least(), json!({"instance": {key: many}}))])
        }
        Some("another") => json!([least(), with(least(), toml(&code.join("\n")))]),
        _ => {
            let mut given = toml(&code.join("\n"));
            match given.get_mut("VMS") {
                Some(vms) => vms.take(),
                None => json!([with(least(), given)]),
            }
        }
    }
}

/// The VM in which the documented mistakes are made.
fn least() -> Value {
    json!({"path": "/", "instance": {"name": "backend", "zone": "us-central1-a"}})
}

fn with(mut vm: Value, given: Value) -> Value {
    let (Value::Object(table), Value::Object(given)) = (&mut vm, given) else { panic!() };
    for (key, value) in given {
        let merged = match table.remove(&key) {
            Some(before @ Value::Object(_)) if value.is_object() => with(before, value),
            _ => value,
        };
        table.insert(key, merged);
    }
    vm
}
