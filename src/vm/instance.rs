//! The Compute Engine instance behind a VM: what is created when it does not exist.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::collections::collect_unsorted;

/// The boot image when none is given: Debian 12, the newest of its family.
pub const DEFAULT_IMAGE: &str = "projects/debian-cloud/global/images/family/debian-12";

/// The machine type when none is given.
pub const DEFAULT_MACHINE_TYPE: &str = "n1-standard-1";

/// The network tag when none is given: the one that Compute Engine's `default-allow-http` firewall rule opens
/// port 80 for.
pub const DEFAULT_TAG: &str = "http-server";

/// The Compute Engine instance of a [`Vm`](crate::Vm): what is created when it does not exist.
///
/// See [the Instance resource](https://cloud.google.com/compute/docs/reference/rest/v1/instances).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The instance's name in its project and zone. Required.
    pub name: String,
    /// The project that it is in. `None`: the service account's own.
    pub project: Option<String>,
    /// The zone, as `us-central1-a`. Required, unless there are [`zones`](Instance::zones).
    pub zone: String,
    /// More zones, in the order in which they are tried when an instance is to be created and a zone has no room
    /// for it.
    pub zones: Vec<String>,
    /// The instance template that it is made from. What is given here goes before it. See
    /// [`Instance::from_template`].
    pub source_instance_template: Option<String>,
    /// The boot disk's image: `projects/{project}/global/images/{image}` or `…/images/family/{family}`.
    pub image: String,
    /// The machine type, as `e2-small`.
    pub machine_type: String,
    /// Graphics processors and the like. Compute Engine cannot migrate a VM that has any: it is stopped instead.
    pub accelerators: Vec<Accelerator>,
    /// The boot disk's size in GiB. `None`: the image's own size.
    pub boot_disk_size: Option<u32>,
    /// The boot disk's type, as `pd-ssd`. `None`: Compute Engine's choice.
    pub boot_disk_type: Option<String>,
    /// Which address the VM is reached at.
    pub address: Address,
    /// That address, if it is a reserved one.
    pub static_address: Option<IpAddr>,
    /// The network. `None`: `default`, or that of the subnetwork.
    pub network: Option<String>,
    /// The subnetwork, in the zone's region.
    pub subnetwork: Option<String>,
    /// Network tags; firewall rules refer to them.
    pub tags: Vec<String>,
    /// Labels, by which resources are found and costs are told apart.
    pub labels: BTreeMap<String, String>,
    /// Metadata items, which the VM reads from its metadata server.
    pub metadata: BTreeMap<String, String>,
    /// A script that the VM runs at each boot (metadata `startup-script`).
    pub startup_script: Option<String>,
    /// Where the VM fetches its startup script from (metadata `startup-script-url`): for a script that is too
    /// long for a Worker's variable, which holds 5 KB.
    pub startup_script_url: Option<String>,
    /// A script that the VM runs before it goes down (metadata `shutdown-script`).
    pub shutdown_script: Option<String>,
    /// Whether the VM is a standard one. By default it is a Spot VM: much cheaper, and Compute Engine may
    /// stop it at any time.
    pub not_preemptible: bool,
    /// Whether a standard VM is created when no zone has room for a Spot VM.
    pub spot_fallback: bool,
    /// How long the VM may run before Compute Engine itself stops it, even if this Worker is gone.
    pub max_run_duration: Option<Duration>,
    /// The service account inside the VM, by its email address. `None`: the project's default one if there are
    /// [`scopes`](Instance::scopes), else none.
    pub service_account: Option<String>,
    /// OAuth scopes of the service account inside the VM. None: `cloud-platform`, if there is a
    /// [`service_account`](Instance::service_account).
    pub scopes: Vec<String>,
    /// Whatever else the Instance resource has, as the API names it. It is merged into what the rest of this makes:
    /// objects field by field; lists and other values replace what is there.
    pub resource: Map<String, Value>,
}

impl Instance {
    /// An instance of which everything but the name and the zone is left to an instance template.
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

    /// The zones in which the instance may be, the preferred one first.
    pub fn all_zones(&self) -> Vec<&str> {
        let first = std::iter::once(self.zone.as_str()).filter(|zone| !zone.is_empty());
        let more = self.zones.iter().map(String::as_str).filter(|zone| *zone != self.zone);
        first.chain(more).collect()
    }

    /// The metadata items, the scripts among them.
    pub(crate) fn all_metadata(&self) -> BTreeMap<&str, &String> {
        let scripts = self.scripts().into_iter().filter_map(|(key, _, value)| Some((key, value?)));
        collect_unsorted(self.metadata.iter().map(|(key, value)| (key.as_str(), value)).chain(scripts))
    }

    /// The metadata keys that have settings of their own, with the settings' names and values.
    pub(crate) fn scripts(&self) -> [(&'static str, &'static str, Option<&String>); 3] {
        [
            ("startup-script", "startup_script", self.startup_script.as_ref()),
            ("startup-script-url", "startup_script_url", self.startup_script_url.as_ref()),
            ("shutdown-script", "shutdown_script", self.shutdown_script.as_ref()),
        ]
    }
}

impl Default for Instance {
    /// Every default of the configuration; name and zone are empty and have to be given.
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
    /// Their type (`type` in the configuration), as `nvidia-tesla-t4`.
    pub kind: String,
    /// How many of them.
    pub count: u32,
}

/// Which of an instance's addresses it is reached at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Address {
    /// The external IPv4 address, which changes at each start unless it is reserved.
    #[default]
    External,
    /// The IPv4 address in its own network, which a Worker reaches through [`vpc`](crate::Vm::vpc) only. The instance
    /// is created without an external address.
    Internal,
    /// The external IPv6 address. The instance is created without an external IPv4 address.
    Ipv6,
}

impl Address {
    /// What to do about an instance that runs without such an address.
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
