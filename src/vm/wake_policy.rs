//! Who may wake a sleeping VM, and what everybody else gets meanwhile.

use ipnet::IpNet;

/// The paths that do not wake a VM when none are given: what monitors, crawlers and browsers ask for by themselves.
pub const DEFAULT_IGNORED_PATHS: [&str; 3] = ["/healthz", "/robots.txt", "/favicon.ico"];

/// Which requests wake a sleeping VM. The others pass while it is awake; while it sleeps they get an answer of the
/// proxy's own, and leave it asleep. A browser that fetches ahead of its user never wakes it.
///
/// In a pattern, `*` stands for any text.
///
/// ```
/// use vmproxy::{AsleepResponse, Vm, WakePolicy};
///
/// let ok = AsleepResponse { user_agent: Some("UptimeRobot".into()), status: 200, ..AsleepResponse::default() };
/// let wake = WakePolicy { countries: vec!["DE".into()], asleep_response: vec![ok], ..WakePolicy::default() };
/// let vm = Vm { wake, ..Vm::default() };
/// assert!(!vm.wake.crawlers);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WakePolicy {
    /// The methods that wake it. None: any.
    pub methods: Vec<String>,
    /// Patterns of paths that do not, as the path comes.
    pub ignore_paths: Vec<String>,
    /// Patterns that are looked for anywhere in a `User-Agent`, in either case: whoever has one does not wake it.
    pub ignore_user_agents: Vec<String>,
    /// Whether crawlers, link previews, monitors and scanners do, as far as the built-in list knows their
    /// `User-Agent`. It is for GET, HEAD and OPTIONS alone: a webhook's POST wakes the VM, whoever sends it.
    pub crawlers: bool,
    /// The countries from which it is woken (ISO 3166-1, or `T1` for Tor). None: any.
    pub countries: Vec<String>,
    /// The countries from which it is not.
    pub ignore_countries: Vec<String>,
    /// The networks from which it is woken. None: any.
    pub networks: Vec<IpNet>,
    /// The networks from which it is not.
    pub ignore_networks: Vec<IpNet>,
    /// Whether bots that Cloudflare has verified do, for GET, HEAD and OPTIONS. It tells a Worker of them with its bot
    /// products only.
    pub verified_bots: bool,
    /// The header without which a request does not.
    pub header: Option<String>,
    /// The name of the Worker's secret that [`header`](WakePolicy::header) must hold; without a header, the bearer token
    /// (RFC 6750).
    pub secret: Option<String>,
    /// How often in an hour one client may wake it: an IPv4 address, or an IPv6 network of 64 bits. `None`: without
    /// limit.
    pub wakes_per_hour: Option<u32>,
    /// Whether requests that do not wake the VM keep it awake.
    pub counts_as_activity: bool,
    /// What such requests get while it sleeps: the first that fits. Without any it is 503, with `Retry-After`.
    pub asleep_response: Vec<AsleepResponse>,
}

impl Default for WakePolicy {
    /// Everybody but crawlers and their like, at every path but [`DEFAULT_IGNORED_PATHS`].
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

/// What a request gets that does not wake the VM, while it sleeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsleepResponse {
    /// A pattern of paths, as in [`ignore_paths`](WakePolicy::ignore_paths). `None`: any.
    pub path: Option<String>,
    /// A pattern that is looked for in the `User-Agent`, as in [`ignore_user_agents`](WakePolicy::ignore_user_agents).
    /// `None`: any.
    pub user_agent: Option<String>,
    /// The HTTP status. With 503 goes `Retry-After`.
    pub status: u16,
    /// The body.
    pub body: String,
    /// Of what media type the body is.
    pub content_type: String,
}

impl Default for AsleepResponse {
    /// 503 without a body, for everybody.
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
