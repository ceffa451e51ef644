//! How an instance that exists differs from the configuration, and what brings it in line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use super::resource::{machine_type_url, metadata_items, scheduling, Provisioning};
use crate::time::format_duration;
use crate::vm::Instance;

/// A setting that differs from the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What the instance has.
    is: String,
    /// What is configured.
    wanted: String,
    /// What brings it in line.
    pub change: Change,
}

/// A change of a setting. Of tags and metadata it carries the fingerprint of what it replaces, so that a change by
/// somebody else meanwhile is not lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// `instances.setMachineType`; only of a stopped instance.
    MachineType,
    /// `instances.setScheduling`; only of a stopped instance.
    Scheduling {
        /// Whether it is to be a Spot VM. What may be either stays what it is.
        spot: bool,
    },
    /// `instances.setTags`.
    Tags {
        /// Of the tags that the instance has.
        fingerprint: String,
    },
    /// `instances.setMetadata`.
    Metadata {
        /// Of the metadata that the instance has.
        fingerprint: String,
        /// The instance's own items that the configuration does not name, such as SSH keys: they are kept.
        others: BTreeMap<String, String>,
    },
}

impl Change {
    /// The method's name, as `setTags`.
    pub fn verb(&self) -> &'static str {
        match self {
            Change::MachineType => "setMachineType",
            Change::Scheduling { .. } => "setScheduling",
            Change::Tags { .. } => "setTags",
            Change::Metadata { .. } => "setMetadata",
        }
    }

    /// The method's name in the API.
    pub(super) fn method_id(&self) -> &'static str {
        match self {
            Change::MachineType => "instances.setMachineType",
            Change::Scheduling { .. } => "instances.setScheduling",
            Change::Tags { .. } => "instances.setTags",
            Change::Metadata { .. } => "instances.setMetadata",
        }
    }

    /// The body of the request.
    pub(super) fn body(&self, instance: &Instance, zone: &str) -> Value {
        match self {
            Change::MachineType => json!({"machineType": machine_type_url(instance, zone)}),
            Change::Scheduling { spot } => {
                let provisioning = if *spot { Provisioning::Spot } else { Provisioning::Standard };
                let mut scheduling = scheduling(instance, provisioning);
                // What is not given stays as it is, and what is given as null is cleared: `gcloud compute instances
                // set-scheduling --clear-max-run-duration` sends that, too.
                scheduling.entry("provisioningModel").or_insert_with(|| "STANDARD".into());
                for option in ["maxRunDuration", "instanceTerminationAction"] {
                    scheduling.entry(option).or_insert(Value::Null);
                }
                scheduling.into()
            }
            Change::Tags { fingerprint } => json!({"items": instance.tags, "fingerprint": fingerprint}),
            Change::Metadata { fingerprint, others } => {
                let kept = others.iter().map(|(key, value)| json!({"key": key, "value": value}));
                let items: Vec<Value> = kept.chain(metadata_items(instance)).collect();
                json!({"items": items, "fingerprint": fingerprint})
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = match self.change {
            Change::MachineType => "machine_type",
            Change::Scheduling { .. } => "scheduling",
            Change::Tags { .. } => "tags",
            Change::Metadata { .. } => "metadata",
        };
        write!(f, "{setting}: is {}, configured {}", self.is, self.wanted)
    }
}

/// The settings of an instance that can be brought in line, as the API gives them.
pub(super) struct Settings {
    pub machine_type: Option<String>,
    pub scheduling: Option<Scheduling>,
    pub tags: Option<Tags>,
    pub metadata: Option<Metadata>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Scheduling {
    provisioning_model: Option<String>,
    preemptible: bool,
    max_run_duration: Option<ApiDuration>,
}

/// An int64 in the API, and so a string in JSON.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ApiDuration {
    seconds: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tags {
    items: BTreeSet<String>,
    fingerprint: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    items: Vec<MetadataItem>,
    fingerprint: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct MetadataItem {
    key: String,
    value: String,
}

impl Settings {
    /// How these differ from the configuration. What an answer leaves out differs in nothing.
    pub fn differences(&self, instance: &Instance) -> Vec<Difference> {
        let all = [
            self.machine_type(instance),
            self.scheduling(instance),
            self.tags(instance),
            self.metadata(instance),
        ];
        all.into_iter().flatten().collect()
    }

    fn machine_type(&self, instance: &Instance) -> Option<Difference> {
        let is = self.machine_type.as_ref()?.rsplit('/').next()?;
        let wanted = instance.machine_type.as_str();
        differ(is, wanted, Change::MachineType)
    }

    fn scheduling(&self, instance: &Instance) -> Option<Difference> {
        let scheduling = self.scheduling.as_ref()?;
        let is_spot = scheduling.preemptible || scheduling.provisioning_model.as_deref() == Some("SPOT");
        // With spot_fallback either will do.
        let wants_spot = !instance.not_preemptible && (is_spot || !instance.spot_fallback);
        let describe = |spot: bool, limit: Option<String>| {
            let model = if spot { "Spot" } else { "standard" };
            limit.map_or(model.to_owned(), |limit| format!("{model}, {limit} at most"))
        };
        let limit = scheduling.max_run_duration.as_ref().and_then(|limit| limit.seconds.parse().ok());
        let limit = limit.map(|seconds| format_duration(std::time::Duration::from_secs(seconds)));
        let wanted_limit = instance.max_run_duration.map(format_duration);
        let change = Change::Scheduling { spot: wants_spot };
        differ(&describe(is_spot, limit), &describe(wants_spot, wanted_limit), change)
    }

    fn tags(&self, instance: &Instance) -> Option<Difference> {
        let Tags { items, fingerprint } = self.tags.as_ref()?;
        let wanted: BTreeSet<String> = instance.tags.iter().cloned().collect();
        let change = Change::Tags { fingerprint: fingerprint.clone() };
        differ(&format!("{items:?}"), &format!("{wanted:?}"), change)
    }

    fn metadata(&self, instance: &Instance) -> Option<Difference> {
        let Metadata { items, fingerprint } = self.metadata.as_ref()?;
        let is: BTreeMap<String, String> =
            items.iter().map(|item| (item.key.clone(), item.value.clone())).collect();
        let wanted = instance.all_metadata();
        // Values may be secrets, and scripts are long: only the keys are told.
        let differing: Vec<&str> =
            wanted.iter().filter(|(key, value)| is.get(**key) != Some(*value)).map(|(key, _)| *key).collect();
        if differing.is_empty() {
            return None;
        }
        let others = is.into_iter().filter(|(key, _)| !wanted.contains_key(key.as_str())).collect();
        let change = Change::Metadata { fingerprint: fingerprint.clone(), others };
        Some(Difference { is: "otherwise".to_owned(), wanted: differing.join(", "), change })
    }
}

fn differ(is: &str, wanted: &str, change: Change) -> Option<Difference> {
    (is != wanted).then(|| Difference { is: is.to_owned(), wanted: wanted.to_owned(), change })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn instance() -> Instance {
        Instance {
            name: "backend".into(),
            zone: "z".into(),
            metadata: BTreeMap::from([("color".into(), "green".into())]),
            startup_script: Some("echo hi".into()),
            ..Instance::default()
        }
    }

    fn settings(value: Value) -> Settings {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        fn part<T: serde::de::DeserializeOwned>(value: &Value, name: &str) -> Option<T> {
            value.get(name).map(|part| serde_json::from_value(part.clone()).unwrap())
        }
        Settings {
            machine_type: text("machineType"),
            scheduling: part(&value, "scheduling"),
            tags: part(&value, "tags"),
            metadata: part(&value, "metadata"),
        }
    }

    fn in_line() -> Value {
        json!({
            "machineType": "https://www.googleapis.com/compute/v1/projects/p/zones/z/machineTypes/n1-standard-1",
            "scheduling": {"provisioningModel": "SPOT", "preemptible": true},
            "tags": {"items": ["http-server"], "fingerprint": "f1"},
            "metadata": {"fingerprint": "f2", "items": [
                {"key": "startup-script", "value": "echo hi"},
                {"key": "color", "value": "green"},
                {"key": "ssh-keys", "value": "me:ssh-ed25519 AAAA"},
            ]},
        })
    }

    fn told(settings: &Settings, instance: &Instance) -> Vec<String> {
        settings.differences(instance).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_instance_that_is_as_configured_differs_in_nothing() {
        assert_eq!(told(&settings(in_line()), &instance()), Vec::<String>::new());
        assert_eq!(told(&settings(json!({})), &instance()), Vec::<String>::new());
    }

    #[test]
    fn every_difference_is_told() {
        let other = Instance {
            machine_type: "e2-small".into(),
            not_preemptible: true,
            max_run_duration: Some(Duration::from_secs(7200)),
            tags: vec!["web".into(), "http-server".into()],
            startup_script: Some("echo ho".into()),
            ..instance()
        };
        assert_eq!(
            told(&settings(in_line()), &other),
            [
                "machine_type: is n1-standard-1, configured e2-small",
                "scheduling: is Spot, configured standard, 2h at most",
                "tags: is {\"http-server\"}, configured {\"http-server\", \"web\"}",
                "metadata: is otherwise, configured startup-script",
            ]
        );
    }

    #[test]
    fn what_brings_it_in_line_keeps_what_is_not_configured() {
        let other = Instance { startup_script: None, tags: vec![], ..instance() };
        let other = Instance { metadata: BTreeMap::from([("color".into(), "blue".into())]), ..other };
        let differences = settings(in_line()).differences(&other);
        let bodies: Vec<Value> = differences.iter().map(|d| d.change.body(&other, "z")).collect();
        assert_eq!(
            bodies,
            [
                json!({"items": [], "fingerprint": "f1"}),
                json!({"fingerprint": "f2", "items": [
                    {"key": "ssh-keys", "value": "me:ssh-ed25519 AAAA"},
                    {"key": "startup-script", "value": "echo hi"},
                    {"key": "color", "value": "blue"},
                ]}),
            ]
        );
    }

    #[test]
    fn a_standard_vm_is_no_difference_where_spot_may_fall_back() {
        let fallback = Instance { spot_fallback: true, ..instance() };
        let standard = settings(json!({"scheduling": {"provisioningModel": "STANDARD"}}));
        assert_eq!(told(&standard, &fallback), Vec::<String>::new());
        assert_eq!(told(&standard, &instance()), ["scheduling: is standard, configured Spot"]);
    }

    #[test]
    fn a_run_limit_is_set_and_taken_off_without_another_change() {
        let limit = Some(Duration::from_secs(60));
        let is = |model: &str, limited: bool| {
            let limit = if limited { json!({"seconds": "3600"}) } else { Value::Null };
            settings(json!({"scheduling": {"provisioningModel": model, "maxRunDuration": limit}}))
        };
        let body = |settings: Settings, instance: Instance| {
            let [difference] = settings.differences(&instance).try_into().unwrap();
            difference.change.body(&instance, "z")
        };
        let spot = |limit: Value| {
            json!({
                "provisioningModel": "SPOT", "automaticRestart": false, "onHostMaintenance": "TERMINATE",
                "maxRunDuration": limit, "instanceTerminationAction": "STOP",
            })
        };
        let standard = |limit: Value, action: Value| {
            json!({
                "provisioningModel": "STANDARD", "maxRunDuration": limit, "instanceTerminationAction": action,
            })
        };
        let minute = || json!({"seconds": "60"});
        let limited = || Instance { max_run_duration: limit, ..instance() };
        assert_eq!(body(is("SPOT", true), instance()), spot(Value::Null));
        assert_eq!(body(is("SPOT", false), limited()), spot(minute()));
        let either = |instance: Instance| Instance { spot_fallback: true, ..instance };
        assert_eq!(body(is("STANDARD", true), either(instance())), standard(Value::Null, Value::Null));
        assert_eq!(body(is("STANDARD", false), either(limited())), standard(minute(), "STOP".into()));
        assert_eq!(body(is("SPOT", true), either(instance())), spot(Value::Null));
        let not_preemptible = Instance { not_preemptible: true, ..either(instance()) };
        assert_eq!(body(is("SPOT", true), not_preemptible), standard(Value::Null, Value::Null));
    }
}
