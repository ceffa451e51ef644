//! Of the reader itself. What is wrong with single settings is in `docs/configuration.md`, and checked from there.

use super::*;
use crate::vm::{Accelerator, Address, AsleepResponse, ColdStart, Instance, OnDrift, OnIdle, WakePolicy};
use serde_json::{json, Map};
use std::collections::BTreeMap;
use std::time::Duration;

fn parse(vms: &Value) -> Result<Vec<Vm>, ConfigError> {
    parse_vms(&vms.to_string())
}

/// Every setting, and none at its default.
pub(super) fn all_set() -> Vm {
    let text = |text: &str| Some(text.to_owned());
    let seconds = Duration::from_secs;
    Vm {
        path: "/app".into(),
        host: text("app.example.com"),
        strip_prefix: true,
        health_path: text("/healthz"),
        port: 8080,
        origin: "http://{ip}".into(),
        vpc: None,
        host_header: text("app.internal"),
        trust_forwarded: true,
        connect_timeout: Duration::from_millis(1500),
        response_timeout: seconds(60),
        startup_timeout: seconds(90),
        idle_timeout: seconds(100),
        on_idle: OnIdle::Suspend,
        busy_path: text("/busy"),
        busy_limit: seconds(3600),
        deep_sleep_after: Some(seconds(7200)),
        max_starts_per_hour: Some(5),
        max_hours_per_month: Some(50),
        on_drift: OnDrift::Apply,
        cold_start: ColdStart::Reject,
        hold_timeout: Some(Duration::from_secs(25)),
        waiting_page: BTreeMap::from([
            ("lang".into(), "de".into()),
            ("logo".into(), "data:image/gif;base64,R0lGODlhAQABAAAAACw=".into()),
            ("accent_color".into(), "light-dark(#2563eb, oklch(0.9 0.02 250 / 50%))".into()),
            ("booting".into(), "Die Maschine fährt hoch".into()),
        ]),
        waiting_page_url: text("https://static.example.com/waiting.html"),
        wake: WakePolicy {
            methods: vec!["GET".into(), "POST".into()],
            ignore_paths: vec!["/status/*".into(), "*.php".into()],
            ignore_user_agents: vec!["acme*monitor".into()],
            crawlers: true,
            countries: vec!["DE".into(), "T1".into()],
            ignore_countries: vec!["FR".into()],
            networks: vec!["203.0.113.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            ignore_networks: vec!["203.0.113.7/32".parse().unwrap()],
            verified_bots: true,
            header: text("x-wake"),
            secret: text("WAKE_SECRET"),
            wakes_per_hour: Some(3),
            counts_as_activity: false,
            asleep_response: vec![AsleepResponse {
                path: text("/robots.txt"),
                user_agent: text("bot"),
                status: 200,
                body: "User-agent: *\n".into(),
                content_type: "text/plain".into(),
            }],
        },
        keep_awake: vec!["Mon-Fri 08:00-18:00 Europe/Berlin".into()],
        wake_at: vec!["daily 05:00 UTC".into()],
        ready_push: text("https://app.example.com"),
        instance: Instance {
            name: "backend".into(),
            project: text("other"),
            zone: "us-central1-a".into(),
            zones: vec!["us-central1-b".into()],
            source_instance_template: text("web"),
            image: "projects/p/global/images/mine".into(),
            machine_type: "e2-small".into(),
            accelerators: vec![Accelerator { kind: "nvidia-tesla-t4".into(), count: 2 }],
            boot_disk_size: Some(20),
            boot_disk_type: text("pd-ssd"),
            address: Address::Ipv6,
            static_address: Some("2001:db8::7".parse().unwrap()),
            network: text("vpc"),
            subnetwork: text("dual"),
            tags: vec!["web".into()],
            labels: BTreeMap::from([("team".into(), "shop".into())]),
            metadata: BTreeMap::from([("color".into(), "green".into())]),
            startup_script: text("echo hi"),
            startup_script_url: None,
            shutdown_script: text("echo bye"),
            not_preemptible: true,
            spot_fallback: false,
            max_run_duration: Some(seconds(4 * 3600)),
            service_account: text("default"),
            scopes: vec!["https://www.googleapis.com/auth/logging.write".into()],
            resource: Map::from_iter([("canIpForward".to_owned(), json!(true))]),
        },
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
    let bare = Instance { tags: vec![], ..least.clone() };
    for vm in [
        all_set(),
        Vm::default(),
        Vm { instance: templated, vpc: Some("NET".into()), ..Vm::default() },
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
        ("[]", "VMS: is empty: at least one [[vars.VMS]] is needed"),
        (r#""text""#, "VMS: \"text\" is not a list"),
        ("[1]", "VMS[0]: 1 is not a table"),
        ("{", "VMS: is not JSON: EOF while parsing an object"),
    ] {
        assert_eq!(parse_vms(text).unwrap_err().to_string(), problem);
    }
}

type Rule = fn(&str) -> Result<(), ConfigError>;

#[test]
fn names_are_those_of_the_api() {
    let discovery = include_str!("../../emulator/data/compute.v1.json");
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
        (name, rule::name),
        (zone, rule::name),
        (tag, rule::name),
        (project, rule::project),
        (metadata_key, rule::metadata_key),
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
            rule::image,
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
            |key| rule::label(key, true),
            &["team", "équipe", "a-b_1", &"a".repeat(63)],
            &["", "Team", "1a", "_a", "a b", "a.b", &"a".repeat(64)],
        ),
        (|value| rule::label(value, false), &["", "1", "-", "é"], &["A", "a.b", &"a".repeat(64)]),
        (
            rule::email,
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
