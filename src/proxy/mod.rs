//! The data path, from a client's request to the VM's response. In the order of a request: `route`,
//! `wake_check`, `endpoints`, `cold_start` (while the VM starts), `forward`, `response`.

mod cold_start;
mod context;
mod endpoints;
mod forward;
mod response;
mod route;
mod wake_check;

pub(crate) use endpoints::Resolver;

use std::rc::Rc;

use web_sys::{Request, Response};
use worker::{Context, Env};

use crate::admin;
use crate::config::{check_schedule, check_vms, parse_vms, ConfigError};
use crate::durable_object::{check_credentials, GetStatus, ObjectClient};
use crate::error::Error;
use crate::http::url::RequestUrl;
use crate::pages;
use crate::platform::env::variable;
use crate::platform::log::log;
use crate::platform::time_zone::is_zone;
use crate::upstream::fetcher_of;
use crate::vm::Vm;
use context::RequestContext;
use response::asleep_response;
use route::route;
use wake_check::wake_secret;

/// VMs behind one Worker. Each request goes to the VM whose host and path match best; `/_vmproxy/`
/// is the proxy's own.
#[derive(Clone, Debug)]
pub struct Proxy {
    vms: Vec<Rc<Vm>>,
}

impl Proxy {
    /// Creates a proxy for VMs that are defined in code. The bindings that they name are checked by
    /// the first request, which has the environment.
    ///
    /// # Errors
    /// A VM is not configured correctly.
    pub fn new(vms: Vec<Vm>) -> Result<Self, ConfigError> {
        check_vms(&vms)?;
        check_time_zones(&vms)?;
        Ok(Self { vms: vms.into_iter().map(Rc::new).collect() })
    }

    /// Creates the proxy that the Worker's variables describe: `VMS`, the secret
    /// `GOOGLE_SERVICE_ACCOUNT_KEY`, and how that is used.
    ///
    /// # Errors
    /// A variable is not correct.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let vms = variable(env, "VMS")
            .ok_or_else(|| ConfigError::new("VMS", "missing; at least one [[vars.VMS]] is required"))?;
        let vms = parse_vms(&vms)?;
        check_time_zones(&vms)?;
        for (index, vm) in vms.iter().enumerate() {
            check_bindings(vm, env).map_err(|error| error.nested_in(&format!("VMS[{index}]")))?;
        }
        check_credentials(env)?;
        Ok(Self { vms: vms.into_iter().map(Rc::new).collect() })
    }

    /// Passes the schedules to the objects of the VMs that have one. A Worker calls this in its
    /// `scheduled` handler. Errors are logged.
    pub async fn follow_schedules(&self, env: &Env) {
        let object = ObjectClient::new(env);
        for vm in self.vms.iter().filter(|vm| !vm.keep_awake.is_empty() || !vm.wake_at.is_empty()) {
            if let Err(error) = object.call(vm, GetStatus).await {
                log(error.level(), &error);
            }
        }
    }

    /// Responds to a request. An error becomes a response as well, and its reason is logged.
    pub async fn serve(&self, request: &Request, env: &Env, ctx: &Context) -> Response {
        let url = request.url();
        let url = &RequestUrl::parse(&url);
        if let Some(path) = admin::path(url) {
            return admin::respond(&self.vms, path, request, env).await;
        }
        let Some(vm) = route(&self.vms, url) else { return pages::respond(&Error::NoRoute, None, request) };
        let cx = RequestContext { vm, url, request, env, ctx };
        match forward::with_retry(&cx).await {
            Ok(response) => response,
            Err(error @ Error::Asleep { .. }) => asleep_response(&cx, &error),
            Err(error) => pages::respond(&error, Some(vm), request),
        }
    }
}

/// Checks that the Worker has the bindings and secrets that the VM's configuration names.
pub(crate) fn check_bindings(vm: &Vm, env: &Env) -> Result<(), ConfigError> {
    fetcher_of(vm, env)?;
    wake_secret(vm, env)?;
    Ok(())
}

fn check_time_zones(vms: &[Vm]) -> Result<(), ConfigError> {
    let mut checked = vms.iter().map(|vm| check_schedule(vm, is_zone)).enumerate();
    checked.try_for_each(|(index, vm)| vm.map_err(|error| error.nested_in(&format!("VMS[{index}]"))))
}
