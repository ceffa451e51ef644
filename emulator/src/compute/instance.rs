//! An instance: <https://cloud.google.com/compute/docs/reference/rest/v1/instances>.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use serde_json::{json, Map, Value};

use super::console::Console;
use super::scheduling;
use crate::clock::pacific;

/// A virtual machine.
#[derive(Debug, Clone)]
pub struct Instance {
    pub id: u64,
    pub name: String,
    pub zone: String,
    /// As inserted, with Compute Engine's defaults.
    pub definition: Map<String, Value>,
    pub state: State,
    /// The operation at work on it.
    pub operation: Option<String>,
    pub boots: u64,
    pub console: Console,
    pub created: SystemTime,
    pub last_start: Option<SystemTime>,
    pub last_stop: Option<SystemTime>,
    pub last_suspended: Option<SystemTime>,
}

/// The states of <https://cloud.google.com/compute/docs/instances/instance-lifecycle> that the emulator
/// passes through, with the address at which the machine is reached in those that have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Provisioning,
    Staging(SocketAddr),
    Running {
        address: SocketAddr,
        /// When `maxRunDuration` ends it.
        until: Option<SystemTime>,
    },
    Stopping(Option<SocketAddr>),
    Terminated,
    Suspending(SocketAddr),
    Suspended,
}

impl State {
    /// The `status` field.
    pub fn status(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Staging(_) => "STAGING",
            Self::Running { .. } => "RUNNING",
            Self::Stopping(_) => "STOPPING",
            Self::Terminated => "TERMINATED",
            Self::Suspending(_) => "SUSPENDING",
            Self::Suspended => "SUSPENDED",
        }
    }

    /// Where the machine is, while it has an address.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Staging(address) | Self::Running { address, .. } | Self::Suspending(address) => {
                Some(address)
            }
            Self::Stopping(address) => address,
            Self::Provisioning | Self::Terminated | Self::Suspended => None,
        }
    }
}

impl Instance {
    /// Whether somebody asked for an address that the internet reaches.
    pub fn is_public(&self) -> bool {
        self.interfaces().any(|interface| interface.get("accessConfigs").is_some())
    }

    /// The last part of its machine type's URL.
    pub fn machine_type(&self) -> &str {
        let url = self.definition.get("machineType").and_then(Value::as_str).unwrap_or_default();
        url.rsplit('/').next().unwrap_or_default()
    }

    /// Whether Compute Engine deletes it where it ends the run itself, rather than stopping it.
    pub fn is_deleted_when_terminated(&self) -> bool {
        let action = self.scheduling().and_then(|scheduling| scheduling.get("instanceTerminationAction"));
        action.and_then(Value::as_str) == Some("DELETE")
    }

    /// How long it may run, if there is a limit.
    pub fn max_run_duration(&self) -> Option<Duration> {
        self.scheduling().and_then(scheduling::max_run_duration)
    }

    /// The value of a metadata entry.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let items = self.definition.get("metadata")?.get("items")?.as_array()?;
        items.iter().find(|item| item.get("key").is_some_and(|k| k == key))?.get("value")?.as_str()
    }

    /// The resource as the API gives it; `project_url` ends in the project's name.
    pub fn resource(&self, project_url: &str) -> Value {
        let zone_url = format!("{project_url}/zones/{}", self.zone);
        let mut resource = self.definition.clone();
        let mut set = |name: &str, value: Value| resource.insert(name.to_owned(), value);
        set("kind", json!("compute#instance"));
        set("id", json!(self.id.to_string()));
        set("name", json!(self.name));
        set("zone", json!(zone_url));
        set("status", json!(self.state.status()));
        set("selfLink", json!(format!("{zone_url}/instances/{}", self.name)));
        set("creationTimestamp", json!(pacific(self.created)));
        set(
            "cpuPlatform",
            json!(if self.state.address().is_some() { "Intel Broadwell" } else { "Unknown CPU Platform" }),
        );
        set("startRestricted", json!(false));
        let times = [
            ("lastStartTimestamp", self.last_start),
            ("lastStopTimestamp", self.last_stop),
            ("lastSuspendedTimestamp", self.last_suspended),
        ];
        for (name, time) in times {
            if let Some(time) = time {
                set(name, json!(pacific(time)));
            }
        }
        if let State::Running { until: Some(until), .. } = self.state {
            set("resourceStatus", json!({ "scheduling": { "terminationTimestamp": pacific(until) } }));
        }
        if let Some(address) = self.state.address() {
            show_address(&mut resource, address);
        }
        Value::Object(resource)
    }

    fn scheduling(&self) -> Option<&Map<String, Value>> {
        self.definition.get("scheduling").and_then(Value::as_object)
    }

    fn interfaces(&self) -> impl Iterator<Item = &Value> {
        self.definition.get("networkInterfaces").and_then(Value::as_array).into_iter().flatten()
    }
}

/// Only the first interface reaches the instance's server.
fn show_address(resource: &mut Map<String, Value>, address: SocketAddr) {
    let config = resource
        .get_mut("networkInterfaces")
        .and_then(|interfaces| interfaces.get_mut(0))
        .and_then(|interface| interface.get_mut("accessConfigs"))
        .and_then(|configs| configs.get_mut(0));
    if let Some(config) = config {
        config["natIP"] = json!(address.ip().to_string());
    }
}
