//! The way of a request: which VM it is for, where that VM is, and there and back.

mod cold_start;
pub(crate) mod endpoints;
mod forward;
mod response;
pub(crate) mod route;
mod wake_check;

pub(crate) use endpoints::isolate_cache::Endpoints;
use forward::serve;

use std::cell::OnceCell;
use std::rc::Rc;

use web_sys::{Request, Response};
use worker::{Context, Env};

use crate::admin;
use crate::config::{check_schedule, check_vms, parse_vms, ConfigError};
use crate::durable_object::{check_credentials, Command, ObjectClient};
use crate::error::Error;
use crate::platform::env::variable;
use crate::platform::fetch::Fetcher;
use crate::platform::time_zone::is_zone;
use crate::vm::Vm;
use route::{route, RequestUrl};

/// VMs behind one Worker: each request goes to the VM whose host and path fit best; `/_vmproxy/` is the proxy's
/// own.
#[derive(Clone, Debug)]
pub struct Proxy {
    vms: Vec<Rc<Vm>>,
}

thread_local! {
    /// Variables do not change while an isolate lives: they are read and checked once.
    static CONFIGURED: OnceCell<Rc<Result<Proxy, ConfigError>>> = const { OnceCell::new() };
}

impl Proxy {
    /// A proxy for VMs that are written in the code.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(vms: Vec<Vm>) -> Result<Self, ConfigError> {
        check_vms(&vms)?;
        check_time_zones(&vms)?;
        Ok(Self { vms: vms.into_iter().map(Rc::new).collect() })
    }

    /// The proxy that the Worker's variables describe: `VMS`, the secret `GOOGLE_SERVICE_ACCOUNT_KEY`, and how that is
    /// used.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let vms = variable(env, "VMS")
            .ok_or_else(|| ConfigError::new("VMS", "missing; at least one [[vars.VMS]] is required"))?;
        let vms = parse_vms(&vms)?;
        check_time_zones(&vms)?;
        for (index, vm) in vms.iter().enumerate() {
            Fetcher::of(env, vm.vpc.as_deref())
                .map_err(|problem| ConfigError::new(format!("VMS[{index}].vpc"), problem))?;
            wake_check::woken_by(vm, env).map_err(|error| error.nested_in(&format!("VMS[{index}]")))?;
        }
        check_credentials(env)?;
        Ok(Self { vms: vms.into_iter().map(Rc::new).collect() })
    }

    /// Tells the objects of the VMs that have a schedule of it: what a Worker does in its `scheduled` handler. What goes
    /// wrong is in the log.
    pub async fn follow_schedules(&self, env: &Env) {
        let object = ObjectClient::new(env);
        for vm in self.vms.iter().filter(|vm| !vm.keep_awake.is_empty() || !vm.wake_at.is_empty()) {
            if let Err(error) = object.call(vm, &Command::Status).await {
                worker::console_error!("vmproxy: {error}");
            }
        }
    }

    /// Answers a request. Whatever goes wrong is an answer too, and its reason is in the log.
    pub async fn serve(&self, request: &Request, env: &Env, ctx: &Context) -> Response {
        let url = request.url();
        let url = RequestUrl::parse(&url);
        if let Some(path) = admin::own_path(url.path) {
            return admin::answer(&self.vms, path, request, env).await;
        }
        let Some(vm) = route(&self.vms, &url) else { return Error::NoRoute.answer(None, request) };
        match serve(vm, &url, request, env, ctx).await {
            Ok(response) => response,
            Err(error @ Error::Asleep { .. }) => wake_check::asleep(vm, &url, request, &error),
            Err(error) => error.answer(Some(vm), request),
        }
    }
}

/// The ready-made Worker: answers a request as the Worker's variables say.
pub async fn serve_configured(request: &Request, env: &Env, ctx: &Context) -> Response {
    let configured = configured(env);
    match configured.as_ref() {
        Ok(proxy) => proxy.serve(request, env, ctx).await,
        Err(error) => {
            let answer = Error::Config(error.clone()).answer(None, request);
            let url = request.url();
            match admin::own_path(RequestUrl::parse(&url).path) {
                Some("healthz") => admin::misconfigured(),
                _ => answer,
            }
        }
    }
}

/// The ready-made Worker's `scheduled` handler: sees to it that the VMs follow their schedules.
pub async fn follow_configured_schedules(env: &Env) {
    match configured(env).as_ref() {
        Ok(proxy) => proxy.follow_schedules(env).await,
        Err(error) => worker::console_error!("vmproxy: {}", Error::Config(error.clone())),
    }
}

fn configured(env: &Env) -> Rc<Result<Proxy, ConfigError>> {
    CONFIGURED.with(|cell| Rc::clone(cell.get_or_init(|| Rc::new(Proxy::from_env(env)))))
}

fn check_time_zones(vms: &[Vm]) -> Result<(), ConfigError> {
    let mut checked = vms.iter().map(|vm| check_schedule(vm, is_zone)).enumerate();
    checked.try_for_each(|(index, vm)| vm.map_err(|error| error.nested_in(&format!("VMS[{index}]"))))
}
