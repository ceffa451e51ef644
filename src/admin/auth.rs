//! What several of the routes need.

use std::rc::Rc;

use web_sys::{Request, Response};

use crate::error::Error;
use crate::platform::headers::value;
use crate::problem::Problem;
use crate::secret::bearer_in;
use crate::vm::Vm;

/// The VM of this name.
pub(super) fn find<'v>(vms: &'v [Rc<Vm>], name: &str) -> Option<&'v Rc<Vm>> {
    vms.iter().find(|vm| vm.instance.name == name)
}

/// The bearer token that a request carries.
pub(super) fn bearer(request: &Request) -> Option<String> {
    bearer_in(&value(&request.headers(), "authorization")?).map(str::to_owned)
}

pub(super) fn method_not_allowed(method: &str, allowed: &str) -> Response {
    let problem = Problem {
        status: 405,
        title: "Method not allowed",
        detail: format!("{method} is not possible here: use {allowed}."),
        retry_after: None,
    };
    let response = problem.details();
    // The headers of an answer of our own can always be set.
    let _ = response.headers().set("allow", allowed);
    response
}

pub(super) fn failed(vm: &Vm, error: &Error) -> Response {
    worker::console_error!("vmproxy: {error}");
    error.problem(Some(vm)).details()
}
