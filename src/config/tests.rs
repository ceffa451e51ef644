//! Tests of the reader. The errors of single keys are listed in `docs/configuration.md` and tested
//! by `documented`.

use super::reference::tables;
use super::*;
use crate::vm::{Instance, OnIdle};
use serde_json::json;
use std::time::Duration;

fn parse(vms: &Value) -> Result<Vec<Vm>, ConfigError> {
    parse_vms(&vms.to_string())
}

/// Keys that contradict the examples of others.
const CONFLICTING: [(&str, &str); 3] =
    [("vm", "vpc"), ("instance", "startup_script_url"), ("instance", "spot_fallback")];

/// Returns a VM with the schema's example of every key, except those that are [`CONFLICTING`].
pub(super) fn all_set() -> Vm {
    let mut vm = json!({"instance": {"spot_fallback": false}});
    for table in tables() {
        for key in table.names {
            let example = example(table.definition, key);
            match table.definition {
                "vm" if !example.is_null() && !CONFLICTING.contains(&("vm", key)) => vm[key] = example,
                "instance" if !CONFLICTING.contains(&("instance", key)) => vm["instance"][key] = example,
                "wake" => vm["wake"][key] = example,
                // The example of a nested table consists of the examples of its keys.
                _ => {}
            }
        }
    }
    let read = read_vm(&vm.to_string()).unwrap();
    assert_eq!(read.write(), vm, "written differently from what was read");
    read
}

/// Returns a key's example in the schema: any value but the default.
fn example(definition: &str, key: &str) -> Value {
    let schema: Value = serde_json::from_str(include_str!("../../schema/wrangler.schema.json")).unwrap();
    schema["definitions"][definition]["properties"][key]["examples"][0].clone()
}

#[test]
fn every_key_has_an_example_that_is_not_its_default() {
    for table in tables() {
        // The examples of these tables consist of the examples of their keys.
        for key in table.names.iter().filter(|key| !["wake", "instance"].contains(key)) {
            let example = example(table.definition, key);
            assert!(!example.is_null(), "{}.{key}", table.definition);
            assert_ne!(Some(&example), table.default_of(key), "{}.{key}", table.definition);
        }
    }
    for (definition, key, keys) in
        [("instance", "accelerators", &tables()[2]), ("wake", "asleep_response", &tables()[4])]
    {
        let given: Vec<String> = example(definition, key)[0].as_object().unwrap().keys().cloned().collect();
        assert!(keys.names.iter().all(|name| given.iter().any(|given| given == name)), "{key}: {given:?}");
    }
}

#[test]
fn the_least_configuration_gets_every_default() {
    let vms =
        parse(&json!([{"path": "/", "instance": {"name": "backend", "zone": "us-central1-a"}}])).unwrap();
    let [vm] = vms.as_slice() else { panic!("{vms:?}") };
    let instance =
        Instance { name: "backend".to_owned(), zone: "us-central1-a".to_owned(), ..Instance::default() };
    assert_eq!(*vm, Vm { instance, ..Vm::default() });
    assert_eq!((vm.health_path(), vm.port), ("/", 80));
    assert_eq!(vm.connect_timeout, Duration::from_secs(5));
    assert_eq!(vm.response_timeout, Duration::from_secs(300));
    assert_eq!(vm.startup_timeout, Duration::from_secs(300));
    assert_eq!(vm.idle_timeout, Duration::from_secs(900));
}

#[test]
fn what_is_written_is_read_again() {
    let least = Instance { name: "backend".into(), zone: "z".into(), ..Instance::default() };
    let templated = Instance { source_instance_template: Some("web".into()), ..least.clone() };
    let by_url = Instance { startup_script_url: Some("gs://b/s.sh".into()), ..least.clone() };
    let bare = Instance { tags: vec![], ..least.clone() };
    for vm in [
        all_set(),
        Vm::default(),
        Vm { instance: templated, vpc: Some("NET".into()), ..Vm::default() },
        Vm { instance: by_url, ..Vm::default() },
        Vm { instance: bare, ..Vm::default() },
        Vm { instance: Instance::from_template("web"), ..Vm::default() },
        Vm { on_idle: OnIdle::Never, instance: Instance { spot_fallback: true, ..least }, ..Vm::default() },
    ] {
        assert_eq!(read_vm(&write_vm(&vm)), Ok(vm));
    }
}

#[test]
fn every_setting_may_be_given() {
    let vm = all_set();
    assert_eq!(parse_vms(&format!("[{}]", write_vm(&vm))), Ok(vec![vm]));
}

#[test]
fn a_template_is_not_overridden_by_defaults() {
    let instance =
        json!({"name": "backend", "zone": "z", "source_instance_template": "web", "tags": ["mine"]});
    let vms = parse(&json!([{"path": "/", "instance": instance}])).unwrap();
    let expected = Instance {
        name: "backend".into(),
        zone: "z".into(),
        tags: vec!["mine".into()],
        ..Instance::from_template("web")
    };
    assert_eq!(vms[0].instance, expected);
}

#[test]
fn zones_alone_will_do() {
    let vms = parse(&json!([{"path": "/", "instance": {"name": "a", "zones": ["z1", "z2"]}}])).unwrap();
    assert_eq!(vms[0].instance.all_zones(), ["z1", "z2"]);
    let both = Instance { zone: "z2".into(), zones: vec!["z1".into(), "z2".into()], ..Instance::default() };
    assert_eq!(both.all_zones(), ["z2", "z1"]);
}

#[test]
fn settings_that_seem_to_contradict_each_other_and_do_not_are_accepted() {
    for (more, own) in [
        (json!({"origin": "https://vm.example.com"}), json!({"address": "internal"})),
        (json!({"vpc": "NET"}), json!({"address": "internal", "static_address": "10.0.0.9"})),
        (json!({"on_idle": "suspend", "deep_sleep_after": "2d"}), json!({})),
        (json!({}), json!({"address": "ipv6", "resource": {"networkInterfaces": []}})),
        (json!({}), json!({"address": "ipv6", "source_instance_template": "dual"})),
        (json!({}), json!({"static_address": "203.0.113.7", "zones": ["us-central1-b"]})),
    ] {
        let mut vm = json!({"path": "/", "instance": {"name": "a", "zone": "us-central1-a"}});
        vm.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        vm["instance"].as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        assert!(parse(&json!([vm])).is_ok(), "{:?} {vm}", parse(&json!([vm])));
    }
}

#[test]
fn what_is_no_list_of_vms_is_refused() {
    for (text, problem) in [
        ("[]", "VMS: empty; at least one [[vars.VMS]] is required"),
        (r#""text""#, "VMS: \"text\" is not an array"),
        ("[1]", "VMS[0]: 1 is not a table"),
        ("{", "VMS: not valid JSON: EOF while parsing an object"),
    ] {
        assert_eq!(parse_vms(text).unwrap_err().to_string(), problem);
    }
}
