//! A VM and the Compute Engine instance behind it: the types that a configuration fills in, and what the
//! library's users write.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{duration_text, Timestamp};

/// The boot image when none is given: Debian 12, the newest of its family.
pub const DEFAULT_IMAGE: &str = "projects/debian-cloud/global/images/family/debian-12";

/// The machine type when none is given.
pub const DEFAULT_MACHINE_TYPE: &str = "n1-standard-1";

/// The network tag when none is given: the one that Compute Engine's `default-allow-http` firewall rule opens
/// port 80 for.
pub const DEFAULT_TAG: &str = "http-server";

/// How a VM is reached when [`origin`](Vm::origin) does not say so.
pub(crate) const DEFAULT_ORIGIN: &str = "http://{ip}:{port}";

/// A VM that requests below [`path`](Vm::path) are forwarded to, started by the first of them.
///
/// ```
/// use vmproxy::{Instance, Vm};
///
/// let vm = Vm {
///     path: "/".into(),
///     health_path: Some("/healthz".into()),
///     instance: Instance {
///         name: "backend".into(),
///         zone: "us-central1-a".into(),
///         ..Instance::default()
///     },
///     ..Vm::default()
/// };
/// assert_eq!(vm.port, 80);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vm {
    /// Requests whose path is this, or lies below it, go to this VM; the longest match wins. Begins with `/`.
    pub path: String,
    /// Only requests to this host name (no port) go to this VM. `None`: any host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Whether [`path`](Vm::path) is taken off before the request is forwarded.
    #[serde(default)]
    pub strip_prefix: bool,
    /// The VM is ready when a GET of this path answers 2xx. `None`: [`path`](Vm::path).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_path: Option<String>,
    /// The port that the VM's server listens on.
    #[serde(default = "default_port")]
    pub port: u16,
    /// How the VM is reached: a URL template with `{ip}`, `{ip-dashed}` and `{port}`. With an IP address as
    /// host it is spoken to over a TCP socket, with a name by `fetch()`.
    #[serde(default = "default_origin")]
    pub origin: String,
    /// The binding whose `fetch()` reaches the VM at its internal address: a
    /// [VPC network](https://developers.cloudflare.com/workers-vpc/). The VM needs no external address then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc: Option<String>,
    /// The `Host` that the VM is asked for, over a socket. `None`: the one that the client asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_header: Option<String>,
    /// Whether a request's own `X-Forwarded-*` and `Forwarded` are believed and added to: only with another proxy
    /// in front, since anybody can write them.
    #[serde(default)]
    pub trust_forwarded: bool,
    /// How long a connection to the VM may take, before it is taken for gone. For origins with an IP address; with
    /// a name, `fetch()` has its own limits.
    #[serde(default = "default_connect_timeout", with = "duration_text")]
    pub connect_timeout: Duration,
    /// How long the VM may take, once it has the whole request, until the head of its answer is complete. The
    /// body may take as long as it likes. For origins with an IP address.
    #[serde(default = "default_response_timeout", with = "duration_text")]
    pub response_timeout: Duration,
    /// How long a start may take, from the first request to the first 2xx of the health path.
    #[serde(default = "default_startup_timeout", with = "duration_text")]
    pub startup_timeout: Duration,
    /// How long the VM is kept after the last request.
    #[serde(default = "default_idle_timeout", with = "duration_text")]
    pub idle_timeout: Duration,
    /// What is done with the VM after [`idle_timeout`](Vm::idle_timeout).
    #[serde(default)]
    pub on_idle: OnIdle,
    /// Before the VM goes down it is asked by a GET of this path: 204 means idle, any other 2xx busy. Whatever
    /// else happens is taken for idle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_path: Option<String>,
    /// How long after the last request the VM goes down although it says that it is busy.
    #[serde(default = "default_busy_limit", with = "duration_text")]
    pub busy_limit: Duration,
    /// With [`OnIdle::Suspend`]: how long the VM stays suspended before it is stopped. Compute Engine keeps a
    /// suspended VM for 60 days at most, and charges for its memory.
    #[serde(default, with = "duration_text::option", skip_serializing_if = "Option::is_none")]
    pub deep_sleep_after: Option<Duration>,
    /// How often in an hour the VM may be created, started or resumed. `None`: without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_starts_per_hour: Option<u32>,
    /// How many hours the VM may run in a calendar month (UTC). `None`: without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_hours_per_month: Option<u32>,
    /// What is done about an instance that exists and differs from the configuration.
    #[serde(default)]
    pub on_drift: OnDrift,
    /// What a request gets while the VM is not ready.
    #[serde(default)]
    pub cold_start: ColdStart,
    /// The Compute Engine instance.
    pub instance: Instance,
}

impl Vm {
    /// The path that is probed: [`health_path`](Vm::health_path), or [`path`](Vm::path) without one.
    pub fn health_path(&self) -> &str {
        self.health_path.as_deref().unwrap_or(&self.path)
    }

    /// How often, at most, an isolate reports activity to the VM's object. A tenth of the idle time, 5 s at most:
    /// small beside the idle time, which it may prolong by that much.
    pub(crate) fn touch_interval(&self) -> Duration {
        (self.idle_timeout / 10).clamp(Duration::from_millis(100), Duration::from_secs(5))
    }
}

impl Default for Vm {
    /// A VM at `/` with every default of the configuration; only the instance's name and zone are missing.
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            host: None,
            strip_prefix: false,
            health_path: None,
            port: default_port(),
            origin: default_origin(),
            vpc: None,
            host_header: None,
            trust_forwarded: false,
            connect_timeout: default_connect_timeout(),
            response_timeout: default_response_timeout(),
            startup_timeout: default_startup_timeout(),
            idle_timeout: default_idle_timeout(),
            on_idle: OnIdle::default(),
            busy_path: None,
            busy_limit: default_busy_limit(),
            deep_sleep_after: None,
            max_starts_per_hour: None,
            max_hours_per_month: None,
            on_drift: OnDrift::default(),
            cold_start: ColdStart::default(),
            instance: Instance::default(),
        }
    }
}

/// The Compute Engine instance of a [`Vm`]: what is created when it does not exist.
///
/// See [the Instance resource](https://cloud.google.com/compute/docs/reference/rest/v1/instances).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// The instance's name in its project and zone. Required.
    pub name: String,
    /// The zone, as `us-central1-a`. Required, unless there are [`zones`](Instance::zones).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// More zones, in the order in which they are tried when an instance is to be created and a zone has no room
    /// for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// The boot disk's image: `projects/{project}/global/images/{image}` or `…/images/family/{family}`.
    #[serde(default = "default_image")]
    pub image: String,
    /// The machine type, as `e2-small`.
    #[serde(default = "default_machine_type")]
    pub machine_type: String,
    /// Which address the VM is reached at.
    #[serde(default)]
    pub address: Address,
    /// Network tags; firewall rules refer to them.
    #[serde(default = "default_tags")]
    pub tags: Vec<String>,
    /// Metadata items, which the VM reads from its metadata server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// A script that the VM runs at each boot (metadata `startup-script`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_script: Option<String>,
    /// Where the VM fetches its startup script from (metadata `startup-script-url`): for a script that is too
    /// long for a Worker's variable, which holds 5 KB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_script_url: Option<String>,
    /// The boot disk's size in GiB. `None`: the image's own size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_disk_size: Option<u32>,
    /// Whether the VM is a standard one. By default it is a Spot VM: much cheaper, and Compute Engine may
    /// stop it at any time.
    #[serde(default)]
    pub not_preemptible: bool,
    /// Whether a standard VM is created when no zone has room for a Spot VM.
    #[serde(default)]
    pub spot_fallback: bool,
    /// How long the VM may run before Compute Engine itself stops it, even if this Worker is gone.
    #[serde(default, with = "duration_text::option", skip_serializing_if = "Option::is_none")]
    pub max_run_duration: Option<Duration>,
    /// OAuth scopes of the default service account inside the VM. None: no service account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

impl Instance {
    /// The zones in which the instance may be, the preferred one first.
    pub fn all_zones(&self) -> Vec<&str> {
        let first = std::iter::once(self.zone.as_str()).filter(|zone| !zone.is_empty());
        let more = self.zones.iter().map(String::as_str).filter(|zone| *zone != self.zone);
        first.chain(more).collect()
    }

    /// The metadata items, the startup script among them.
    pub(crate) fn all_metadata(&self) -> BTreeMap<&str, &String> {
        let scripts =
            [("startup-script", &self.startup_script), ("startup-script-url", &self.startup_script_url)];
        let scripts = scripts.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        self.metadata.iter().map(|(key, value)| (key.as_str(), value)).chain(scripts).collect()
    }
}

impl Default for Instance {
    /// Every default of the configuration; name and zone are empty and have to be given.
    fn default() -> Self {
        Self {
            name: String::new(),
            zone: String::new(),
            zones: Vec::new(),
            image: default_image(),
            machine_type: default_machine_type(),
            address: Address::default(),
            tags: default_tags(),
            metadata: BTreeMap::new(),
            startup_script: None,
            startup_script_url: None,
            boot_disk_size: None,
            not_preemptible: false,
            spot_fallback: false,
            max_run_duration: None,
            scopes: Vec::new(),
        }
    }
}

/// Which of an instance's addresses it is reached at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Address {
    /// The external IPv4 address, which changes at each start unless it is reserved.
    #[default]
    External,
    /// The address in its own network, which a Worker reaches through [`vpc`](Vm::vpc) only. The instance is created
    /// without an external address.
    Internal,
}

/// What is done with a VM that nobody has used for its idle time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnIdle {
    /// Stopped: the disk is kept, the next start boots.
    #[default]
    Stop,
    /// Suspended: memory is kept too, the next start resumes.
    Suspend,
    /// Deleted, with the disks marked for it: the next start creates it anew.
    Delete,
    /// Left running.
    Never,
}

/// What is done about an instance that exists and differs from the configuration in its machine type, Spot setting,
/// run limit, metadata or tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDrift {
    /// Its status says so.
    #[default]
    Report,
    /// It is brought in line at its next start.
    Apply,
}

/// What a request gets while its VM is not ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColdStart {
    /// The proxy's choice; at present the same as [`Hold`](ColdStart::Hold).
    #[default]
    Auto,
    /// It is held until the VM is ready.
    Hold,
    /// 503 with `Retry-After` at once, while the VM starts.
    Reject,
}

/// A VM as the admin API and [`Vm::status`] show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The instance's name.
    pub name: String,
    /// The path that the VM serves.
    pub path: String,
    /// What the VM is doing.
    pub state: VmState,
    /// The instance's zone.
    pub zone: String,
    /// The address of a VM that is booting or running.
    pub public_ip: Option<String>,
    /// When the VM came into this state, RFC 3339.
    pub since: String,
    /// When the VM was last asked for, RFC 3339.
    pub last_activity: Option<String>,
    /// When the VM goes down if nobody asks for it, RFC 3339.
    pub idle_deadline: Option<String>,
    /// Why the last start or stop failed. For the operator: it may name projects and accounts.
    pub error: Option<String>,
    /// In what the instance differs from the configuration, as far as it was seen at the last start.
    pub drift: Vec<String>,
    /// The last cold starts, newest first.
    pub cold_starts: Vec<ColdStartRecord>,
}

/// What a VM is doing. `Running` means healthy and serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VmState {
    /// There is no instance, as far as the proxy knows.
    Absent,
    /// The instance is stopped (`TERMINATED`).
    Stopped,
    /// The instance is suspended.
    Suspended,
    /// Compute Engine is being asked to create, start or resume the instance.
    Starting,
    /// The instance runs; its server does not answer yet.
    Booting,
    /// The instance's health path has answered 2xx.
    Running,
    /// The instance is being stopped.
    Stopping,
    /// The instance is being suspended.
    Suspending,
    /// The instance is being deleted.
    Deleting,
    /// The last start failed.
    Failed,
}

/// How long a cold start took, phase by phase, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColdStartRecord {
    /// When it began.
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
    /// Getting access tokens.
    pub token_ms: u64,
    /// From the first request until Compute Engine said that the instance runs, tokens aside.
    pub api_ms: u64,
    /// Until the instance's port took a connection.
    pub boot_ms: u64,
    /// Until its health path answered 2xx.
    pub app_ms: u64,
    /// All of it.
    pub total_ms: u64,
}

/// For `#[serde(with = "…")]`: a [`Timestamp`] as RFC 3339.
mod rfc3339 {
    use super::Timestamp;
    use serde::{de::Error as _, Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&at.to_rfc3339())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = chrono::DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
        u64::try_from(time.timestamp_millis()).map(Timestamp::from_millis).map_err(D::Error::custom)
    }
}

fn default_port() -> u16 {
    80
}

fn default_origin() -> String {
    DEFAULT_ORIGIN.to_owned()
}

/// Two lost packets are made up for by then (TCP repeats its first after 1 s and 3 s); a client whose VM has been
/// taken away waits no longer before the VM is started again.
fn default_connect_timeout() -> Duration {
    Duration::from_secs(5)
}

/// Longer than the usual proxies allow (1 to 2 min), for slow machines; but no client of a server that hangs keeps
/// the VM, which costs, up for ever.
fn default_response_timeout() -> Duration {
    Duration::from_secs(5 * 60)
}

fn default_startup_timeout() -> Duration {
    Duration::from_secs(5 * 60)
}

fn default_idle_timeout() -> Duration {
    Duration::from_secs(15 * 60)
}

fn default_busy_limit() -> Duration {
    Duration::from_secs(24 * 60 * 60)
}

fn default_image() -> String {
    DEFAULT_IMAGE.to_owned()
}

fn default_machine_type() -> String {
    DEFAULT_MACHINE_TYPE.to_owned()
}

fn default_tags() -> Vec<String> {
    vec![DEFAULT_TAG.to_owned()]
}
