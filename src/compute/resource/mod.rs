//! The Instance resource in the body of `instances.insert`.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::collections::collect_unsorted;
use crate::vm::{Accelerator, Address, Instance};

/// The provisioning model of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provisioning {
    /// A Spot VM: cheap, but Compute Engine may preempt it at any time.
    Spot,
    /// A standard VM, at the full price.
    Standard,
}

/// Returns the
/// [Instance resource](https://cloud.google.com/compute/docs/reference/rest/v1/instances) that
/// creates an instance. Settings that are not configured are left out: Compute Engine or the
/// template sets them.
pub(super) fn instance_resource(instance: &Instance, zone: &str, provisioning: Provisioning) -> Value {
    let typed = |kind: &str, name: &str| Value::from(format!("zones/{zone}/{kind}/{name}"));
    let machine_type = Some(&instance.machine_type).filter(|name| !name.is_empty());
    let items = instance.all_metadata().into_iter().map(|(key, value)| item(key, value));
    let accelerators = instance.accelerators.iter().map(|Accelerator { kind, count }| {
        let kind = typed("acceleratorTypes", kind);
        object(&mut [("acceleratorType", kind), ("acceleratorCount", (*count).into())])
    });
    let labels = instance.labels.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
    let mut resource = object(&mut [
        ("name", instance.name.as_str().into()),
        ("machineType", machine_type.map(|name| typed("machineTypes", name)).into()),
        ("disks", list(boot_disk(instance, zone))),
        ("networkInterfaces", list(network_interface(instance, zone))),
        ("tags", object(&mut [("items", instance.tags.clone().into())])),
        ("labels", Value::Object(collect_unsorted(labels))),
        ("metadata", object(&mut [("items", items.collect())])),
        ("scheduling", scheduling(instance, provisioning)),
        ("serviceAccounts", list(service_account(instance))),
        ("guestAccelerators", accelerators.collect()),
    ]);
    if let Value::Object(fields) = &mut resource {
        merge(fields, &instance.resource);
    }
    resource
}

/// Returns an object of these fields, without those that are null or empty.
pub(super) fn object(fields: &mut [(&str, Value)]) -> Value {
    let has_value = |value: &Value| match value {
        Value::Null => false,
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    };
    let given = fields.iter_mut().filter(|(_, value)| has_value(value));
    Value::Object(collect_unsorted(given.map(|(name, value)| ((*name).to_owned(), value.take()))))
}

/// Returns a metadata item.
pub(super) fn item(key: &str, value: &str) -> Value {
    object(&mut [("key", key.into()), ("value", value.into())])
}

/// Returns the path of a resource. A resource that is given by its name alone is in the collection
/// `parent`.
pub(super) fn resource_path(resource: &str, parent: &str) -> String {
    if resource.contains('/') {
        resource.to_owned()
    } else {
        [parent, resource].concat()
    }
}

pub(super) fn is_templated(instance: &Instance) -> bool {
    instance.source_instance_template.is_some()
}

fn list(element: Value) -> Value {
    if element.is_null() {
        element
    } else {
        vec![element].into()
    }
}

fn boot_disk(instance: &Instance, zone: &str) -> Value {
    if instance.image.is_empty() {
        return Value::Null;
    }
    let kind = instance.boot_disk_type.as_ref().map(|kind| format!("zones/{zone}/diskTypes/{kind}"));
    let parameters = object(&mut [
        ("sourceImage", instance.image.as_str().into()),
        // The API encodes an int64 as a JSON string.
        ("diskSizeGb", instance.boot_disk_size.map(|size| size.to_string()).into()),
        ("diskType", kind.into()),
    ]);
    object(&mut [("boot", true.into()), ("autoDelete", true.into()), ("initializeParams", parameters)])
}

fn network_interface(instance: &Instance, zone: &str) -> Value {
    let Instance { network, subnetwork, static_address, .. } = instance;
    let is_given = network.is_some() || subnetwork.is_some() || static_address.is_some();
    if is_templated(instance) && !is_given {
        return Value::Null;
    }
    // A subnetwork belongs to one network, which can be omitted.
    let default = subnetwork.is_none().then_some("default");
    let network = network.as_deref().or(default).map(|network| resource_path(network, "global/networks/"));
    let subnetwork = subnetwork.as_deref().map(|subnetwork| {
        let region = zone.rsplit_once('-').map_or(zone, |(region, _)| region);
        resource_path(subnetwork, &format!("regions/{region}/subnetworks/"))
    });
    let ip = Value::from(static_address.map(|address| address.to_string()));
    // A VM gets an address range of this size, and is reached at the first address in it.
    let prefix_length = static_address.map(|_| 96);
    let (addressing, value) = match instance.address {
        Address::External => {
            let access = [("name", "External NAT".into()), ("type", "ONE_TO_ONE_NAT".into()), ("natIP", ip)];
            ("accessConfigs", list(object(&mut { access })))
        }
        Address::Internal => ("networkIP", ip),
        Address::Ipv6 => {
            let access = object(&mut [
                ("name", "External IPv6".into()),
                ("type", "DIRECT_IPV6".into()),
                // The standard tier has no external IPv6 addresses.
                ("networkTier", "PREMIUM".into()),
                ("externalIpv6", ip),
                ("externalIpv6PrefixLength", prefix_length.into()),
            ]);
            ("ipv6AccessConfigs", list(access))
        }
    };
    let stack = (instance.address == Address::Ipv6).then_some("IPV4_IPV6");
    object(&mut [
        ("network", network.into()),
        ("subnetwork", subnetwork.into()),
        ("stackType", stack.into()),
        (addressing, value),
    ])
}

/// Returns the service account inside the VM. If no scopes are configured, the scope allows
/// everything, and only the account's roles limit its access, as [Google
/// recommends](https://cloud.google.com/compute/docs/access/service-accounts#scopes_best_practice).
fn service_account(instance: &Instance) -> Value {
    let Instance { service_account, scopes, .. } = instance;
    if service_account.is_none() && scopes.is_empty() {
        return Value::Null;
    }
    let all = || vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()];
    let scopes = if scopes.is_empty() { all() } else { scopes.clone() };
    let email = service_account.as_deref().unwrap_or("default");
    object(&mut [("email", email.into()), ("scopes", scopes.into())])
}

/// Returns the scheduling options. Spot VMs can neither restart automatically nor migrate; VMs with
/// accelerators cannot migrate. On preemption, or at the end of its maximum run duration, a VM is
/// stopped, not deleted. See <https://cloud.google.com/compute/docs/instances/create-use-spot>,
/// <https://cloud.google.com/compute/docs/gpus/gpu-host-maintenance> and
/// <https://cloud.google.com/compute/docs/instances/limit-vm-runtime>.
fn scheduling(instance: &Instance, provisioning: Provisioning) -> Value {
    // Spot is the default, but a template has its own model.
    let is_spot = provisioning == Provisioning::Spot && !is_templated(instance);
    let model = match provisioning {
        Provisioning::Spot => is_spot.then_some("SPOT"),
        Provisioning::Standard => Some("STANDARD"),
    };
    let stays = is_spot || !instance.accelerators.is_empty();
    let is_stopped = is_spot || instance.max_run_duration.is_some();
    let seconds = instance.max_run_duration.map(|limit| limit.as_secs().to_string());
    object(&mut [
        ("provisioningModel", model.into()),
        ("automaticRestart", is_spot.then_some(false).into()),
        ("onHostMaintenance", stays.then_some("TERMINATE").into()),
        ("maxRunDuration", object(&mut [("seconds", seconds.into())])),
        ("instanceTerminationAction", is_stopped.then_some("STOP").into()),
    ])
}

/// Applies a [merge patch](https://www.rfc-editor.org/rfc/rfc7396): objects are merged field by
/// field; arrays and other values replace existing ones.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match (target.get_mut(name), value) {
            (Some(Value::Object(target)), Value::Object(patch)) => merge(target, patch),
            (_, Value::Null) => drop(target.remove(name)),
            _ => drop(target.insert(name.clone(), value.clone())),
        }
    }
}
