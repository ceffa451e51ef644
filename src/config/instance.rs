//! What Compute Engine allows of an instance, as far as it can be told without asking.

use std::net::IpAddr;
use std::time::Duration;

use super::ensure::{at, check, need};
use super::{rule, ConfigError};
use crate::vm::{is_ready_item, Address, Instance};

/// [The API's own bounds](https://cloud.google.com/compute/docs/instances/limit-vm-runtime).
const SHORTEST_RUN: Duration = Duration::from_secs(30);
const LONGEST_RUN: Duration = Duration::from_secs(120 * 24 * 60 * 60);

/// GiB: [the largest persistent disk](https://cloud.google.com/compute/docs/disks#disk-types) has 64 TiB.
const LARGEST_DISK: u32 = 64 * 1024;

/// As many [tags](https://cloud.google.com/vpc/docs/add-remove-network-tags) and labels may a VM have.
const MOST_TAGS: usize = 64;

/// Checks an instance; keys are relative to it.
pub(super) fn check_instance(instance: &Instance) -> Result<(), ConfigError> {
    at("name", rule::name(&instance.name))?;
    if instance.zones.is_empty() || !instance.zone.is_empty() {
        at("zone", rule::name(&instance.zone))?;
    }
    each("zones", &instance.zones, rule::name)?;
    option("project", &instance.project, rule::project)?;
    check_machine(instance)?;
    check_disk(instance)?;
    check_network(instance)?;
    check_scripts(instance)?;
    for (key, value) in &instance.labels {
        at(&format!("labels.{key}"), rule::label(key, true).and_then(|()| rule::label(value, false)))?;
    }
    for (key, count) in [("tags", instance.tags.len()), ("labels", instance.labels.len())] {
        check(count <= MOST_TAGS, key, || format!("{count} are too many: {MOST_TAGS} at most"))?;
    }
    option("service_account", &instance.service_account, rule::email)?;
    each("scopes", &instance.scopes, |scope| {
        rule::url(
            scope,
            &["https://"],
            "an OAuth scope, as \"https://www.googleapis.com/auth/cloud-platform\"",
        )
    })?;
    need(!instance.resource.contains_key("name"), "resource.name", "is set by name; use that instead")
}

fn check_machine(instance: &Instance) -> Result<(), ConfigError> {
    let is_templated = instance.source_instance_template.is_some();
    option("source_instance_template", &instance.source_instance_template, |template| {
        let forms = ["global/instanceTemplates/*", "regions/*/instanceTemplates/*"];
        rule::resource(
            template,
            &forms,
            "an instance template, as \"web\" or \"regions/us-central1/instanceTemplates/web\"",
        )
    })?;
    if !is_templated || !instance.machine_type.is_empty() {
        at("machine_type", rule::name(&instance.machine_type))?;
    }
    for (index, accelerator) in instance.accelerators.iter().enumerate() {
        let key = format!("accelerators[{index}]");
        at(&key, at("type", rule::name(&accelerator.kind)))?;
        at(&key, need(accelerator.count != 0, "count", "must be at least 1"))?;
    }
    let run_bounds = SHORTEST_RUN..=LONGEST_RUN;
    let is_in_bounds = instance.max_run_duration.is_none_or(|limit| run_bounds.contains(&limit));
    need(is_in_bounds, "max_run_duration", "must be from 30s to 120d")?;
    let no_spot = "has no meaning with not_preemptible = true: there is no Spot VM to fall back from";
    need(!instance.spot_fallback || !instance.not_preemptible, "spot_fallback", no_spot)?;
    let template = "cannot be with source_instance_template, which says itself what kind of VM it is for";
    need(!instance.spot_fallback || !is_templated, "spot_fallback", template)
}

fn check_disk(instance: &Instance) -> Result<(), ConfigError> {
    let is_templated = instance.source_instance_template.is_some();
    if !is_templated || !instance.image.is_empty() {
        at("image", rule::image(&instance.image))?;
    }
    let is_in_bounds = instance.boot_disk_size.is_none_or(|size| (1..=LARGEST_DISK).contains(&size));
    need(is_in_bounds, "boot_disk_size", "must be from 1 to 65536 (GiB)")?;
    option("boot_disk_type", &instance.boot_disk_type, rule::name)?;
    let given = [
        ("boot_disk_size", instance.boot_disk_size.is_some()),
        ("boot_disk_type", instance.boot_disk_type.is_some()),
    ];
    for (key, is_given) in given {
        let problem = "needs image with source_instance_template, whose disks it replaces";
        need(!is_given || !instance.image.is_empty(), key, problem)?;
    }
    Ok(())
}

fn check_network(instance: &Instance) -> Result<(), ConfigError> {
    option("network", &instance.network, |network| {
        let rule = "a network, as \"default\" or \"projects/my-project/global/networks/shared\"";
        rule::resource(network, &["global/networks/*"], rule)
    })?;
    option("subnetwork", &instance.subnetwork, |subnetwork| {
        let rule = "a subnetwork, as \"web\" or \"projects/my-project/regions/us-central1/subnetworks/web\"";
        rule::resource(subnetwork, &["regions/*/subnetworks/*"], rule)
    })?;
    each("tags", &instance.tags, rule::name)?;
    // The default network, as every one that makes its own subnetworks, has none with IPv6.
    let has_ipv6 = instance.address != Address::Ipv6
        || instance.subnetwork.is_some()
        || instance.source_instance_template.is_some()
        || instance.resource.contains_key("networkInterfaces");
    need(has_ipv6, "address", "\"ipv6\" needs subnetwork: the default network has no IPv6 addresses")?;
    let Some(address) = instance.static_address else { return Ok(()) };
    let is_of_its_kind = match instance.address {
        Address::External | Address::Internal => matches!(address, IpAddr::V4(_)),
        Address::Ipv6 => matches!(address, IpAddr::V6(_)),
    };
    check(is_of_its_kind, "static_address", || {
        format!("\"{address}\" is not of the kind that address says: IPv6 for \"ipv6\", else IPv4")
    })?;
    let zones = instance.all_zones();
    let mut regions = zones.iter().map(|zone| zone.rsplit_once('-').map(|(region, _)| region));
    let first = regions.next();
    let in_one_region = regions.all(|region| Some(region) == first);
    need(in_one_region, "static_address", "needs zones of one region, to which an address belongs")
}

fn check_scripts(instance: &Instance) -> Result<(), ConfigError> {
    for key in instance.metadata.keys() {
        let at_key = format!("metadata.{key}");
        at(&at_key, rule::metadata_key(key))?;
        let script = instance.scripts().into_iter().find(|(taken, ..)| taken == key);
        let setting = script.map(|(_, setting, _)| setting);
        if let Some(setting) = setting.or(is_ready_item(key).then_some("ready_push")) {
            return Err(ConfigError::new(at_key, format!("is set by {setting}; use that instead")));
        }
    }
    let one = instance.startup_script.is_none() || instance.startup_script_url.is_none();
    need(one, "startup_script", "give startup_script or startup_script_url, not both")?;
    option("startup_script_url", &instance.startup_script_url, |url| {
        rule::url(url, &["gs://", "https://", "http://"], "a script's URL, as \"gs://my-bucket/startup.sh\"")
    })
}

fn option(
    key: &str,
    value: &Option<String>,
    rule: impl FnOnce(&str) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    value.as_deref().map_or(Ok(()), |value| at(key, rule(value)))
}

fn each(
    key: &str,
    values: &[String],
    rule: impl Fn(&str) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    for (index, value) in values.iter().enumerate() {
        rule(value).map_err(|error| error.below(&format!("{key}[{index}]")))?;
    }
    Ok(())
}
