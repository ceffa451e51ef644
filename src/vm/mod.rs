//! The configuration types of a VM and of the Compute Engine instance behind it. Users of the
//! library construct them; the ready-made Worker reads them from its configuration.

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

/// The default of [`origin`](Vm::origin).
pub(crate) const DEFAULT_ORIGIN: &str = "http://{ip}:{port}";

/// The default of [`connect_timeout`](Vm::connect_timeout). Long enough for two lost packets (TCP
/// retransmits the first after 1 s and 3 s), and short for a client whose VM has been preempted,
/// which waits that long before the VM is started again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The default of [`response_timeout`](Vm::response_timeout). Longer than that of common proxies (1
/// to 2 min), for slow machines, but bounded, so that a client of a hanging server does not keep a
/// VM, which costs money, running forever.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A VM that requests below [`path`](Vm::path) are forwarded to, and that the first of them starts.
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
    /// The path of the requests that go to this VM, including all paths below it. The longest match
    /// wins. Begins with `/`.
    pub path: String,
    /// The host name (without port) of the requests that go to this VM. `None` means any host.
    pub host: Option<String>,
    /// `true` if [`path`](Vm::path) is removed from the request's path before the request is
    /// forwarded.
    pub strip_prefix: bool,
    /// The path that decides readiness: the VM is ready when a GET of it returns 2xx. `None` means
    /// [`path`](Vm::path).
    pub health_path: Option<String>,
    /// The port that the VM's server listens on.
    pub port: u16,
    /// The URL template by which the VM is reached, with the placeholders `{ip}`, `{ip-dashed}` and
    /// `{port}`. If its host is an IP address, the proxy uses a TCP socket; if it is a name,
    /// `fetch()`.
    pub origin: String,
    /// The binding of a [VPC network](https://developers.cloudflare.com/workers-vpc/), whose
    /// `fetch()` reaches the VM at its internal address. With it the VM needs no external address.
    pub vpc: Option<String>,
    /// The `Host` header of requests over a socket. `None` means the host that the client
    /// requested.
    pub host_header: Option<String>,
    /// `true` if a request's own `X-Forwarded-*` and `Forwarded` headers are trusted and extended.
    /// Set it only behind another proxy, since any client can send them.
    pub trust_forwarded: bool,
    /// The time limit for connecting to the VM. After it the VM is treated as unreachable. Applies
    /// to origins with an IP address; for a name, `fetch()` has its own limits.
    pub connect_timeout: Duration,
    /// The time limit for the VM to send a complete response head after it has received the whole
    /// request, and for each stall within a body. Applies to origins with an IP address.
    pub response_timeout: Duration,
    /// The time limit for a start, from the first request to the first 2xx of the health path.
    pub startup_timeout: Duration,
    /// The time that the VM keeps running after the last request.
    pub idle_timeout: Duration,
    /// The action after [`idle_timeout`](Vm::idle_timeout).
    pub on_idle: OnIdle,
    /// The path that reports whether the VM is busy. Before the VM goes down, the proxy sends a GET
    /// of it: 204 means idle, any other 2xx means busy. Every other result counts as idle.
    pub busy_path: Option<String>,
    /// The time after the last request at which the VM goes down even if it reports that it is
    /// busy.
    pub busy_limit: Duration,
    /// The time that the VM stays suspended before it is stopped, with [`OnIdle::Suspend`]. `None`
    /// means no limit. Compute Engine keeps a suspended VM for at most 60 days, and charges for its
    /// memory.
    pub deep_sleep_after: Option<Duration>,
    /// The maximum number of times in an hour that the VM is created, started or resumed. `None`
    /// means no limit.
    pub max_starts_per_hour: Option<u32>,
    /// The maximum number of hours that the VM runs in a calendar month (UTC). `None` means no
    /// limit.
    pub max_hours_per_month: Option<u32>,
    /// The action on an existing instance that differs from the configuration.
    pub on_drift: OnDrift,
    /// The response to requests while the VM is not ready.
    pub cold_start: ColdStart,
    /// The maximum time that a request is held until the VM is ready. `None` means as long as the
    /// start takes.
    pub hold_timeout: Option<Duration>,
    /// The texts and the appearance of the waiting page that browsers show meanwhile: the settings
    /// that differ from [`WAITING_PAGE`].
    pub waiting_page: BTreeMap<String, String>,
    /// The URL of a custom page that replaces the waiting page: HTML of at most 64 KiB, which is
    /// fetched every few minutes.
    pub waiting_page_url: Option<String>,
    /// The policy on which requests wake the VM.
    pub wake: WakePolicy,
    /// Windows in which the VM is kept awake, in the local time of a zone, such as
    /// `Mon-Fri 08:00-18:00 Europe/Berlin`. The VM is started at the beginning of a window, and
    /// does not go down for lack of requests before its end. See [`Vm::follow_schedule`].
    pub keep_awake: Vec<String>,
    /// Times at which the VM is started as by a request, such as `Mon-Fri 07:55 Europe/Berlin`.
    pub wake_at: Vec<String>,
    /// The public address (scheme, host and an optional port) to which the VM reports that it is
    /// ready. `None` means that the VM gets no ready token, and is only probed.
    pub ready_push: Option<String>,
    /// The Compute Engine instance.
    pub instance: Instance,
}

impl Vm {
    /// Returns the path that is probed: [`health_path`](Vm::health_path), or [`path`](Vm::path)
    /// without one.
    pub fn health_path(&self) -> &str {
        self.health_path.as_deref().unwrap_or(&self.path)
    }

    /// Returns the minimum interval between an isolate's reports of activity to the VM's object: a
    /// tenth of the idle timeout, at most 5 s. The interval may prolong the idle time by its own
    /// length, so it is short in comparison.
    pub(crate) fn touch_interval(&self) -> Duration {
        (self.idle_timeout / 10).clamp(Duration::from_millis(100), Duration::from_secs(5))
    }

    /// Returns the maximum interval between reports of activity while a response is in progress: a
    /// third of the idle timeout, so one report may be lost.
    pub(crate) fn longest_touch_interval(&self) -> Duration {
        (self.idle_timeout / 3).max(self.touch_interval())
    }
}

impl Default for Vm {
    /// Returns a VM at `/` with the configuration's defaults. Only the instance's name and zone are
    /// missing.
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

/// The action on a VM that has had no request for its idle timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnIdle {
    /// Stop it: the disk is kept, and the next start boots.
    #[default]
    Stop,
    /// Suspend it: the memory is kept too, and the next start resumes it.
    Suspend,
    /// Delete it, with the disks that are marked for automatic deletion: the next start creates it
    /// anew.
    Delete,
    /// Leave it running.
    Never,
}

/// The action on an existing instance that differs from the configuration in its machine type, Spot
/// setting, run limit, metadata, tags or labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDrift {
    /// Report the differences in the VM's status.
    #[default]
    Report,
    /// Apply the configuration to the instance at its next start.
    Apply,
}

/// The strategy for requests while their VM is not ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColdStart {
    /// Browser navigations get the waiting page; all other requests are held.
    #[default]
    Auto,
    /// Requests are held until the VM is ready, for at most [`hold_timeout`](Vm::hold_timeout).
    Hold,
    /// Requests get the waiting page at once: a 503 that opens the site when the VM is ready.
    Page,
    /// Requests get 503 with `Retry-After` at once, while the VM starts.
    Reject,
}
