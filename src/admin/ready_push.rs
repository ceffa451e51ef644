//! `POST /_vmproxy/vms/{vm}/ready`: the VM's own word that it is ready, with the token that it was given for its boot.

use std::rc::Rc;

use web_sys::{Request, Response};
use worker::Env;

use super::auth::{bearer, failed, find, method_not_allowed};
use crate::durable_object::{Command, ObjectClient, Reply};
use crate::lifecycle::ReadyToken;
use crate::platform::response::text_response;
use crate::problem::Problem;
use crate::vm::Vm;

/// The VM whose path this is, if it may say that it is ready.
pub(super) fn pushing_vm<'v>(vms: &'v [Rc<Vm>], path: &str) -> Option<&'v Rc<Vm>> {
    let name = path.strip_prefix("vms/")?.strip_suffix("/ready")?;
    find(vms, name).filter(|vm| vm.ready_push.is_some())
}

pub(super) async fn answer(vm: &Vm, request: &Request, env: &Env) -> Response {
    let method = request.method();
    if method != "POST" {
        return method_not_allowed(&method, "POST");
    }
    // None is as good as a wrong one.
    let Some(token) = bearer(request) else { return forbidden() };
    let command = Command::Ready(ReadyToken::from(token.as_str()));
    match ObjectClient::new(env).call(vm, &command).await {
        Ok(Reply::Done) => text_response(204, &[], None),
        Ok(_) => forbidden(),
        Err(error) => failed(vm, &error),
    }
}

fn forbidden() -> Response {
    let detail = "The token is not that of the VM's present boot.".to_owned();
    Problem { status: 403, title: "Forbidden", detail, retry_after: None }.details()
}
