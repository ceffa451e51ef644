//! Access to the proxy's own paths.

use std::rc::Rc;

use web_sys::Request;
use worker::Env;

use crate::platform::env::variable;
use crate::platform::headers::value;
use crate::secret::{bearer_in, equal};
use crate::vm::Vm;

/// The clients that may use a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody.
    Public,
    /// The VM, with the token of its boot, which its handler checks. The path exists only for VMs
    /// with `ready_push`.
    ReadyToken,
    /// Clients with `ADMIN_TOKEN`.
    Operator,
}

impl Access {
    /// Returns whether anybody may use a path of this VM.
    pub fn is_granted(self, vm: Option<&Rc<Vm>>) -> bool {
        match self {
            Access::Public => true,
            Access::ReadyToken => vm.is_some_and(|vm| vm.ready_push.is_some()),
            Access::Operator => false,
        }
    }
}

/// Returns whether the request has `ADMIN_TOKEN` as its bearer token.
pub(super) fn is_operator(request: &Request, env: &Env) -> bool {
    let Some(token) = variable(env, "ADMIN_TOKEN").filter(|token| !token.is_empty()) else { return false };
    bearer(request).is_some_and(|given| equal(&given, &token))
}

/// Returns the bearer token of a request.
pub(super) fn bearer(request: &Request) -> Option<String> {
    bearer_in(&value(&request.headers(), "authorization")?).map(str::to_owned)
}
