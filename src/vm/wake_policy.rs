//! The policy on which requests wake a sleeping VM, and the responses to the others.

use ipnet::IpNet;

/// The default of [`ignore_paths`](WakePolicy::ignore_paths): paths that monitors, crawlers and
/// browsers request on their own.
pub const DEFAULT_IGNORED_PATHS: [&str; 3] = ["/healthz", "/robots.txt", "/favicon.ico"];

/// The policy on which requests wake a sleeping VM. The other requests are forwarded while the VM
/// is awake; while it is asleep they get a response from the proxy, and the VM stays asleep. A
/// browser's prefetch never wakes it.
///
/// In a pattern, `*` matches any string.
///
/// ```
/// use vmproxy::{AsleepResponse, Vm, WakePolicy};
///
/// let ok = AsleepResponse {
///     user_agent: Some("UptimeRobot".into()),
///     status: 200,
///     ..AsleepResponse::default()
/// };
/// let wake = WakePolicy {
///     countries: vec!["DE".into()],
///     asleep_response: vec![ok],
///     ..WakePolicy::default()
/// };
/// let vm = Vm { wake, ..Vm::default() };
/// assert!(!vm.wake.crawlers);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WakePolicy {
    /// The methods that wake the VM. Empty means any.
    pub methods: Vec<String>,
    /// Patterns of paths that do not wake the VM. They are matched against the path as the client
    /// sent it.
    pub ignore_paths: Vec<String>,
    /// Patterns of user agents that do not wake the VM. They match anywhere in the `User-Agent`
    /// header, in either case.
    pub ignore_user_agents: Vec<String>,
    /// `true` if crawlers, link previews, monitors and scanners whose `User-Agent` is in the
    /// built-in list wake the VM. Applies only to GET, HEAD and OPTIONS: a webhook's POST wakes the
    /// VM, whatever its `User-Agent`.
    pub crawlers: bool,
    /// The countries whose clients wake the VM (ISO 3166-1, or `T1` for Tor). Empty means any.
    pub countries: Vec<String>,
    /// The countries whose clients do not wake the VM.
    pub ignore_countries: Vec<String>,
    /// The networks whose clients wake the VM. Empty means any.
    pub networks: Vec<IpNet>,
    /// The networks whose clients do not wake the VM.
    pub ignore_networks: Vec<IpNet>,
    /// `true` if bots that Cloudflare has verified wake the VM by GET, HEAD and OPTIONS. Cloudflare
    /// reports verified bots to a Worker only with its bot products.
    pub verified_bots: bool,
    /// The header that a request needs to wake the VM. `None` means no header.
    pub header: Option<String>,
    /// The name of the Worker's secret that [`header`](WakePolicy::header) must contain. Without a
    /// header, the bearer token (RFC 6750) must be this secret.
    pub secret: Option<String>,
    /// The maximum number of times in an hour that one client wakes the VM. A client is an IPv4
    /// address or an IPv6 network of 64 bits. `None` means no limit.
    pub wakes_per_hour: Option<u32>,
    /// `true` if requests that do not wake the VM count as activity, which keeps it awake.
    pub counts_as_activity: bool,
    /// The responses to such requests while the VM is asleep. The first that matches is sent.
    /// Without a match it is 503 with `Retry-After`.
    pub asleep_response: Vec<AsleepResponse>,
}

impl Default for WakePolicy {
    /// Returns a policy by which all requests wake the VM, except those of crawlers, link previews,
    /// monitors, scanners and verified bots, and those of [`DEFAULT_IGNORED_PATHS`].
    fn default() -> Self {
        Self {
            methods: Vec::new(),
            ignore_paths: DEFAULT_IGNORED_PATHS.map(str::to_owned).into(),
            ignore_user_agents: Vec::new(),
            crawlers: false,
            countries: Vec::new(),
            ignore_countries: Vec::new(),
            networks: Vec::new(),
            ignore_networks: Vec::new(),
            verified_bots: false,
            header: None,
            secret: None,
            wakes_per_hour: None,
            counts_as_activity: true,
            asleep_response: Vec::new(),
        }
    }
}

/// The response to a request that does not wake the VM, while the VM is asleep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsleepResponse {
    /// The pattern of the path, as in [`ignore_paths`](WakePolicy::ignore_paths). `None` means any.
    pub path: Option<String>,
    /// The pattern of the user agent, as in [`ignore_user_agents`](WakePolicy::ignore_user_agents).
    /// `None` means any.
    pub user_agent: Option<String>,
    /// The HTTP status. A 503 is sent with `Retry-After`.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The media type of the body.
    pub content_type: String,
}

impl Default for AsleepResponse {
    /// Returns 503 without a body, for all requests.
    fn default() -> Self {
        Self {
            path: None,
            user_agent: None,
            status: 503,
            body: String::new(),
            content_type: "text/plain; charset=utf-8".to_owned(),
        }
    }
}
