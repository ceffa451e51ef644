//! A VM and the Compute Engine instance behind it: the types that a configuration fills in, and what the
//! library's users write.

mod cold_start_record;
mod endpoint;
mod estimates;
mod instance;
mod origin;
mod ready_token;
mod status;
mod waiting_page;
mod wake_policy;

use std::collections::BTreeMap;
use std::time::Duration;

pub use cold_start_record::{ColdStartRecord, StartKind};
pub use endpoint::Endpoint;
pub use estimates::{Percentiles, PhaseEstimates, StartEstimates};
pub use instance::{Accelerator, Address, Instance, DEFAULT_IMAGE, DEFAULT_MACHINE_TYPE, DEFAULT_TAG};
pub(crate) use origin::Origin;
pub(crate) use ready_token::is_ready_item;
pub use ready_token::{ReadyToken, Seed};
pub use status::{Status, VmState};
pub use waiting_page::WAITING_PAGE;
pub use wake_policy::{AsleepResponse, WakePolicy, DEFAULT_IGNORED_PATHS};

/// How a VM is reached when [`origin`](Vm::origin) does not say so.
pub(crate) const DEFAULT_ORIGIN: &str = "http://{ip}:{port}";

/// Two lost packets are made up for by then (TCP repeats its first after 1 s and 3 s); a client whose VM has been
/// taken away waits no longer before the VM is started again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than the usual proxies allow (1 to 2 min), for slow machines; but no client of a server that hangs keeps
/// the VM, which costs, up for ever.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vm {
    /// Requests whose path is this, or lies below it, go to this VM; the longest match wins. Begins with `/`.
    pub path: String,
    /// Only requests to this host name (no port) go to this VM. `None`: any host.
    pub host: Option<String>,
    /// Whether [`path`](Vm::path) is taken off before the request is forwarded.
    pub strip_prefix: bool,
    /// The VM is ready when a GET of this path answers 2xx. `None`: [`path`](Vm::path).
    pub health_path: Option<String>,
    /// The port that the VM's server listens on.
    pub port: u16,
    /// How the VM is reached: a URL template with `{ip}`, `{ip-dashed}` and `{port}`. With an IP address as
    /// host it is spoken to over a TCP socket, with a name by `fetch()`.
    pub origin: String,
    /// The binding whose `fetch()` reaches the VM at its internal address: a
    /// [VPC network](https://developers.cloudflare.com/workers-vpc/). The VM needs no external address then.
    pub vpc: Option<String>,
    /// The `Host` that the VM is asked for, over a socket. `None`: the one that the client asked for.
    pub host_header: Option<String>,
    /// Whether a request's own `X-Forwarded-*` and `Forwarded` are believed and added to: only with another proxy
    /// in front, since anybody can write them.
    pub trust_forwarded: bool,
    /// How long a connection to the VM may take, before it is taken for gone. For origins with an IP address; with
    /// a name, `fetch()` has its own limits.
    pub connect_timeout: Duration,
    /// How long the VM may take, once it has the whole request, until the head of its answer is complete, and how
    /// long it may be silent in a body's midst. For origins with an IP address.
    pub response_timeout: Duration,
    /// How long a start may take, from the first request to the first 2xx of the health path.
    pub startup_timeout: Duration,
    /// How long the VM is kept after the last request.
    pub idle_timeout: Duration,
    /// What is done with the VM after [`idle_timeout`](Vm::idle_timeout).
    pub on_idle: OnIdle,
    /// Before the VM goes down it is asked by a GET of this path: 204 means idle, any other 2xx busy. Whatever
    /// else happens is taken for idle.
    pub busy_path: Option<String>,
    /// How long after the last request the VM goes down although it says that it is busy.
    pub busy_limit: Duration,
    /// With [`OnIdle::Suspend`]: how long the VM stays suspended before it is stopped. Compute Engine keeps a
    /// suspended VM for 60 days at most, and charges for its memory.
    pub deep_sleep_after: Option<Duration>,
    /// How often in an hour the VM may be created, started or resumed. `None`: without limit.
    pub max_starts_per_hour: Option<u32>,
    /// How many hours the VM may run in a calendar month (UTC). `None`: without limit.
    pub max_hours_per_month: Option<u32>,
    /// What is done about an instance that exists and differs from the configuration.
    pub on_drift: OnDrift,
    /// What a request gets while the VM is not ready.
    pub cold_start: ColdStart,
    /// How long a request is held for the VM to be ready. `None`: as long as the start takes.
    pub hold_timeout: Option<Duration>,
    /// What the page says that a browser shows meanwhile, and how it looks: settings that differ from
    /// [`WAITING_PAGE`].
    pub waiting_page: BTreeMap<String, String>,
    /// A whole page of one's own in its place: HTML of 64 KiB at most, which is fetched every few minutes.
    pub waiting_page_url: Option<String>,
    /// Who may wake the VM.
    pub wake: WakePolicy,
    /// When the VM is kept awake, by the clock of a time zone: as `Mon-Fri 08:00-18:00 Europe/Berlin`. It is started
    /// at the beginning of such a window, and does not go down for want of requests before its end. See
    /// [`Vm::follow_schedule`].
    pub keep_awake: Vec<String>,
    /// When the VM is started as if a request came: as `Mon-Fri 07:55 Europe/Berlin`.
    pub wake_at: Vec<String>,
    /// The public address (scheme, host, and port if need be) at which the VM reaches this Worker to say that it is
    /// ready. `None`: it is told nothing of that, and only probed.
    pub ready_push: Option<String>,
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

    /// How long the VM's object may go without a report while an answer is under way. A third of the idle time: one
    /// report may be lost.
    pub(crate) fn longest_touch_interval(&self) -> Duration {
        (self.idle_timeout / 3).max(self.touch_interval())
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
            port: 80,
            origin: DEFAULT_ORIGIN.to_owned(),
            vpc: None,
            host_header: None,
            trust_forwarded: false,
            connect_timeout: CONNECT_TIMEOUT,
            response_timeout: RESPONSE_TIMEOUT,
            startup_timeout: Duration::from_secs(5 * 60),
            idle_timeout: Duration::from_secs(15 * 60),
            on_idle: OnIdle::default(),
            busy_path: None,
            busy_limit: Duration::from_secs(24 * 60 * 60),
            deep_sleep_after: None,
            max_starts_per_hour: None,
            max_hours_per_month: None,
            on_drift: OnDrift::default(),
            cold_start: ColdStart::default(),
            hold_timeout: None,
            waiting_page: BTreeMap::new(),
            waiting_page_url: None,
            wake: WakePolicy::default(),
            keep_awake: Vec::new(),
            wake_at: Vec::new(),
            ready_push: None,
            instance: Instance::default(),
        }
    }
}

/// What is done with a VM that nobody has used for its idle time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDrift {
    /// Its status says so.
    #[default]
    Report,
    /// It is brought in line at its next start.
    Apply,
}

/// What a request gets while its VM is not ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColdStart {
    /// A browser's navigation gets the waiting page, everything else is held.
    #[default]
    Auto,
    /// It is held until the VM is ready, for [`hold_timeout`](Vm::hold_timeout) at most.
    Hold,
    /// The waiting page at once: 503, which goes on by itself when the VM is ready.
    Page,
    /// 503 with `Retry-After` at once, while the VM starts.
    Reject,
}
