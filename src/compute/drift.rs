//! Drift: the differences between an existing instance and the configuration, and the calls that
//! update the instance.
//!
//! The instance is compared with the resource that would create it. Fields that this resource
//! leaves out may have any value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::resource::{instance_resource, is_templated, item, object, Provisioning};
use crate::collections::collect_unsorted;
use crate::time::format_duration;
use crate::vm::{is_ready_item, Instance};

/// The fields of an Instance that are compared, or that an update needs.
pub(super) const FIELDS: &str = "machineType,scheduling,tags,metadata,labels,labelFingerprint";

/// A setting that differs from the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// A description of the instance's value.
    is: String,
    /// A description of the configured value.
    wanted: String,
    /// The update that applies the configuration.
    pub update: Update,
}

/// An update of a setting. An update of tags, metadata or labels contains the fingerprint of the
/// value that it replaces, so that a concurrent change by another client is not lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// `instances.setMachineType`, which requires a stopped instance.
    MachineType,
    /// `instances.setScheduling`, which requires a stopped instance.
    Scheduling {
        /// `true` if the instance becomes a Spot VM. If the configuration allows both models, the
        /// instance keeps its own.
        spot: bool,
    },
    /// `instances.setTags`.
    Tags {
        /// The fingerprint of the instance's present tags.
        fingerprint: String,
    },
    /// `instances.setMetadata`.
    Metadata {
        /// The fingerprint of the instance's present metadata.
        fingerprint: String,
        /// The instance's items that the configuration does not name, such as SSH keys, which are
        /// kept.
        others: BTreeMap<String, String>,
    },
    /// `instances.setMetadata` too: sets the items of the ready push, and keeps all others.
    Ready {
        /// The fingerprint of the instance's present metadata.
        fingerprint: String,
        /// All of the instance's present items.
        others: BTreeMap<String, String>,
    },
    /// `instances.setLabels`.
    Labels {
        /// The fingerprint of the instance's present labels.
        fingerprint: String,
        /// The instance's labels that the configuration does not name, which are kept.
        others: BTreeMap<String, String>,
    },
}

impl Update {
    /// Returns the last part of the method's name, such as `setTags`.
    pub fn verb(&self) -> &'static str {
        let id = self.method_id();
        id.strip_prefix("instances.").unwrap_or(id)
    }

    /// Returns the method's name in the API.
    pub(super) fn method_id(&self) -> &'static str {
        match self {
            Update::MachineType => "instances.setMachineType",
            Update::Scheduling { .. } => "instances.setScheduling",
            Update::Tags { .. } => "instances.setTags",
            Update::Metadata { .. } | Update::Ready { .. } => "instances.setMetadata",
            Update::Labels { .. } => "instances.setLabels",
        }
    }

    /// Returns the body of the request.
    pub(super) fn body(&self, instance: &Instance, zone: &str) -> Value {
        let spot = matches!(self, Update::Scheduling { spot: true });
        let provisioning = if spot { Provisioning::Spot } else { Provisioning::Standard };
        let mut wanted = instance_resource(instance, zone, provisioning);
        let mut take = |pointer: &str| wanted.pointer_mut(pointer).map(Value::take).unwrap_or_default();
        match self {
            Update::MachineType => object(&mut [("machineType", take("/machineType"))]),
            Update::Scheduling { .. } => {
                let mut scheduling = take("/scheduling");
                // The API keeps fields that are left out, and clears fields that are null. `gcloud
                // compute instances set-scheduling --clear-max-run-duration` sends null, too.
                if let (Value::Object(scheduling), false) = (&mut scheduling, is_templated(instance)) {
                    for option in ["maxRunDuration", "instanceTerminationAction"] {
                        scheduling.entry(option).or_insert(Value::Null);
                    }
                }
                scheduling
            }
            Update::Tags { fingerprint } => fingerprinted("items", take("/tags/items"), fingerprint),
            Update::Metadata { fingerprint, others } | Update::Ready { fingerprint, others } => {
                let all = matches!(self, Update::Metadata { .. });
                let wanted = take("/metadata/items");
                let key = |item| text(item, "/key").unwrap_or_default();
                let set = || elements(&wanted).filter(|item| all || is_ready_item(key(item)));
                let kept = others.iter().filter(|(name, _)| set().all(|item| key(item) != *name));
                let kept = kept.map(|(name, value)| item(name, value));
                fingerprinted("items", kept.chain(set().cloned()).collect(), fingerprint)
            }
            Update::Labels { fingerprint, others } => {
                let others = others.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
                let mut labels: Map<_, _> = collect_unsorted(others);
                if let Value::Object(wanted) = take("/labels") {
                    labels.extend(wanted);
                }
                object(&mut [("labels", labels.into()), ("labelFingerprint", fingerprint.as_str().into())])
            }
        }
    }
}

fn fingerprinted(name: &str, value: Value, fingerprint: &str) -> Value {
    object(&mut [(name, value), ("fingerprint", fingerprint.into())])
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = match self.update {
            Update::MachineType => "machine_type",
            Update::Scheduling { .. } => "scheduling",
            Update::Tags { .. } => "tags",
            Update::Metadata { .. } | Update::Ready { .. } => "metadata",
            Update::Labels { .. } => "labels",
        };
        write!(f, "{setting}: is {}, configured {}", self.is, self.wanted)
    }
}

/// Returns the differences between an instance, as the API returns it, and the configuration.
/// Fields that a response leaves out count as equal.
pub(super) fn differences(is: &Value, instance: &Instance) -> Vec<Difference> {
    let provisioning = if instance.not_preemptible { Provisioning::Standard } else { Provisioning::Spot };
    let wanted = &instance_resource(instance, &instance.zone, provisioning);
    let all = [
        machine_type(is, wanted),
        scheduling(is, wanted, instance),
        tags(is, wanted, instance),
        metadata(is, wanted),
        labels(is, wanted),
    ];
    all.into_iter().flatten().collect()
}

fn machine_type(is: &Value, wanted: &Value) -> Option<Difference> {
    let name = |resource| text(resource, "/machineType").and_then(|url| url.rsplit('/').next());
    differ(name(is)?, name(wanted)?, Update::MachineType)
}

fn scheduling(is: &Value, wanted: &Value, instance: &Instance) -> Option<Difference> {
    let is = is.get("scheduling")?;
    let wanted = wanted.get("scheduling").unwrap_or(&Value::Null);
    let is_spot = wants_spot(is).unwrap_or_default();
    // With spot_fallback both models are accepted.
    let either = is_spot || !instance.spot_fallback;
    let spot = wants_spot(wanted).map_or(is_spot, |spot| spot && either);
    let (is_limit, limit) = (run_limit(is), run_limit(wanted));
    let limit = limit.or_else(|| is_limit.clone().filter(|_| is_templated(instance)));
    let describe = |spot: bool, limit: Option<String>| {
        let model = if spot { "Spot" } else { "standard" };
        limit.map_or(model.to_owned(), |limit| format!("{model}, {limit} at most"))
    };
    differ(&describe(is_spot, is_limit), &describe(spot, limit), Update::Scheduling { spot })
}

fn wants_spot(scheduling: &Value) -> Option<bool> {
    let is_preemptible = scheduling.get("preemptible").and_then(Value::as_bool);
    let model = text(scheduling, "/provisioningModel");
    model.map(|model| model == "SPOT").into_iter().chain(is_preemptible).reduce(|a, b| a || b)
}

fn run_limit(scheduling: &Value) -> Option<String> {
    // The API encodes an int64 as a JSON string.
    let seconds = text(scheduling, "/maxRunDuration/seconds")?.parse().ok()?;
    Some(format_duration(Duration::from_secs(seconds)))
}

fn tags(is: &Value, wanted: &Value, instance: &Instance) -> Option<Difference> {
    let fingerprint = text(is, "/tags/fingerprint")?.to_owned();
    let wanted = match wanted.pointer("/tags/items") {
        None if is_templated(instance) => return None,
        items => items.unwrap_or(&Value::Null),
    };
    let set = |items| collect_unsorted::<BTreeSet<_>, _>(elements(items).filter_map(Value::as_str));
    let is = set(is.pointer("/tags/items").unwrap_or(&Value::Null));
    differ(&format!("{is:?}"), &format!("{:?}", set(wanted)), Update::Tags { fingerprint })
}

fn metadata(is: &Value, wanted: &Value) -> Option<Difference> {
    let fingerprint = text(is, "/metadata/fingerprint")?.to_owned();
    let (differing, others) = differing_entries(metadata_items(is), &metadata_items(wanted))?;
    let update = Update::Metadata { fingerprint, others };
    Some(Difference { is: "otherwise".to_owned(), wanted: differing, update })
}

fn metadata_items(resource: &Value) -> BTreeMap<String, String> {
    let items = elements(resource.pointer("/metadata/items").unwrap_or(&Value::Null));
    let pair = |item: &Value| Some((text(item, "/key")?.to_owned(), text(item, "/value")?.to_owned()));
    collect_unsorted(items.filter_map(pair))
}

/// Returns the update that sets the items of the ready push. `None` means that the response leaves
/// out the metadata.
pub(super) fn ready(is: &Value) -> Option<Update> {
    let fingerprint = text(is, "/metadata/fingerprint")?.to_owned();
    Some(Update::Ready { fingerprint, others: metadata_items(is) })
}

fn labels(is: &Value, wanted: &Value) -> Option<Difference> {
    let fingerprint = text(is, "/labelFingerprint")?.to_owned();
    let labels = |resource: &Value| {
        let labels = resource.get("labels").and_then(Value::as_object).into_iter().flatten();
        collect_unsorted(labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))))
    };
    let (differing, others) = differing_entries(labels(is), &labels(wanted))?;
    let update = Update::Labels { fingerprint, others };
    Some(Difference { is: "otherwise".to_owned(), wanted: differing, update })
}

/// Returns the keys whose values differ from the wanted ones, and the entries that are not
/// configured. Values may be secrets, and scripts are long, so only the keys are reported.
fn differing_entries(
    mut is: BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> Option<(String, BTreeMap<String, String>)> {
    let differing: Vec<&str> = wanted
        .iter()
        .filter(|(key, value)| is.get(*key) != Some(*value) && !is_ready_item(key))
        .map(|(key, _)| key.as_str())
        .collect();
    is.retain(|key, _| !wanted.contains_key(key));
    (!differing.is_empty()).then(|| (differing.join(", "), is))
}

fn differ(is: &str, wanted: &str, update: Update) -> Option<Difference> {
    (is != wanted).then(|| Difference { is: is.to_owned(), wanted: wanted.to_owned(), update })
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str()
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn instance() -> Instance {
        Instance {
            name: "backend".into(),
            zone: "z".into(),
            metadata: BTreeMap::from([("color".into(), "green".into())]),
            labels: BTreeMap::from([("team".into(), "shop".into())]),
            startup_script: Some("echo hi".into()),
            ..Instance::default()
        }
    }

    fn without_drift() -> Value {
        json!({
            "machineType": "https://www.googleapis.com/compute/v1/projects/p/zones/z/machineTypes/n1-standard-1",
            "scheduling": {"provisioningModel": "SPOT", "preemptible": true},
            "tags": {"items": ["http-server"], "fingerprint": "f1"},
            "metadata": {"fingerprint": "f2", "items": [
                {"key": "startup-script", "value": "echo hi"},
                {"key": "color", "value": "green"},
                {"key": "ssh-keys", "value": "me:ssh-ed25519 AAAA"},
            ]},
            "labels": {"team": "shop", "goog-ops-agent-policy": "v2"},
            "labelFingerprint": "f3",
        })
    }

    fn describe(is: &Value, instance: &Instance) -> Vec<String> {
        differences(is, instance).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_instance_that_is_as_configured_differs_in_nothing() {
        assert_eq!(describe(&without_drift(), &instance()), Vec::<String>::new());
        assert_eq!(describe(&json!({}), &instance()), Vec::<String>::new());
    }

    #[test]
    fn every_difference_is_told() {
        let other = Instance {
            machine_type: "e2-small".into(),
            not_preemptible: true,
            max_run_duration: Some(Duration::from_secs(7200)),
            tags: vec!["web".into(), "http-server".into()],
            labels: BTreeMap::from([("team".into(), "blog".into()), ("env".into(), "test".into())]),
            startup_script: Some("echo ho".into()),
            shutdown_script: Some("echo bye".into()),
            ..instance()
        };
        assert_eq!(
            describe(&without_drift(), &other),
            [
                "machine_type: is n1-standard-1, configured e2-small",
                "scheduling: is Spot, configured standard, 2h at most",
                "tags: is {\"http-server\"}, configured {\"http-server\", \"web\"}",
                "metadata: is otherwise, configured shutdown-script, startup-script",
                "labels: is otherwise, configured env, team",
            ]
        );
    }

    #[test]
    fn what_brings_it_in_line_keeps_what_is_not_configured() {
        let other = Instance { startup_script: None, tags: vec![], ..instance() };
        let other = Instance { metadata: BTreeMap::from([("color".into(), "blue".into())]), ..other };
        let other = Instance { labels: BTreeMap::from([("team".into(), "blog".into())]), ..other };
        let differences = differences(&without_drift(), &other);
        let bodies: Vec<Value> = differences.iter().map(|d| d.update.body(&other, "z")).collect();
        assert_eq!(
            bodies,
            [
                json!({"fingerprint": "f1"}),
                json!({"fingerprint": "f2", "items": [
                    {"key": "ssh-keys", "value": "me:ssh-ed25519 AAAA"},
                    {"key": "startup-script", "value": "echo hi"},
                    {"key": "color", "value": "blue"},
                ]}),
                json!({"labelFingerprint": "f3", "labels": {"goog-ops-agent-policy": "v2", "team": "blog"}}),
            ]
        );
    }

    #[test]
    fn what_a_vm_says_that_it_is_ready_with_differs_in_nothing_and_is_set_beside_all_else() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let new = [pair("vmproxy-ready-token", "new"), pair("vmproxy-ready-url", "https://a/")];
        let mut announced = instance();
        announced.metadata.extend(new.clone());
        assert_eq!(describe(&without_drift(), &announced), Vec::<String>::new());
        let mut is = without_drift();
        is["metadata"]["items"] = json!([item("color", "red"), item("vmproxy-ready-token", "old")]);
        let body = |update: Update| update.body(&announced, "z")["items"].clone();
        let new = new.map(|(key, value)| item(&key, &value));
        assert_eq!(body(ready(&is).unwrap()), json!([item("color", "red"), new[0], new[1]]));
        let [difference] = differences(&is, &announced).try_into().unwrap();
        assert_eq!(difference.to_string(), "metadata: is otherwise, configured color, startup-script");
        let script = item("startup-script", "echo hi");
        assert_eq!(body(difference.update), json!([item("color", "green"), script, new[0], new[1]]));
        // Items of a ready push that is no longer configured are kept.
        let [difference] = differences(&is, &instance()).try_into().unwrap();
        let items = difference.update.body(&instance(), "z")["items"].clone();
        assert_eq!(items[0], item("vmproxy-ready-token", "old"));
        assert_eq!(ready(&json!({"status": "RUNNING"})), None);
    }

    #[test]
    fn a_standard_vm_is_no_difference_where_spot_may_fall_back() {
        let fallback = Instance { spot_fallback: true, ..instance() };
        let standard = json!({"scheduling": {"provisioningModel": "STANDARD"}});
        assert_eq!(describe(&standard, &fallback), Vec::<String>::new());
        assert_eq!(describe(&standard, &instance()), ["scheduling: is standard, configured Spot"]);
    }

    #[test]
    fn a_run_limit_is_set_and_taken_off_without_another_change() {
        let limit = Some(Duration::from_secs(60));
        let is = |model: &str, limited: bool| {
            let limit = if limited { json!({"seconds": "3600"}) } else { Value::Null };
            json!({"scheduling": {"provisioningModel": model, "maxRunDuration": limit}})
        };
        let body = |is: Value, instance: Instance| {
            let [difference] = differences(&is, &instance).try_into().unwrap();
            difference.update.body(&instance, "z")
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

    #[test]
    fn what_a_template_or_nobody_decides_differs_in_nothing() {
        let templated = |instance| Instance { name: "backend".into(), ..instance };
        let bare = templated(Instance::from_template("web"));
        assert_eq!(describe(&without_drift(), &bare), Vec::<String>::new());
        let limited =
            json!({"scheduling": {"provisioningModel": "STANDARD", "maxRunDuration": {"seconds": "60"}}});
        assert_eq!(describe(&limited, &bare), Vec::<String>::new());
        let standard = Instance { not_preemptible: true, ..bare };
        let [difference] = differences(&without_drift(), &standard).try_into().unwrap();
        assert_eq!(difference.to_string(), "scheduling: is Spot, configured standard");
        assert_eq!(difference.update.body(&standard, "z"), json!({"provisioningModel": "STANDARD"}));
    }

    #[test]
    fn the_merged_resource_is_what_counts() {
        let Value::Object(resource) = json!({"tags": {"items": ["mine"]}, "labels": {"team": "blog"}}) else {
            panic!()
        };
        let merged = Instance { resource, ..instance() };
        assert_eq!(
            describe(&without_drift(), &merged),
            ["tags: is {\"http-server\"}, configured {\"mine\"}", "labels: is otherwise, configured team"]
        );
    }
}
