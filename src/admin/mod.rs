//! The proxy's own paths, below `/_vmproxy/`, which are never forwarded to a VM.

mod actions;
mod auth;
mod ready_push;
mod request;
mod status;
mod wait;

use std::rc::Rc;

use futures::future::LocalBoxFuture;
use web_sys::{Request, Response};
use worker::Env;

use crate::compute::TakeDown;
use crate::http::url::RequestUrl;
use crate::pages::problem_details;
use crate::problem::Problem;
use crate::vm::Vm;
use actions::{act, Action};
use auth::Access;
use request::AdminRequest;

pub(crate) use status::misconfigured;

/// A path, the clients that may use it, and its handler.
struct Route {
    /// The methods, of which the first is recommended to a client that uses another.
    methods: &'static [&'static str],
    /// The path below `/_vmproxy/`. `{vm}` is the name of a VM.
    pattern: &'static str,
    access: Access,
    handler: Handler,
}

type Handler = for<'r> fn(&'r AdminRequest<'r>) -> LocalBoxFuture<'r, Response>;

const ROUTES: [Route; 9] = [
    route(&["GET", "HEAD"], "healthz", Access::Public, status::healthz),
    route(&["GET", "HEAD"], "wait/{vm}", Access::Public, wait::watch),
    route(&["POST"], "vms/{vm}/ready", Access::ReadyToken, ready_push::accept),
    route(&["GET"], "vms", Access::Operator, status::list),
    route(&["GET"], "vms/{vm}", Access::Operator, status::show),
    route(&["POST"], "vms/{vm}/start", Access::Operator, |request| act(request, Action::Start)),
    route(&["POST"], "vms/{vm}/stop", Access::Operator, |request| {
        act(request, Action::TakeDown(TakeDown::Stop))
    }),
    route(&["POST"], "vms/{vm}/suspend", Access::Operator, |request| {
        act(request, Action::TakeDown(TakeDown::Suspend))
    }),
    route(&["POST"], "vms/{vm}/delete", Access::Operator, |request| {
        act(request, Action::TakeDown(TakeDown::Delete))
    }),
];

const fn route(
    methods: &'static [&'static str],
    pattern: &'static str,
    access: Access,
    handler: Handler,
) -> Route {
    Route { methods, pattern, access, handler }
}

/// Returns the part of a path below `/_vmproxy/`; `None` means that the path is not the proxy's
/// own.
pub(crate) fn path<'u>(url: &RequestUrl<'u>) -> Option<&'u str> {
    match url.path.strip_prefix("/_vmproxy")? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

/// Responds to a request to `/_vmproxy/{path}`.
pub(crate) async fn respond(vms: &[Rc<Vm>], path: &str, request: &Request, env: &Env) -> Response {
    let matched = ROUTES.iter().find_map(|route| Some((route, captured(route.pattern, path)?)));
    let vm_of = |name: &str| vms.iter().find(|vm| vm.instance.name == name);
    let vm = matched.and_then(|(_, name)| vm_of(name));
    // Without the token, a client cannot find out which paths and VMs exist.
    let is_granted = matched.is_some_and(|(route, _)| route.access.is_granted(vm));
    if !is_granted && !auth::is_operator(request, env) {
        return problem_details(&Problem::not_found("There is nothing here."));
    }
    let matched = matched.filter(|(route, _)| is_granted || route.access == Access::Operator);
    let Some((route, name)) = matched else { return unknown_path(vms, path) };
    if vm.is_none() && !name.is_empty() {
        return match route.access {
            Access::Operator => unknown_vm(vms, name),
            Access::Public | Access::ReadyToken => {
                problem_details(&Problem::not_found("There is nothing here."))
            }
        };
    }
    let method = request.method();
    if !route.methods.contains(&method.as_str()) {
        return method_not_allowed(&method, route.methods.first().copied().unwrap_or_default());
    }
    (route.handler)(&AdminRequest { vms, vm, request, env }).await
}

/// Matches a path. Returns the name of the VM, which is empty if the pattern has none.
fn captured<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, after)) = pattern.split_once("{vm}") else { return (pattern == path).then_some("") };
    let name = path.strip_prefix(before)?.strip_suffix(after)?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// Returns the response to an operator's request for a path that matches no route.
fn unknown_path(vms: &[Rc<Vm>], path: &str) -> Response {
    let parts: Vec<&str> = path.split('/').collect();
    let problem = match parts.as_slice() {
        ["vms", name, _] if !vms.iter().any(|vm| vm.instance.name == *name) => return unknown_vm(vms, name),
        ["vms", _, action] => {
            Problem::not_found(format!("{action:?} is not an action: start, stop, suspend or delete."))
        }
        _ => Problem::not_found("There is no such page."),
    };
    problem_details(&problem)
}

fn unknown_vm(vms: &[Rc<Vm>], name: &str) -> Response {
    let names: Vec<&str> = vms.iter().map(|vm| vm.instance.name.as_str()).collect();
    let detail = format!("There is no VM {name:?}. There is: {}.", names.join(", "));
    problem_details(&Problem::not_found(detail))
}

fn method_not_allowed(method: &str, allowed: &str) -> Response {
    let problem = Problem {
        status: 405,
        title: "Method not allowed",
        detail: format!("{method} is not possible here: use {allowed}."),
        retry_after: None,
    };
    let response = problem_details(&problem);
    // The headers of the proxy's own response can always be set.
    let _ = response.headers().set("allow", allowed);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxys_own_paths_are_told_from_the_vms() {
        for (path, own) in [
            ("/_vmproxy/vms/a", Some("vms/a")),
            ("/_vmproxy/", Some("")),
            ("/_vmproxy", Some("")),
            ("/_vmproxyish", None),
            ("/app/_vmproxy/vms", None),
            ("/", None),
        ] {
            let url = RequestUrl { scheme: "https", authority: "h", path, target: path };
            assert_eq!(super::path(&url), own, "{path}");
        }
    }

    #[test]
    fn a_path_matches_one_route() {
        for (path, pattern, vm) in [
            ("healthz", Some("healthz"), ""),
            ("wait/a", Some("wait/{vm}"), "a"),
            ("vms", Some("vms"), ""),
            ("vms/a", Some("vms/{vm}"), "a"),
            ("vms/a/ready", Some("vms/{vm}/ready"), "a"),
            ("vms/a/stop", Some("vms/{vm}/stop"), "a"),
            ("vms/a/b/stop", None, ""),
            ("vms/", None, ""),
            ("vms/a/reboot", None, ""),
            ("healthz/", None, ""),
            ("", None, ""),
        ] {
            let matches =
                ROUTES.iter().filter_map(|route| Some((route.pattern, captured(route.pattern, path)?)));
            assert_eq!(
                matches.collect::<Vec<_>>(),
                pattern.map(|pattern| (pattern, vm)).into_iter().collect::<Vec<_>>()
            );
        }
    }
}
