//! The rules for a VM, and for the VMs of one configuration.

mod ensure;
mod instance;
mod rules;
mod schedule;
#[cfg(test)]
mod tests;
mod wake;

pub(crate) use schedule::check_schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::value::unknown;
use super::ConfigError;
use crate::time::format_duration;
use crate::vm::{Address, OnIdle, Origin, Vm, WAITING_PAGE};
use ensure::{check, in_key, option, require};
use instance::check_instance;
use wake::check_wake;

const LOGO: &str =
    "a data: URL of an image such as \"data:image/svg+xml;base64,…\": the page loads no external files";

const LONGEST_SUSPENSION: Duration = Duration::from_secs(59 * 24 * 60 * 60);

/// Checks each VM, and that no two have the same instance or route.
///
/// # Errors
/// Returns the first error.
pub fn check_vms(vms: &[Vm]) -> Result<(), ConfigError> {
    if vms.is_empty() {
        return Err(ConfigError::new("VMS", "empty; at least one [[vars.VMS]] is required"));
    }
    let mut names = BTreeSet::new();
    let mut routes = BTreeSet::new();
    for (index, vm) in vms.iter().enumerate() {
        let (name, path) = (&vm.instance.name, &vm.path);
        let is_own_name = names.insert(name);
        let is_own_route = routes.insert((&vm.host, path));
        check_vm(vm)
            .and_then(|()| {
                check(is_own_name, "instance.name", || {
                    format!("{name:?} is already the instance of another VM; each VM needs its own")
                })
            })
            .and_then(|()| {
                check(is_own_route, "path", || {
                    format!("{path:?} is already served by another VM with the same host")
                })
            })
            .map_err(|error| error.nested_in(&format!("VMS[{index}]")))?;
    }
    Ok(())
}

/// Checks one VM.
///
/// # Errors
/// Returns the first error; its key is relative to the VM.
pub fn check_vm(vm: &Vm) -> Result<(), ConfigError> {
    in_key("path", rules::path(&vm.path))?;
    option("health_path", &vm.health_path, rules::path)?;
    option("busy_path", &vm.busy_path, rules::path)?;
    if let Some(host) = &vm.host {
        let is_host = !host.is_empty() && !host.contains(['/', ':', ' ']);
        let rule = "a host name such as \"app.example.com\", without scheme, port or path";
        in_key("host", rules::check(host, is_host, rule))?;
    }
    require(vm.port != 0, "port", "0 is not a port from 1 to 65535")?;
    check_origin(vm)?;
    let hold_timeout = vm.hold_timeout.map(|timeout| ("hold_timeout", timeout));
    let timeouts = [
        ("connect_timeout", vm.connect_timeout),
        ("response_timeout", vm.response_timeout),
        ("startup_timeout", vm.startup_timeout),
        ("idle_timeout", vm.idle_timeout),
    ];
    for (key, timeout) in timeouts.into_iter().chain(hold_timeout) {
        require(!timeout.is_zero(), key, "must be longer than 0s")?;
    }
    check(vm.busy_path.is_none() || vm.busy_limit >= vm.idle_timeout, "busy_limit", || {
        format!("must be at least idle_timeout ({})", format_duration(vm.idle_timeout))
    })?;
    let suspends = vm.deep_sleep_after.is_none() || vm.on_idle == OnIdle::Suspend;
    require(suspends, "deep_sleep_after", "requires on_idle = \"suspend\"")?;
    let bound = "must be at most 59d: Compute Engine keeps a suspended VM for 60 days";
    require(vm.deep_sleep_after.is_none_or(|after| after <= LONGEST_SUSPENSION), "deep_sleep_after", bound)?;
    require(vm.max_starts_per_hour != Some(0), "max_starts_per_hour", "must be at least 1")?;
    require(vm.max_hours_per_month != Some(0), "max_hours_per_month", "must be at least 1")?;
    in_key("waiting_page", check_waiting_page(&vm.waiting_page))?;
    option("waiting_page_url", &vm.waiting_page_url, |url| {
        let rule = "a page URL such as \"https://static.example.com/waiting.html\"";
        rules::url(url, &["https://", "http://"], rule)
    })?;
    in_key("wake", check_wake(&vm.wake))?;
    check_schedule(vm, |_| true)?;
    check_ready_push(vm)?;
    in_key("instance", check_instance(&vm.instance))
}

fn check_waiting_page(settings: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    for (name, text) in settings {
        let names = WAITING_PAGE.map(|(name, _)| name);
        if !names.contains(&name.as_str()) {
            return Err(unknown(name, &names));
        }
        let checked = match name.as_str() {
            "lang" => rules::language(text),
            "logo" => rules::url(text, &["data:image/"], LOGO),
            "accent_color" | "background_color" => rules::color(text),
            _ => Ok(()),
        };
        in_key(name, checked)?;
    }
    Ok(())
}

fn check_origin(vm: &Vm) -> Result<(), ConfigError> {
    let origin = Origin::check(vm).map_err(|problem| ConfigError::new("origin", problem))?;
    let is_internal = vm.instance.address == Address::Internal;
    let internal = "requires instance.address = \"internal\", where a VPC network reaches the VM";
    require(vm.vpc.is_none() || is_internal, "vpc", internal)?;
    let vpc =
        "\"internal\" requires vpc = \"BINDING\": a Worker reaches private addresses only through a VPC network";
    require(vm.vpc.is_some() || !is_internal || !vm.origin.contains("{ip"), "instance.address", vpc)?;
    let Some(host) = &vm.host_header else { return Ok(()) };
    let is_host = !host.is_empty() && !host.contains(|c: char| c.is_ascii_control() || "/ @".contains(c));
    let rule = "a host with an optional port, such as \"app.example.com\"";
    in_key("host_header", rules::check(host, is_host, rule))?;
    let socket = "requires an origin with an IP address: fetch() sends the origin's own name";
    require(matches!(origin, Origin::Socket { .. }), "host_header", socket)
}

fn check_ready_push(vm: &Vm) -> Result<(), ConfigError> {
    let (Some(address), instance) = (&vm.ready_push, &vm.instance) else { return Ok(()) };
    in_key("ready_push", rules::public_address(address))?;
    let is_replaced = instance.resource.contains_key("metadata");
    let replaced =
        "cannot be combined with instance.resource.metadata, which replaces the items of ready_push";
    require(!is_replaced, "ready_push", replaced)?;
    let templated =
        "with source_instance_template, requires instance.metadata or a script: it replaces the template's metadata";
    let is_its_own = instance.source_instance_template.is_none() || !instance.all_metadata().is_empty();
    require(is_its_own, "ready_push", templated)
}
