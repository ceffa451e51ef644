use super::*;
use serde_json::json;
use std::time::Duration;

fn instance() -> Instance {
    Instance { name: "backend".into(), zone: "europe-west1-b".into(), ..Instance::default() }
}

fn resource(instance: &Instance) -> Value {
    instance_resource(instance, "europe-west1-b", Provisioning::Standard)
}

#[test]
fn the_least_instance_is_a_spot_vm_with_the_defaults() {
    assert_eq!(
        instance_resource(&instance(), "z", Provisioning::Spot),
        json!({
            "name": "backend",
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

#[test]
fn every_setting_reaches_the_resource() {
    let text = |text: &str| Some(text.to_owned());
    let strings = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let instance = Instance {
        image: "projects/p/global/images/mine".into(),
        machine_type: "n1-standard-4".into(),
        accelerators: vec![Accelerator { kind: "nvidia-tesla-t4".into(), count: 2 }],
        boot_disk_size: Some(20),
        boot_disk_type: text("pd-ssd"),
        static_address: Some("203.0.113.7".parse().unwrap()),
        network: text("vpc"),
        subnetwork: text("web"),
        tags: vec!["web".into(), "blue".into()],
        labels: strings(&[("team", "shop"), ("env", "")]),
        metadata: strings(&[("color", "green")]),
        startup_script: text("#!/bin/sh\necho hi"),
        shutdown_script: text("#!/bin/sh\necho bye"),
        not_preemptible: true,
        max_run_duration: Some(Duration::from_secs(4 * 60 * 60)),
        service_account: text("vm@p.iam.gserviceaccount.com"),
        scopes: vec!["https://www.googleapis.com/auth/logging.write".into()],
        ..instance()
    };
    assert_eq!(
        resource(&instance),
        json!({
            "name": "backend",
            "machineType": "zones/europe-west1-b/machineTypes/n1-standard-4",
            "disks": [{
                "boot": true,
                "autoDelete": true,
                "initializeParams": {
                    "sourceImage": "projects/p/global/images/mine",
                    "diskSizeGb": "20",
                    "diskType": "zones/europe-west1-b/diskTypes/pd-ssd",
                },
            }],
            "networkInterfaces": [{
                "network": "global/networks/vpc",
                "subnetwork": "regions/europe-west1/subnetworks/web",
                "accessConfigs": [
                    {"name": "External NAT", "type": "ONE_TO_ONE_NAT", "natIP": "203.0.113.7"},
                ],
            }],
            "tags": {"items": ["web", "blue"]},
            "labels": {"team": "shop", "env": ""},
            "metadata": {"items": [
                {"key": "color", "value": "green"},
                {"key": "shutdown-script", "value": "#!/bin/sh\necho bye"},
                {"key": "startup-script", "value": "#!/bin/sh\necho hi"},
            ]},
            "scheduling": {
                "provisioningModel": "STANDARD",
                "onHostMaintenance": "TERMINATE",
                "maxRunDuration": {"seconds": "14400"},
                "instanceTerminationAction": "STOP",
            },
            "serviceAccounts": [{
                "email": "vm@p.iam.gserviceaccount.com",
                "scopes": ["https://www.googleapis.com/auth/logging.write"],
            }],
            "guestAccelerators": [{
                "acceleratorType": "zones/europe-west1-b/acceleratorTypes/nvidia-tesla-t4",
                "acceleratorCount": 2,
            }],
        })
    );
    let url = Instance {
        startup_script_url: text("gs://b/x.sh"),
        startup_script: None,
        shutdown_script: None,
        metadata: strings(&[]),
        ..instance
    };
    let items = json!([{"key": "startup-script-url", "value": "gs://b/x.sh"}]);
    assert_eq!(resource(&url)["metadata"]["items"], items);
}

#[test]
fn the_interface_is_made_for_the_address() {
    let ipv6 = |more: Value| {
        let mut access = json!({"name": "External IPv6", "type": "DIRECT_IPV6", "networkTier": "PREMIUM"});
        access.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({
            "subnetwork": "projects/host/regions/r/subnetworks/dual",
            "stackType": "IPV4_IPV6",
            "ipv6AccessConfigs": [access],
        })
    };
    let dual = Some("projects/host/regions/r/subnetworks/dual");
    let fixed = json!({"externalIpv6": "2600:1900::", "externalIpv6PrefixLength": 96});
    let default = "global/networks/default";
    for (address, subnetwork, static_address, interface) in [
        (Address::Internal, None, None, json!({"network": default})),
        (Address::Internal, None, Some("10.0.0.9"), json!({"network": default, "networkIP": "10.0.0.9"})),
        (Address::Ipv6, dual, None, ipv6(json!({}))),
        (Address::Ipv6, dual, Some("2600:1900::"), ipv6(fixed)),
    ] {
        let instance = Instance {
            address,
            subnetwork: subnetwork.map(str::to_owned),
            static_address: static_address.map(|address| address.parse().unwrap()),
            ..instance()
        };
        assert_eq!(resource(&instance)["networkInterfaces"], json!([interface]));
    }
}

#[test]
fn a_service_account_may_do_what_its_roles_say() {
    let all = "https://www.googleapis.com/auth/cloud-platform";
    let one = "https://www.googleapis.com/auth/logging.write";
    for (email, scopes, account) in [
        (None, vec![], Value::Null),
        (None, vec![one], json!([{"email": "default", "scopes": [one]}])),
        (Some("a@b.c"), vec![], json!([{"email": "a@b.c", "scopes": [all]}])),
    ] {
        let instance = Instance {
            service_account: email.map(str::to_owned),
            scopes: scopes.into_iter().map(str::to_owned).collect(),
            ..instance()
        };
        assert_eq!(resource(&instance)["serviceAccounts"], account);
    }
}

#[test]
fn a_template_is_left_what_it_says() {
    let templated = |instance| instance_resource(&instance, "z", Provisioning::Spot);
    let template = Instance { name: "backend".into(), ..Instance::from_template("web") };
    assert_eq!(templated(template.clone()), json!({"name": "backend"}));
    let given = Instance {
        machine_type: "e2-small".into(),
        max_run_duration: Some(Duration::from_secs(60)),
        network: Some("vpc".into()),
        ..template.clone()
    };
    assert_eq!(
        templated(given),
        json!({
            "name": "backend",
            "machineType": "zones/z/machineTypes/e2-small",
            "networkInterfaces": [{
                "network": "global/networks/vpc",
                "accessConfigs": [{"name": "External NAT", "type": "ONE_TO_ONE_NAT"}],
            }],
            "scheduling": {"maxRunDuration": {"seconds": "60"}, "instanceTerminationAction": "STOP"},
        })
    );
    let standard = instance_resource(&template, "z", Provisioning::Standard);
    assert_eq!(standard["scheduling"], json!({"provisioningModel": "STANDARD"}));
}

#[test]
fn the_rest_is_merged_in() {
    let Value::Object(rest) = json!({
        "description": "made by hand",
        "machineType": "zones/z/machineTypes/e2-micro",
        "scheduling": {"automaticRestart": false, "maxRunDuration": {"nanos": 5}},
        "tags": {"items": ["one"]},
        "networkInterfaces": [{"nicType": "GVNIC"}],
        "metadata": null,
    }) else {
        panic!()
    };
    let instance = Instance {
        max_run_duration: Some(Duration::from_secs(60)),
        startup_script: Some("echo".into()),
        resource: rest,
        ..instance()
    };
    let resource = resource(&instance);
    assert_eq!(resource["description"], "made by hand");
    assert_eq!(resource["machineType"], "zones/z/machineTypes/e2-micro");
    assert_eq!(
        resource["scheduling"],
        json!({
            "provisioningModel": "STANDARD",
            "automaticRestart": false,
            "maxRunDuration": {"seconds": "60", "nanos": 5},
            "instanceTerminationAction": "STOP",
        })
    );
    assert_eq!(resource["tags"], json!({"items": ["one"]}));
    assert_eq!(resource["networkInterfaces"], json!([{"nicType": "GVNIC"}]));
    assert_eq!(resource.get("metadata"), None);
}
