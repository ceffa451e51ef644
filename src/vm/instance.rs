//! The configuration of the Compute Engine instance behind a VM.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::collections::collect_unsorted;

/// The default boot image: the newest image of the Debian 12 family.
pub const DEFAULT_IMAGE: &str = "projects/debian-cloud/global/images/family/debian-12";

/// The default machine type.
pub const DEFAULT_MACHINE_TYPE: &str = "n1-standard-1";

/// The default network tag: Compute Engine's firewall rule `default-allow-http` opens port 80 for
/// it.
pub const DEFAULT_TAG: &str = "http-server";

/// The Compute Engine instance of a [`Vm`](crate::Vm), which is created with these settings if it
/// does not exist.
///
/// See [the Instance resource](https://cloud.google.com/compute/docs/reference/rest/v1/instances).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The instance's name in its project and zone. Required.
    pub name: String,
    /// The instance's project. `None` means the service account's own.
    pub project: Option<String>,
    /// The zone, such as `us-central1-a`. Required, unless [`zones`](Instance::zones) are given.
    pub zone: String,
    /// More zones, in the order in which they are tried if a zone has no capacity when the instance
    /// is created.
    pub zones: Vec<String>,
    /// The instance template that the instance is created from. The settings given here take
    /// precedence over the template's. See [`Instance::from_template`].
    pub source_instance_template: Option<String>,
    /// The boot disk's image: `projects/{project}/global/images/{image}` or
    /// `…/images/family/{family}`.
    pub image: String,
    /// The machine type, such as `e2-small`.
    pub machine_type: String,
    /// Accelerators, such as GPUs. Compute Engine cannot migrate a VM with accelerators: it stops
    /// the VM instead.
    pub accelerators: Vec<Accelerator>,
    /// The boot disk's size in GiB. `None` means the image's own size.
    pub boot_disk_size: Option<u32>,
    /// The boot disk's type, such as `pd-ssd`. `None` means Compute Engine's default.
    pub boot_disk_type: Option<String>,
    /// The kind of address that the VM is reached at.
    pub address: Address,
    /// The reserved address of that kind. `None` means an address that Compute Engine assigns.
    pub static_address: Option<IpAddr>,
    /// The network. `None` means `default`, or the network of the subnetwork.
    pub network: Option<String>,
    /// The subnetwork, in the zone's region.
    pub subnetwork: Option<String>,
    /// Network tags, which firewall rules refer to.
    pub tags: Vec<String>,
    /// Labels, which identify resources in searches and in billing.
    pub labels: BTreeMap<String, String>,
    /// Metadata items, which the VM reads from its metadata server.
    pub metadata: BTreeMap<String, String>,
    /// A script that the VM runs at each boot (metadata item `startup-script`).
    pub startup_script: Option<String>,
    /// The URL of the startup script (metadata item `startup-script-url`), for a script that is too
    /// long for a Worker's variable, which holds at most 5 KB.
    pub startup_script_url: Option<String>,
    /// A script that the VM runs before it goes down (metadata item `shutdown-script`).
    pub shutdown_script: Option<String>,
    /// `true` if the VM is a standard VM. By default it is a Spot VM, which is much cheaper, but
    /// which Compute Engine may stop at any time.
    pub not_preemptible: bool,
    /// `true` if a standard VM is created when no zone has capacity for a Spot VM.
    pub spot_fallback: bool,
    /// The duration after which Compute Engine stops the VM, even if this Worker no longer exists.
    /// `None` means no limit.
    pub max_run_duration: Option<Duration>,
    /// The email address of the service account inside the VM. `None` means the project's default
    /// account if [`scopes`](Instance::scopes) are given, otherwise no account.
    pub service_account: Option<String>,
    /// The OAuth scopes of the service account inside the VM. Empty means `cloud-platform` if
    /// [`service_account`](Instance::service_account) is given.
    pub scopes: Vec<String>,
    /// Other fields of the Instance resource, under the API's names. They are merged into the
    /// resource that follows from the other settings: objects field by field; arrays and other
    /// values replace existing ones.
    pub resource: Map<String, Value>,
}

impl Instance {
    /// Returns an instance with all settings from an instance template. The name and the zone must
    /// still be set.
    ///
    /// ```
    /// use vmproxy::Instance;
    ///
    /// let instance = Instance {
    ///     name: "backend".into(),
    ///     zone: "us-central1-a".into(),
    ///     ..Instance::from_template("global/instanceTemplates/web")
    /// };
    /// assert_eq!(instance.machine_type, "");
    /// ```
    pub fn from_template(template: impl Into<String>) -> Self {
        Self {
            source_instance_template: Some(template.into()),
            image: String::new(),
            machine_type: String::new(),
            tags: Vec::new(),
            ..Self::default()
        }
    }

    /// Returns the zones in which the instance may be, the preferred one first.
    pub fn all_zones(&self) -> Vec<&str> {
        let first = std::iter::once(self.zone.as_str()).filter(|zone| !zone.is_empty());
        let more = self.zones.iter().map(String::as_str).filter(|zone| *zone != self.zone);
        first.chain(more).collect()
    }

    /// Returns the metadata items, including the scripts.
    pub(crate) fn all_metadata(&self) -> BTreeMap<&str, &String> {
        let scripts = self.scripts().into_iter().filter_map(|(key, _, value)| Some((key, value?)));
        collect_unsorted(self.metadata.iter().map(|(key, value)| (key.as_str(), value)).chain(scripts))
    }

    /// Returns the metadata keys that have dedicated settings, with the settings' names and values.
    pub(crate) fn scripts(&self) -> [(&'static str, &'static str, Option<&String>); 3] {
        [
            ("startup-script", "startup_script", self.startup_script.as_ref()),
            ("startup-script-url", "startup_script_url", self.startup_script_url.as_ref()),
            ("shutdown-script", "shutdown_script", self.shutdown_script.as_ref()),
        ]
    }
}

impl Default for Instance {
    /// Returns the configuration's defaults. The name and the zone are empty and must be set.
    fn default() -> Self {
        Self {
            name: String::new(),
            project: None,
            zone: String::new(),
            zones: Vec::new(),
            source_instance_template: None,
            image: DEFAULT_IMAGE.to_owned(),
            machine_type: DEFAULT_MACHINE_TYPE.to_owned(),
            accelerators: Vec::new(),
            boot_disk_size: None,
            boot_disk_type: None,
            address: Address::default(),
            static_address: None,
            network: None,
            subnetwork: None,
            tags: vec![DEFAULT_TAG.to_owned()],
            labels: BTreeMap::new(),
            metadata: BTreeMap::new(),
            startup_script: None,
            startup_script_url: None,
            shutdown_script: None,
            not_preemptible: false,
            spot_fallback: false,
            max_run_duration: None,
            service_account: None,
            scopes: Vec::new(),
            resource: Map::new(),
        }
    }
}

/// Accelerators of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accelerator {
    /// The type (`type` in the configuration), such as `nvidia-tesla-t4`.
    pub kind: String,
    /// The number of accelerators.
    pub count: u32,
}

/// The kind of address at which an instance is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Address {
    /// The external IPv4 address. It changes at each start unless it is reserved.
    #[default]
    External,
    /// The IPv4 address in the instance's network, which a Worker reaches only through
    /// [`vpc`](crate::Vm::vpc). The instance is created without an external address.
    Internal,
    /// The external IPv6 address. The instance is created without an external IPv4 address.
    Ipv6,
}

impl Address {
    /// Returns the message for an instance that runs without such an address.
    pub(crate) fn missing_message(self) -> &'static str {
        match self {
            Address::External => {
                "the instance runs, but has no external IPv4 address (instance.address = \"external\"): give it \
                 one (gcloud compute instances add-access-config), delete it so that it is created with one, or use \
                 instance.address = \"internal\" or \"ipv6\""
            }
            Address::Internal => {
                "the instance runs, but has no internal IPv4 address (instance.address = \"internal\"): use \
                 instance.address = \"ipv6\""
            }
            Address::Ipv6 => {
                "the instance runs, but has no external IPv6 address (instance.address = \"ipv6\"): its subnetwork \
                 must have external IPv6 (instance.subnetwork), and an instance that exists needs an IPv6 access \
                 configuration, or be deleted so that it is created with one; or use instance.address = \"external\""
            }
        }
    }
}
