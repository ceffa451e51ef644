//! The proxy's own routes, below `/_vmproxy/`: never forwarded to a VM.

mod auth;
mod ready_push;

use std::rc::Rc;

use futures::future::join_all;
use serde_json::json;
use web_sys::{Request, Response};
use worker::Env;

use auth::{bearer, failed, find, method_not_allowed};

use crate::compute::TakeDown;
use crate::durable_object::{Command, Hold, ObjectClient, Reply, TakeDownRequest, Wake, Watch};
use crate::error::Error;
use crate::platform::env::variable;
use crate::platform::headers::value;
use crate::platform::response::json_response;
use crate::problem::Problem;
use crate::secret::equal;
use crate::vm::{StartEstimates, Status, Vm};

/// The rest of a path that is the proxy's own.
pub(crate) fn own_path(path: &str) -> Option<&str> {
    match path.strip_prefix("/_vmproxy")? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

/// Answers a request to `/_vmproxy/{path}`.
pub(crate) async fn answer(vms: &[Rc<Vm>], path: &str, request: &Request, env: &Env) -> Response {
    let method = request.method();
    if path == "healthz" {
        return match method.as_str() {
            "GET" | "HEAD" => json_response(200, &json!({"status": "ok"})),
            _ => method_not_allowed(&method, "GET"),
        };
    }
    if let Some(name) = path.strip_prefix("wait/") {
        return match (find(vms, name), method.as_str()) {
            (None, _) => Problem::not_found("There is nothing here.").details(),
            (Some(vm), "GET" | "HEAD") => wait(vm, request, &ObjectClient::new(env)).await,
            (Some(_), _) => method_not_allowed(&method, "GET"),
        };
    }
    if let Some(vm) = ready_push::pushing_vm(vms, path) {
        return ready_push::answer(vm, request, env).await;
    }
    if !is_admin(request, env) {
        // Nobody without the token learns what there is.
        return Problem::not_found("There is nothing here.").details();
    }
    let object = ObjectClient::new(env);
    let parts: Vec<&str> = path.split('/').collect();
    let (name, action) = match parts.as_slice() {
        ["vms"] if method == "GET" => return list(vms, &object).await,
        ["vms"] => return method_not_allowed(&method, "GET"),
        ["vms", name] => (*name, None),
        ["vms", name, action] => (*name, Some(*action)),
        _ => return Problem::not_found("There is no such page.").details(),
    };
    let Some(vm) = find(vms, name) else {
        let names: Vec<&str> = vms.iter().map(|vm| vm.instance.name.as_str()).collect();
        return Problem::not_found(format!("There is no VM {name:?}. There is: {}.", names.join(", ")))
            .details();
    };
    let command = match action {
        None if method == "GET" => None,
        None => return method_not_allowed(&method, "GET"),
        Some(action) => match command(action) {
            Some(command) if method == "POST" => Some(command),
            Some(_) => return method_not_allowed(&method, "POST"),
            None => {
                let detail = format!("{action:?} is not an action: start, stop, suspend or delete.");
                return Problem::not_found(detail).details();
            }
        },
    };
    match act(vm, command, &object).await {
        // The action goes on: the status tells how far it is.
        Ok((status, asked)) => json_response(if asked { 202 } else { 200 }, &status),
        Err(error) => failed(vm, &error),
    }
}

/// How far the VM's start is, for anybody, since whoever sees the waiting page asks: wakes nothing and is no activity.
async fn wait(vm: &Vm, request: &Request, object: &ObjectClient) -> Response {
    let accept = value(&request.headers(), "accept").unwrap_or_default();
    let is_live = request.method() == "GET" && accept.contains("text/event-stream");
    match object.watch(vm, if is_live { Watch::Live } else { Watch::Once }).await {
        Ok(response) => response,
        Err(error) => failed(vm, &error),
    }
}

/// What `healthz` says when the configuration is wrong; how it is wrong is only in the log.
pub(crate) fn misconfigured() -> Response {
    json_response(500, &json!({"status": "misconfigured"}))
}

/// How a VM is.
///
/// # Errors
/// [`Error::Internal`]: its object did not answer.
pub(crate) async fn status(vm: &Vm, object: &ObjectClient) -> Result<Status, Error> {
    match object.call(vm, &Command::Status).await? {
        Reply::Status(status) => Ok(Status { expected: StartEstimates::of(&status.cold_starts), ..*status }),
        Reply::Outcome(_) | Reply::Pending(_) | Reply::Endpoint(_) | Reply::Done | Reply::Forbidden => {
            Err(Error::internal("the VM's object gave the wrong answer"))
        }
    }
}

async fn list(vms: &[Rc<Vm>], object: &ObjectClient) -> Response {
    let all = join_all(vms.iter().map(|vm| async move { (vm, status(vm, object).await) })).await;
    let mut statuses = Vec::with_capacity(all.len());
    for (vm, status) in all {
        match status {
            Ok(status) => statuses.push(status),
            Err(error) => return failed(vm, &error),
        }
    }
    json_response(200, &json!({"vms": statuses}))
}

async fn act(vm: &Vm, command: Option<Command>, object: &ObjectClient) -> Result<(Status, bool), Error> {
    let Some(command) = command else { return Ok((status(vm, object).await?, false)) };
    worker::console_log!("vmproxy: {}: the operator asks for {command:?}", vm.instance.name);
    object.call(vm, &command).await?;
    Ok((status(vm, object).await?, true))
}

fn command(action: &str) -> Option<Command> {
    let down = |take_down| Some(Command::TakeDown(TakeDownRequest { take_down, wait: false }));
    match action {
        "start" => Some(Command::Wake(Wake { unreachable: None, hold: Hold::No, force: true, client: None })),
        "stop" => down(TakeDown::Stop),
        "suspend" => down(TakeDown::Suspend),
        "delete" => down(TakeDown::Delete),
        _ => None,
    }
}

/// Whether the request carries `ADMIN_TOKEN` as its bearer token.
fn is_admin(request: &Request, env: &Env) -> bool {
    let Some(token) = variable(env, "ADMIN_TOKEN").filter(|token| !token.is_empty()) else { return false };
    bearer(request).is_some_and(|given| equal(&given, &token))
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
            assert_eq!(own_path(path), own, "{path}");
        }
    }
}
