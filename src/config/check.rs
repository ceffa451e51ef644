//! What is allowed of a VM, and of VMs that belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ensure::{at, check, need};
use super::instance::check_instance;
use super::wake::check_wake;
use super::{check_schedule, rule, ConfigError};
use crate::time::format_duration;
use crate::vm::{Address, OnIdle, Origin, Vm, WAITING_PAGE};

const LOGO: &str =
    "an image as a data: URL, as \"data:image/svg+xml;base64,…\": the page loads nothing from elsewhere";

const LONGEST_SUSPENSION: Duration = Duration::from_secs(59 * 24 * 60 * 60);

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
        let (name, path) = (&vm.instance.name, &vm.path);
        let is_own_name = names.insert(name);
        let is_own_route = routes.insert((&vm.host, path));
        check_vm(vm)
            .and_then(|()| {
                check(is_own_name, "instance.name", || {
                    format!("{name:?} is the instance of another VM already; each needs its own")
                })
            })
            .and_then(|()| {
                check(is_own_route, "path", || {
                    format!("{path:?} is served by another VM already (with the same host)")
                })
            })
            .map_err(|error| error.below(&format!("VMS[{index}]")))?;
    }
    Ok(())
}

/// Checks one VM.
///
/// # Errors
/// The first thing that is wrong; keys are relative to the VM.
pub fn check_vm(vm: &Vm) -> Result<(), ConfigError> {
    at("path", rule::path(&vm.path))?;
    let paths = [("health_path", &vm.health_path), ("busy_path", &vm.busy_path)];
    for (key, path) in paths {
        path.iter().try_for_each(|path| at(key, rule::path(path)))?;
    }
    if let Some(host) = &vm.host {
        let is_host = !host.is_empty() && !host.contains(['/', ':', ' ']);
        let rule = "a host name (without scheme, port or path), as \"app.example.com\"";
        at("host", rule::check(host, is_host, rule))?;
    }
    need(vm.port != 0, "port", "0 is not a port: 1 to 65535")?;
    check_origin(vm)?;
    let hold_timeout = vm.hold_timeout.map(|timeout| ("hold_timeout", timeout));
    let timeouts = [
        ("connect_timeout", vm.connect_timeout),
        ("response_timeout", vm.response_timeout),
        ("startup_timeout", vm.startup_timeout),
        ("idle_timeout", vm.idle_timeout),
    ];
    for (key, timeout) in timeouts.into_iter().chain(hold_timeout) {
        need(!timeout.is_zero(), key, "must be longer than 0s")?;
    }
    check(vm.busy_path.is_none() || vm.busy_limit >= vm.idle_timeout, "busy_limit", || {
        format!("must be at least idle_timeout, {}", format_duration(vm.idle_timeout))
    })?;
    let suspends = vm.deep_sleep_after.is_none() || vm.on_idle == OnIdle::Suspend;
    need(suspends, "deep_sleep_after", "needs on_idle = \"suspend\"")?;
    let bound = "must be at most 59d: Compute Engine keeps a suspended VM for 60 days";
    need(vm.deep_sleep_after.is_none_or(|after| after <= LONGEST_SUSPENSION), "deep_sleep_after", bound)?;
    need(vm.max_starts_per_hour != Some(0), "max_starts_per_hour", "must be at least 1")?;
    need(vm.max_hours_per_month != Some(0), "max_hours_per_month", "must be at least 1")?;
    at("waiting_page", check_waiting_page(&vm.waiting_page))?;
    if let Some(url) = &vm.waiting_page_url {
        let rule = "a page's URL, as \"https://static.example.com/waiting.html\"";
        at("waiting_page_url", rule::url(url, &["https://", "http://"], rule))?;
    }
    at("wake", check_wake(&vm.wake))?;
    check_schedule(vm, |_| true)?;
    check_ready_push(vm)?;
    at("instance", check_instance(&vm.instance))
}

fn check_waiting_page(settings: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    for (name, text) in settings {
        let names = WAITING_PAGE.map(|(name, _)| name);
        check(names.contains(&name.as_str()), name, || format!("is no key; there are {}", names.join(", ")))?;
        let checked = match name.as_str() {
            "lang" => rule::language(text),
            "logo" => rule::url(text, &["data:image/"], LOGO),
            "accent_color" | "background_color" => rule::color(text),
            _ => Ok(()),
        };
        at(name, checked)?;
    }
    Ok(())
}

fn check_origin(vm: &Vm) -> Result<(), ConfigError> {
    let origin = Origin::check(vm).map_err(|problem| ConfigError::new("origin", problem))?;
    let is_internal = vm.instance.address == Address::Internal;
    let internal = "needs instance.address = \"internal\": that is where a VPC network reaches the VM";
    need(vm.vpc.is_none() || is_internal, "vpc", internal)?;
    let vpc =
        "\"internal\" needs vpc = \"BINDING\": a Worker reaches a private address through a VPC network only";
    need(vm.vpc.is_some() || !is_internal || !vm.origin.contains("{ip"), "instance.address", vpc)?;
    let Some(host) = &vm.host_header else { return Ok(()) };
    let is_host = !host.is_empty() && !host.contains(|c: char| c.is_ascii_control() || "/ @".contains(c));
    let rule = "a host, with or without a port, as \"app.example.com\"";
    at("host_header", rule::check(host, is_host, rule))?;
    let socket = "is only for an origin that is an IP address: fetch() asks for the origin's own name";
    need(matches!(origin, Origin::Socket { .. }), "host_header", socket)
}

fn check_ready_push(vm: &Vm) -> Result<(), ConfigError> {
    let (Some(address), instance) = (&vm.ready_push, &vm.instance) else { return Ok(()) };
    at("ready_push", rule::public_address(address))?;
    let is_replaced = instance.resource.contains_key("metadata");
    let replaced = "cannot be with instance.resource.metadata, which replaces the items that it sets";
    need(!is_replaced, "ready_push", replaced)?;
    let templated =
        "needs instance.metadata or a script with source_instance_template, whose metadata it replaces";
    let is_its_own = instance.source_instance_template.is_none() || !instance.all_metadata().is_empty();
    need(is_its_own, "ready_push", templated)
}
