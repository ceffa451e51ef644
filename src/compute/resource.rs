//! The Instance resource that `instances.insert` sends.

use serde_json::{json, Map, Value};

use crate::vm::{Address, Instance};

/// How an instance is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provisioning {
    /// Cheap, and may be taken back at any time.
    Spot,
    /// At the full price.
    Standard,
}

/// The [Instance resource](https://cloud.google.com/compute/docs/reference/rest/v1/instances) for an instance
/// that does not exist yet.
pub(super) fn instance_resource(instance: &Instance, zone: &str, provisioning: Provisioning) -> Value {
    let mut resource = json!({
        "name": instance.name,
        "machineType": machine_type_url(instance, zone),
        "disks": [boot_disk(instance)],
        "networkInterfaces": [network_interface(instance.address)],
    });
    let mut optional = Map::new();
    if !instance.tags.is_empty() {
        optional.insert("tags".to_owned(), json!({"items": instance.tags}));
    }
    let metadata = metadata_items(instance);
    if !metadata.is_empty() {
        optional.insert("metadata".to_owned(), json!({"items": metadata}));
    }
    let scheduling = scheduling(instance, provisioning);
    if !scheduling.is_empty() {
        optional.insert("scheduling".to_owned(), scheduling.into());
    }
    if !instance.scopes.is_empty() {
        optional
            .insert("serviceAccounts".to_owned(), json!([{"email": "default", "scopes": instance.scopes}]));
    }
    if let Value::Object(fields) = &mut resource {
        fields.append(&mut optional);
    }
    resource
}

fn network_interface(address: Address) -> Value {
    match address {
        Address::External => json!({
            "network": "global/networks/default",
            "accessConfigs": [{"name": "External NAT", "type": "ONE_TO_ONE_NAT"}],
        }),
        Address::Internal => json!({"network": "global/networks/default"}),
    }
}

fn boot_disk(instance: &Instance) -> Value {
    let mut parameters = json!({"sourceImage": instance.image});
    if let (Some(size), Value::Object(fields)) = (instance.boot_disk_size, &mut parameters) {
        // An int64 in the API, and so a string in JSON.
        fields.insert("diskSizeGb".to_owned(), size.to_string().into());
    }
    json!({"boot": true, "autoDelete": true, "initializeParams": parameters})
}

pub(super) fn machine_type_url(instance: &Instance, zone: &str) -> String {
    format!("zones/{zone}/machineTypes/{}", instance.machine_type)
}

pub(super) fn metadata_items(instance: &Instance) -> Vec<Value> {
    let items = instance.all_metadata().into_iter();
    items.map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// Spot VMs can neither restart by themselves nor migrate. When Compute Engine wants a VM back, or its time is up,
/// it is stopped, not deleted. See <https://cloud.google.com/compute/docs/instances/create-use-spot> and
/// <https://cloud.google.com/compute/docs/instances/limit-vm-runtime>.
pub(super) fn scheduling(instance: &Instance, provisioning: Provisioning) -> Map<String, Value> {
    let mut scheduling = Map::new();
    let mut set = |key: &str, value: Value| scheduling.insert(key.to_owned(), value);
    if provisioning == Provisioning::Spot {
        set("provisioningModel", "SPOT".into());
        set("automaticRestart", false.into());
        set("onHostMaintenance", "TERMINATE".into());
    }
    if let Some(limit) = instance.max_run_duration {
        set("maxRunDuration", json!({"seconds": limit.as_secs().to_string()}));
    }
    if provisioning == Provisioning::Spot || instance.max_run_duration.is_some() {
        set("instanceTerminationAction", "STOP".into());
    }
    scheduling
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    #[test]
    fn the_least_instance_is_a_spot_vm_with_the_defaults() {
        let instance = Instance { name: "a".into(), zone: "z".into(), ..Instance::default() };
        assert_eq!(
            instance_resource(&instance, "z", Provisioning::Spot),
            json!({
                "name": "a",
                "machineType": "zones/z/machineTypes/n1-standard-1",
                "disks": [{
                    "boot": true,
                    "autoDelete": true,
                    "initializeParams": {"sourceImage": crate::DEFAULT_IMAGE},
                }],
                "networkInterfaces": [{
                    "network": "global/networks/default",
                    "accessConfigs": [{"name": "External NAT", "type": "ONE_TO_ONE_NAT"}],
                }],
                "tags": {"items": ["http-server"]},
                "scheduling": {
                    "provisioningModel": "SPOT",
                    "instanceTerminationAction": "STOP",
                    "automaticRestart": false,
                    "onHostMaintenance": "TERMINATE",
                },
            })
        );
    }

    /// Every field of the Go package's `Instance` and what becomes of it.
    #[test]
    fn every_field_reaches_the_resource() {
        let instance = Instance {
            name: "backend".into(),
            zone: "europe-west1-b".into(),
            zones: vec![],
            image: "projects/p/global/images/mine".into(),
            machine_type: "e2-small".into(),
            address: Address::Internal,
            tags: vec!["web".into(), "blue".into()],
            metadata: BTreeMap::from([("color".into(), "green".into())]),
            startup_script: Some("#!/bin/sh\necho hi".into()),
            startup_script_url: None,
            boot_disk_size: Some(20),
            not_preemptible: true,
            spot_fallback: false,
            max_run_duration: Some(Duration::from_secs(4 * 60 * 60)),
            scopes: vec!["https://www.googleapis.com/auth/logging.write".into()],
        };
        let resource = instance_resource(&instance, &instance.zone, Provisioning::Standard);
        assert_eq!(resource["name"], "backend");
        assert_eq!(resource["machineType"], "zones/europe-west1-b/machineTypes/e2-small");
        let disk = &resource["disks"][0]["initializeParams"];
        assert_eq!(*disk, json!({"sourceImage": "projects/p/global/images/mine", "diskSizeGb": "20"}));
        assert_eq!(resource["networkInterfaces"], json!([{"network": "global/networks/default"}]));
        assert_eq!(resource["tags"], json!({"items": ["web", "blue"]}));
        assert_eq!(
            resource["metadata"]["items"],
            json!([
                {"key": "color", "value": "green"},
                {"key": "startup-script", "value": "#!/bin/sh\necho hi"},
            ])
        );
        assert_eq!(
            resource["scheduling"],
            json!({"maxRunDuration": {"seconds": "14400"}, "instanceTerminationAction": "STOP"})
        );
        assert_eq!(
            resource["serviceAccounts"],
            json!([{"email": "default", "scopes": ["https://www.googleapis.com/auth/logging.write"]}])
        );
        let url = Instance {
            startup_script: None,
            startup_script_url: Some("gs://b/x.sh".into()),
            metadata: BTreeMap::new(),
            ..instance
        };
        assert_eq!(
            instance_resource(&url, "z", Provisioning::Standard)["metadata"]["items"],
            json!([{"key": "startup-script-url", "value": "gs://b/x.sh"}])
        );
    }
}
