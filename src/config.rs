//! The configuration: `[[vars.VMS]]` of `wrangler.toml`, read and checked as a whole.
//!
//! Every error names the key, the value that was found and what is allowed, so that the log line alone is
//! enough to mend it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::proxy::origin::Origin;
use crate::time::format_duration;
use crate::vm::{Address, Instance, OnIdle, Vm};

/// Where the Compute API lives when `COMPUTE_ENDPOINT` is not set.
pub const DEFAULT_COMPUTE_ENDPOINT: &str = "https://compute.googleapis.com/compute/v1";

/// The name of the Durable Object binding that `wrangler.toml` must give to [`VmObject`](crate::VmObject).
pub const OBJECT_BINDING: &str = "VM";

const LONGEST_SUSPENSION: Duration = Duration::from_secs(59 * 24 * 60 * 60);

/// What is wrong with the configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable or key, as `VMS[0].instance.zone`.
    pub key: String,
    /// What is wrong with it, and what is allowed.
    pub problem: String,
}

impl ConfigError {
    pub(crate) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }

    fn below(self, parent: &str) -> Self {
        Self { key: format!("{parent}.{}", self.key), problem: self.problem }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// Reads the VMs from the JSON of the `VMS` variable and checks them.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse_vms(json: &str) -> Result<Vec<Vm>, ConfigError> {
    let vms: Vec<Vm> = read(json).map_err(|ConfigError { key, problem }| {
        let key = if key == "." { "VMS".to_owned() } else { format!("VMS{key}") };
        ConfigError { key, problem }
    })?;
    check_vms(&vms)?;
    Ok(vms)
}

/// Reads one VM that has been checked before.
///
/// # Errors
/// It is not as this version of the program writes it.
pub(crate) fn read_vm(json: &str) -> Result<Vm, ConfigError> {
    read(json)
}

fn read<'de, T: Deserialize<'de>>(json: &'de str) -> Result<T, ConfigError> {
    let deserializer = &mut serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let key = error.path().to_string();
        // serde_json ends its messages with a place in a JSON text that the user never saw.
        let message = error.into_inner().to_string();
        let problem = message.split(" at line ").next().unwrap_or_default();
        ConfigError::new(key, problem)
    })
}

/// Checks VMs that belong together: each by itself, and that no two want the same instance or route.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_vms(vms: &[Vm]) -> Result<(), ConfigError> {
    if vms.is_empty() {
        return Err(ConfigError::new("VMS", "is empty: at least one [[vars.VMS]] is needed"));
    }
    let mut names = BTreeSet::new();
    let mut routes = BTreeSet::new();
    for (index, vm) in vms.iter().enumerate() {
        let parent = format!("VMS[{index}]");
        check_vm(vm).map_err(|error| error.below(&parent))?;
        let name = &vm.instance.name;
        if !names.insert(name) {
            let problem = format!("{name:?} is the instance of another VM already; each needs its own");
            return Err(ConfigError::new(format!("{parent}.instance.name"), problem));
        }
        if !routes.insert((&vm.host, &vm.path)) {
            let problem = format!("{:?} is served by another VM already (with the same host)", vm.path);
            return Err(ConfigError::new(format!("{parent}.path"), problem));
        }
    }
    Ok(())
}

/// Checks one VM.
///
/// # Errors
/// The first thing that is wrong; keys are relative to the VM.
pub fn check_vm(vm: &Vm) -> Result<(), ConfigError> {
    check_path("path", &vm.path)?;
    if let Some(health_path) = &vm.health_path {
        check_path("health_path", health_path)?;
    }
    if let Some(host) = &vm.host {
        check(!host.is_empty() && !host.contains(['/', ':', ' ']), "host", || {
            format!("{host:?} is not a host name (without scheme, port or path), as \"app.example.com\"")
        })?;
    }
    check(vm.port != 0, "port", || "0 is not a port: 1 to 65535".to_owned())?;
    check_origin(vm)?;
    check(!vm.connect_timeout.is_zero(), "connect_timeout", || "must be longer than 0s".to_owned())?;
    check(!vm.response_timeout.is_zero(), "response_timeout", || "must be longer than 0s".to_owned())?;
    check(!vm.startup_timeout.is_zero(), "startup_timeout", || "must be longer than 0s".to_owned())?;
    check(!vm.idle_timeout.is_zero(), "idle_timeout", || "must be longer than 0s".to_owned())?;
    if let Some(busy_path) = &vm.busy_path {
        check_path("busy_path", busy_path)?;
    }
    check(vm.busy_path.is_none() || vm.busy_limit >= vm.idle_timeout, "busy_limit", || {
        format!("must be at least idle_timeout, {}", format_duration(vm.idle_timeout))
    })?;
    check(vm.deep_sleep_after.is_none() || vm.on_idle == OnIdle::Suspend, "deep_sleep_after", || {
        "needs on_idle = \"suspend\"".to_owned()
    })?;
    check(vm.deep_sleep_after.is_none_or(|after| after <= LONGEST_SUSPENSION), "deep_sleep_after", || {
        "must be at most 59d: Compute Engine keeps a suspended VM for 60 days".to_owned()
    })?;
    check(vm.max_starts_per_hour != Some(0), "max_starts_per_hour", || "must be at least 1".to_owned())?;
    check(vm.max_hours_per_month != Some(0), "max_hours_per_month", || "must be at least 1".to_owned())?;
    check_instance(&vm.instance).map_err(|error| error.below("instance"))
}

fn check_origin(vm: &Vm) -> Result<(), ConfigError> {
    let origin = Origin::check(vm).map_err(|problem| ConfigError::new("origin", problem))?;
    let is_internal = vm.instance.address == Address::Internal;
    check(vm.vpc.is_none() || is_internal, "vpc", || {
        "needs instance.address = \"internal\": that is where a VPC network reaches the VM".to_owned()
    })?;
    check(vm.vpc.is_some() || !is_internal || !vm.origin.contains("{ip"), "instance.address", || {
        "\"internal\" needs vpc = \"BINDING\": a Worker reaches a private address through a VPC network only"
            .to_owned()
    })?;
    let Some(host) = &vm.host_header else { return Ok(()) };
    check(
        !host.is_empty() && !host.contains(|c: char| c.is_ascii_control() || "/ @".contains(c)),
        "host_header",
        || format!("{host:?} is not a host, with or without a port, as \"app.example.com\""),
    )?;
    check(matches!(origin, Origin::Socket { .. }), "host_header", || {
        "is only for an origin that is an IP address: fetch() asks for the origin's own name".to_owned()
    })
}

fn check_instance(instance: &Instance) -> Result<(), ConfigError> {
    check_resource_name("name", &instance.name)?;
    if instance.zones.is_empty() || !instance.zone.is_empty() {
        check_resource_name("zone", &instance.zone)?;
    }
    for (index, zone) in instance.zones.iter().enumerate() {
        check_resource_name(&format!("zones[{index}]"), zone)?;
    }
    check_resource_name("machine_type", &instance.machine_type)?;
    check(instance.image.contains('/'), "image", || {
        let image = &instance.image;
        format!("{image:?} is not an image, as \"projects/debian-cloud/global/images/family/debian-12\"")
    })?;
    for (index, tag) in instance.tags.iter().enumerate() {
        check_resource_name(&format!("tags[{index}]"), tag)?;
    }
    check(instance.boot_disk_size != Some(0), "boot_disk_size", || "must be at least 1 (GiB)".to_owned())?;
    check(
        instance.startup_script.is_none() || instance.startup_script_url.is_none(),
        "startup_script",
        || "give startup_script or startup_script_url, not both".to_owned(),
    )?;
    // The API's own bounds; see https://cloud.google.com/compute/docs/instances/limit-vm-runtime
    let run_bounds = Duration::from_secs(30)..=Duration::from_secs(120 * 24 * 60 * 60);
    check(
        instance.max_run_duration.is_none_or(|limit| run_bounds.contains(&limit)),
        "max_run_duration",
        || "must be from 30s to 120d".to_owned(),
    )?;
    check(!instance.spot_fallback || !instance.not_preemptible, "spot_fallback", || {
        "has no meaning with not_preemptible = true: there is no Spot VM to fall back from".to_owned()
    })?;
    for (index, scope) in instance.scopes.iter().enumerate() {
        check(scope.starts_with("https://"), &format!("scopes[{index}]"), || {
            format!("{scope:?} is not an OAuth scope, as \"https://www.googleapis.com/auth/cloud-platform\"")
        })?;
    }
    for (key, setting) in [("startup-script", "startup_script"), ("startup-script-url", "startup_script_url")]
    {
        check(!instance.metadata.contains_key(key), &format!("metadata.{key}"), || {
            format!("is set by {setting}; use that instead")
        })?;
    }
    Ok(())
}

fn check(holds: bool, key: &str, problem: impl FnOnce() -> String) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError::new(key, problem()))
    }
}

fn check_path(key: &str, path: &str) -> Result<(), ConfigError> {
    check(path.starts_with('/') && !path.contains(['?', '#', ' ']) && path.is_ascii(), key, || {
        format!("{path:?} is not a path: it begins with \"/\" and has no query, fragment or space")
    })
}

/// The pattern of the API for names, zones and types: `[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?`.
fn check_resource_name(key: &str, name: &str) -> Result<(), ConfigError> {
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    check(letters && begins && !name.ends_with('-') && name.len() <= 63, key, || {
        if name.is_empty() {
            return "is missing".to_owned();
        }
        format!(
            "{name:?} is refused by Compute Engine: 1 to 63 lowercase letters, digits and \"-\", \
             a letter first, no \"-\" last"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, Value};

    #[test]
    fn the_least_configuration_gets_every_default() {
        let vms = parse_vms(r#"[{"path": "/", "instance": {"name": "backend", "zone": "us-central1-a"}}]"#)
            .unwrap();
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
    fn every_mistake_names_the_key_the_value_and_what_is_allowed() {
        let good = || json!({"path": "/", "instance": {"name": "backend", "zone": "us-central1-a"}});
        let with = |pointer: &str, value: Value| {
            let mut vm = good();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            vm.pointer_mut(parent).unwrap()[key] = value;
            vm
        };
        let without = |pointer: &str| {
            let mut vm = good();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            vm.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
            vm
        };
        let table = [
            (with("/idle_timeut", json!("5m")), "VMS[0].idle_timeut: unknown field `idle_timeut`, expected one of `path`, `host`"),
            (with("/instance/zoned", json!("x")), "VMS[0].instance.zoned: unknown field `zoned`, expected one of `name`, `zone`"),
            (without("/path"), "VMS[0]: missing field `path`"),
            (without("/instance"), "VMS[0]: missing field `instance`"),
            (without("/instance/name"), "VMS[0].instance: missing field `name`"),
            (without("/instance/zone"), "VMS[0].instance.zone: is missing"),
            (with("/path", json!("app")), "VMS[0].path: \"app\" is not a path"),
            (with("/health_path", json!("/a?b")), "VMS[0].health_path: \"/a?b\" is not a path"),
            (with("/host", json!("https://a.example")), "VMS[0].host: \"https://a.example\" is not a host name"),
            (with("/port", json!(0)), "VMS[0].port: 0 is not a port"),
            (with("/port", json!(70000)), "VMS[0].port: invalid value: integer `70000`, expected u16"),
            (with("/port", json!("80")), "VMS[0].port: invalid type: string \"80\", expected u16"),
            (with("/origin", json!("https://{ip}")), "VMS[0].origin: \"https://{ip}\""),
            (with("/idle_timeout", json!("5 min")), "VMS[0].idle_timeout: \"5 min\" is not a duration"),
            (with("/idle_timeout", json!("0s")), "VMS[0].idle_timeout: must be longer than 0s"),
            (with("/connect_timeout", json!("0s")), "VMS[0].connect_timeout: must be longer than 0s"),
            (with("/response_timeout", json!("0s")), "VMS[0].response_timeout: must be longer than 0s"),
            (with("/response_timeout", json!(60)), "VMS[0].response_timeout: invalid type: integer `60`"),
            (with("/startup_timeout", json!("0s")), "VMS[0].startup_timeout: must be longer than 0s"),
            (with("/on_idle", json!("sleep")), "VMS[0].on_idle: unknown variant `sleep`, expected one of `stop`, `suspend`, `delete`, `never`"),
            (with("/cold_start", json!("page")), "VMS[0].cold_start: unknown variant `page`, expected one of `auto`, `hold`, `reject`"),
            (with("/instance/name", json!("Backend")), "VMS[0].instance.name: \"Backend\" is refused"),
            (with("/instance/name", json!("a".repeat(64))), "VMS[0].instance.name: "),
            (with("/instance/name", json!("")), "VMS[0].instance.name: is missing"),
            (with("/instance/zone", json!("us_central1")), "VMS[0].instance.zone: \"us_central1\" is refused"),
            (with("/instance/machine_type", json!("zones/a/x")), "VMS[0].instance.machine_type: "),
            (with("/instance/image", json!("debian")), "VMS[0].instance.image: \"debian\" is not an image"),
            (with("/instance/tags", json!(["ok", "NO"])), "VMS[0].instance.tags[1]: \"NO\" is refused"),
            (with("/instance/boot_disk_size", json!(0)), "VMS[0].instance.boot_disk_size: must be at least 1"),
            (with("/instance/scopes", json!(["compute"])), "VMS[0].instance.scopes[0]: \"compute\" is not an OAuth scope"),
            (with("/instance/zones", json!(["us-central1-b", "B"])), "VMS[0].instance.zones[1]: \"B\" is refused"),
            (with("/instance/max_run_duration", json!("1s")), "VMS[0].instance.max_run_duration: must be from 30s to 120d"),
            (with("/instance/max_run_duration", json!(60)), "VMS[0].instance.max_run_duration: invalid type: integer `60`"),
            (with("/deep_sleep_after", json!("1d")), "VMS[0].deep_sleep_after: needs on_idle = \"suspend\""),
            (with("/vpc", json!("NET")), "VMS[0].vpc: needs instance.address"),
            (with("/instance/address", json!("internal")), "VMS[0].instance.address: \"internal\" needs vpc"),
            (with("/instance/address", json!("nat")), "VMS[0].instance.address: unknown variant `nat`, expected `external` or `internal`"),
            (with("/host_header", json!("a b")), "VMS[0].host_header: \"a b\" is not a host"),
            (with("/busy_path", json!("busy")), "VMS[0].busy_path: \"busy\" is not a path"),
            (with("/max_starts_per_hour", json!(0)), "VMS[0].max_starts_per_hour: must be at least 1"),
            (with("/max_hours_per_month", json!(0)), "VMS[0].max_hours_per_month: must be at least 1"),
            (with("/instance/metadata", json!({"startup-script": "x"})), "VMS[0].instance.metadata.startup-script: is set by startup_script"),
        ];
        for (vm, expected) in table {
            let error = parse_vms(&json!([vm]).to_string()).expect_err(expected).to_string();
            assert!(error.starts_with(expected), "expected {expected}\n     got {error}");
        }
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let vm = |more: Value, instance: Value| {
            let mut vm = json!({"path": "/", "instance": {"name": "a", "zone": "b"}});
            vm.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            vm["instance"].as_object_mut().unwrap().extend(instance.as_object().unwrap().clone());
            parse_vms(&json!([vm]).to_string()).map_err(|error| error.key)
        };
        let key = |key: &str| Err(format!("VMS[0].{key}"));
        let none = json!({});
        assert_eq!(
            vm(none.clone(), json!({"not_preemptible": true, "spot_fallback": true})),
            key("instance.spot_fallback")
        );
        let by_name = json!({"origin": "https://vm.example.com", "host_header": "app.example.com"});
        assert_eq!(vm(by_name, none.clone()), key("host_header"));
        let tunnelled = json!({"origin": "https://vm.example.com"});
        assert!(vm(tunnelled, json!({"address": "internal"})).is_ok());
        assert!(vm(json!({"vpc": "NET"}), json!({"address": "internal"})).is_ok());
        assert_eq!(vm(json!({"busy_path": "/b", "busy_limit": "1m"}), none.clone()), key("busy_limit"));
        assert_eq!(
            vm(json!({"on_idle": "suspend", "deep_sleep_after": "60d"}), none.clone()),
            key("deep_sleep_after")
        );
        assert!(vm(json!({"on_idle": "suspend", "deep_sleep_after": "2d"}), none).is_ok());
    }

    #[test]
    fn zones_alone_will_do() {
        let vm = json!({"path": "/", "instance": {"name": "a", "zones": ["z1", "z2"]}});
        let vms = parse_vms(&json!([vm]).to_string()).unwrap();
        assert_eq!(vms[0].instance.all_zones(), ["z1", "z2"]);
        let both =
            Instance { zone: "z2".into(), zones: vec!["z1".into(), "z2".into()], ..Instance::default() };
        assert_eq!(both.all_zones(), ["z2", "z1"]);
    }

    #[test]
    fn both_startup_scripts_are_one_too_many() {
        let vm = json!({"path": "/", "instance": {"name": "a", "zone": "b",
            "startup_script": "x", "startup_script_url": "https://example.com/x"}});
        let error = parse_vms(&json!([vm]).to_string()).unwrap_err();
        assert_eq!(error.key, "VMS[0].instance.startup_script");
    }

    #[test]
    fn no_two_vms_share_an_instance_or_a_route() {
        let vm = |path: &str, name: &str| json!({"path": path, "instance": {"name": name, "zone": "z"}});
        let error = parse_vms(&json!([vm("/", "a"), vm("/b", "a")]).to_string()).unwrap_err();
        assert_eq!(error.key, "VMS[1].instance.name");
        let error = parse_vms(&json!([vm("/", "a"), vm("/", "b")]).to_string()).unwrap_err();
        assert_eq!(error.key, "VMS[1].path");
    }

    #[test]
    fn what_is_no_list_of_vms_is_refused() {
        assert!(parse_vms("[]").unwrap_err().to_string().starts_with("VMS: is empty"));
        assert!(parse_vms(r#""text""#).unwrap_err().to_string().starts_with("VMS: invalid type"));
        assert!(parse_vms("{").unwrap_err().to_string().starts_with("VMS"));
    }
}
