//! Instances: <https://cloud.google.com/compute/docs/reference/rest/v1/instances>.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value};

use super::console::Console;
use super::host_addresses::{write_addresses, AddressRequest, HostAddresses};
use super::place::Scope;
use super::{scheduling, zones};
use crate::clock::pacific;

/// A virtual machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Instance {
    pub id: u64,
    pub name: String,
    pub zone: String,
    /// The inserted body with Compute Engine's defaults.
    pub definition: Map<String, Value>,
    pub state: State,
    /// The name of the operation at work on the instance.
    pub operation: Option<String>,
    pub boots: u64,
    pub console: Console,
    pub created: SystemTime,
    pub last_start: Option<SystemTime>,
    pub last_stop: Option<SystemTime>,
    pub last_suspended: Option<SystemTime>,
}

/// The states of <https://cloud.google.com/compute/docs/instances/instance-lifecycle> that the
/// emulator has, with the addresses of the machine in the states that have some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Provisioning,
    Staging(HostAddresses),
    Running {
        #[serde(rename = "reach")]
        addresses: HostAddresses,
        /// The time at which `maxRunDuration` ends the run.
        until: Option<SystemTime>,
    },
    Stopping(Option<HostAddresses>),
    Terminated,
    Suspending(HostAddresses),
    Suspended,
}

impl State {
    /// Returns the `status` field.
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

    /// Returns the machine's addresses. `None` means that the state has none.
    pub fn addresses(self) -> Option<HostAddresses> {
        match self {
            Self::Staging(addresses) | Self::Running { addresses, .. } | Self::Suspending(addresses) => {
                Some(addresses)
            }
            Self::Stopping(addresses) => addresses,
            Self::Provisioning | Self::Terminated | Self::Suspended => None,
        }
    }

    /// Returns `true` if the machine holds processors and memory.
    pub fn holds_hardware(self) -> bool {
        !matches!(self, Self::Terminated | Self::Suspended)
    }
}

impl Instance {
    /// Returns the path below the project.
    pub fn path(&self) -> String {
        Scope::zone(&self.zone).path("instances", &self.name)
    }

    /// Returns the region of the zone.
    pub fn region(&self) -> &str {
        zones::region_of(&self.zone).unwrap_or_default()
    }

    /// Returns the addresses that the instance needs to run.
    pub fn address_request(&self) -> AddressRequest {
        AddressRequest::of(self.first_interface())
    }

    /// Returns the address in the instance's network, which never changes.
    pub fn internal_ip(&self) -> Option<&str> {
        self.first_interface()?.get("networkIP")?.as_str()
    }

    /// Returns the name of the machine type.
    pub fn machine_type(&self) -> &str {
        let url = self.definition.get("machineType").and_then(Value::as_str).unwrap_or_default();
        url.rsplit('/').next().unwrap_or_default()
    }

    /// Returns `true` if Compute Engine deletes the instance, rather than stopping it, when it ends
    /// the run itself.
    pub fn is_deleted_when_terminated(&self) -> bool {
        self.scheduled("instanceTerminationAction") == Some(&json!("DELETE"))
    }

    /// Returns `true` if the instance moves to another host when its host is maintained.
    pub fn migrates(&self) -> bool {
        self.scheduled("onHostMaintenance") != Some(&json!("TERMINATE"))
    }

    /// Returns `true` if Compute Engine restarts the instance after stopping it.
    pub fn restarts_automatically(&self) -> bool {
        self.scheduled("automaticRestart") == Some(&json!(true))
    }

    /// Returns `true` if the instance is a Spot VM or a preemptible one.
    pub fn is_preemptible(&self) -> bool {
        self.scheduled("preemptible") == Some(&json!(true))
    }

    /// Returns the longest duration of a run. `None` means no limit.
    pub fn max_run_duration(&self) -> Option<Duration> {
        self.scheduling().and_then(scheduling::max_run_duration)
    }

    /// Returns the value of a metadata entry.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let items = self.definition.get("metadata")?.get("items")?.as_array()?;
        items.iter().find(|item| item.get("key").is_some_and(|k| k == key))?.get("value")?.as_str()
    }

    /// Returns the resource as the API shows it. `project_url` ends in the project's name.
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
            json!(if self.state.addresses().is_some() { "Intel Broadwell" } else { "Unknown CPU Platform" }),
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
        let interface = resource.get_mut("networkInterfaces").and_then(|interfaces| interfaces.get_mut(0));
        if let (Some(addresses), Some(interface)) = (self.state.addresses(), interface) {
            write_addresses(addresses, interface);
        }
        Value::Object(resource)
    }

    fn scheduling(&self) -> Option<&Map<String, Value>> {
        self.definition.get("scheduling").and_then(Value::as_object)
    }

    fn scheduled(&self, option: &str) -> Option<&Value> {
        self.scheduling()?.get(option)
    }

    /// Returns the first interface, the only one with addresses that can be reached.
    fn first_interface(&self) -> Option<&Value> {
        self.definition.get("networkInterfaces")?.get(0)
    }
}
