//! A request to one of the proxy's own paths.

use std::rc::Rc;

use web_sys::Request;
use worker::Env;

use crate::vm::Vm;

/// A request to one of the proxy's own paths.
pub(super) struct AdminRequest<'r> {
    /// All VMs.
    pub vms: &'r [Rc<Vm>],
    /// The VM that the path names; `None` means that the pattern has no `{vm}`.
    pub vm: Option<&'r Rc<Vm>>,
    pub request: &'r Request,
    pub env: &'r Env,
}
