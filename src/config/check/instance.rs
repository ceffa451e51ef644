//! The rules for an instance: Compute Engine's own, where they can be checked without a request.

use std::net::IpAddr;
use std::time::Duration;

use super::ensure::{check, each, in_key, option, require};
use super::rules;
use crate::config::ConfigError;
use crate::vm::{is_ready_item, Address, Instance};

/// [The API's own bounds](https://cloud.google.com/compute/docs/instances/limit-vm-runtime).
const SHORTEST_RUN: Duration = Duration::from_secs(30);
const LONGEST_RUN: Duration = Duration::from_secs(120 * 24 * 60 * 60);

/// GiB: [the largest persistent disk](https://cloud.google.com/compute/docs/disks#disk-types) has
/// 64 TiB.
const LARGEST_DISK: u32 = 64 * 1024;

/// The maximum number of [tags](https://cloud.google.com/vpc/docs/add-remove-network-tags), and of
/// labels.
const MOST_TAGS: usize = 64;

/// Checks an instance. The keys of errors are relative to it.
pub(super) fn check_instance(instance: &Instance) -> Result<(), ConfigError> {
    in_key("name", rules::name(&instance.name))?;
    if instance.zones.is_empty() || !instance.zone.is_empty() {
        in_key("zone", rules::name(&instance.zone))?;
    }
    each("zones", &instance.zones, rules::name)?;
    option("project", &instance.project, rules::project)?;
    check_machine(instance)?;
    check_disk(instance)?;
    check_network(instance)?;
    check_scripts(instance)?;
    for (key, value) in &instance.labels {
        in_key(&format!("labels.{key}"), rules::label(key, true).and_then(|()| rules::label(value, false)))?;
    }
    for (key, count) in [("tags", instance.tags.len()), ("labels", instance.labels.len())] {
        check(count <= MOST_TAGS, key, || format!("{count} entries; at most {MOST_TAGS} are allowed"))?;
    }
    option("service_account", &instance.service_account, rules::email)?;
    each("scopes", &instance.scopes, |scope| {
        rules::url(
            scope,
            &["https://"],
            "an OAuth scope such as \"https://www.googleapis.com/auth/cloud-platform\"",
        )
    })?;
    require(!instance.resource.contains_key("name"), "resource.name", "reserved; use name instead")
}

fn check_machine(instance: &Instance) -> Result<(), ConfigError> {
    let is_templated = instance.source_instance_template.is_some();
    option("source_instance_template", &instance.source_instance_template, |template| {
        let forms = ["global/instanceTemplates/*", "regions/*/instanceTemplates/*"];
        rules::resource(
            template,
            &forms,
            "an instance template such as \"web\" or \"regions/us-central1/instanceTemplates/web\"",
        )
    })?;
    if !is_templated || !instance.machine_type.is_empty() {
        in_key("machine_type", rules::name(&instance.machine_type))?;
    }
    for (index, accelerator) in instance.accelerators.iter().enumerate() {
        let key = format!("accelerators[{index}]");
        in_key(&key, in_key("type", rules::name(&accelerator.kind)))?;
        in_key(&key, require(accelerator.count != 0, "count", "must be at least 1"))?;
    }
    let run_bounds = SHORTEST_RUN..=LONGEST_RUN;
    let is_in_bounds = instance.max_run_duration.is_none_or(|limit| run_bounds.contains(&limit));
    require(is_in_bounds, "max_run_duration", "must be from 30s to 120d")?;
    let no_spot = "cannot be combined with not_preemptible = true: there is no Spot VM to fall back from";
    require(!instance.spot_fallback || !instance.not_preemptible, "spot_fallback", no_spot)?;
    let template = "cannot be combined with source_instance_template, which sets the provisioning model";
    require(!instance.spot_fallback || !is_templated, "spot_fallback", template)
}

fn check_disk(instance: &Instance) -> Result<(), ConfigError> {
    let is_templated = instance.source_instance_template.is_some();
    if !is_templated || !instance.image.is_empty() {
        in_key("image", rules::image(&instance.image))?;
    }
    let is_in_bounds = instance.boot_disk_size.is_none_or(|size| (1..=LARGEST_DISK).contains(&size));
    require(is_in_bounds, "boot_disk_size", "must be from 1 to 65536 (GiB)")?;
    option("boot_disk_type", &instance.boot_disk_type, rules::name)?;
    let given = [
        ("boot_disk_size", instance.boot_disk_size.is_some()),
        ("boot_disk_type", instance.boot_disk_type.is_some()),
    ];
    for (key, is_given) in given {
        let problem = "with source_instance_template, requires image: it replaces the template's disks";
        require(!is_given || !instance.image.is_empty(), key, problem)?;
    }
    Ok(())
}

fn check_network(instance: &Instance) -> Result<(), ConfigError> {
    option("network", &instance.network, |network| {
        let rule = "a network such as \"default\" or \"projects/my-project/global/networks/shared\"";
        rules::resource(network, &["global/networks/*"], rule)
    })?;
    option("subnetwork", &instance.subnetwork, |subnetwork| {
        let rule =
            "a subnetwork such as \"web\" or \"projects/my-project/regions/us-central1/subnetworks/web\"";
        rules::resource(subnetwork, &["regions/*/subnetworks/*"], rule)
    })?;
    each("tags", &instance.tags, rules::name)?;
    // Subnetworks that a network creates automatically, as the default network does, have no IPv6.
    let has_ipv6 = instance.address != Address::Ipv6
        || instance.subnetwork.is_some()
        || instance.source_instance_template.is_some()
        || instance.resource.contains_key("networkInterfaces");
    require(has_ipv6, "address", "\"ipv6\" requires subnetwork: the default network has no IPv6 addresses")?;
    let Some(address) = instance.static_address else { return Ok(()) };
    let is_of_its_kind = match instance.address {
        Address::External | Address::Internal => matches!(address, IpAddr::V4(_)),
        Address::Ipv6 => matches!(address, IpAddr::V6(_)),
    };
    check(is_of_its_kind, "static_address", || {
        format!("\"{address}\" does not match address: IPv6 for \"ipv6\", otherwise IPv4")
    })?;
    let zones = instance.all_zones();
    let mut regions = zones.iter().map(|zone| zone.rsplit_once('-').map(|(region, _)| region));
    let first = regions.next();
    let in_one_region = regions.all(|region| Some(region) == first);
    require(in_one_region, "static_address", "requires all zones in one region, to which the address belongs")
}

fn check_scripts(instance: &Instance) -> Result<(), ConfigError> {
    for key in instance.metadata.keys() {
        let at_key = format!("metadata.{key}");
        in_key(&at_key, rules::metadata_key(key))?;
        let script = instance.scripts().into_iter().find(|(taken, ..)| taken == key);
        let setting = script.map(|(_, setting, _)| setting);
        if let Some(setting) = setting.or(is_ready_item(key).then_some("ready_push")) {
            return Err(ConfigError::new(at_key, format!("reserved; use {setting} instead")));
        }
    }
    let one = instance.startup_script.is_none() || instance.startup_script_url.is_none();
    require(one, "startup_script", "set startup_script or startup_script_url, not both")?;
    option("startup_script_url", &instance.startup_script_url, |url| {
        rules::url(
            url,
            &["gs://", "https://", "http://"],
            "a script URL such as \"gs://my-bucket/startup.sh\"",
        )
    })
}
