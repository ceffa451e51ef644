//! `GET healthz`, `GET vms` and `GET vms/{vm}`: the status of the proxy and of its VMs.

use std::future::ready;

use futures::future::LocalBoxFuture;
use serde_json::json;
use web_sys::Response;

use super::request::AdminRequest;
use crate::durable_object::{GetStatus, ObjectClient};
use crate::pages::{error_details, problem_details};
use crate::platform::join_all;
use crate::platform::response::json_response;
use crate::problem::Problem;

/// Reports that the configuration is valid.
pub(super) fn healthz<'r>(_request: &'r AdminRequest<'r>) -> LocalBoxFuture<'r, Response> {
    Box::pin(ready(json_response(200, &json!({"status": "ok"}))))
}

/// Reports that the configuration is not valid. Only the log has the reason.
pub(crate) fn misconfigured() -> Response {
    json_response(500, &json!({"status": "misconfigured"}))
}

/// Lists the VMs with their statuses.
pub(super) fn list<'r>(AdminRequest { vms, env, .. }: &'r AdminRequest<'r>) -> LocalBoxFuture<'r, Response> {
    Box::pin(async move {
        let object = &ObjectClient::new(env);
        let calls = vms.iter().map(|vm| -> LocalBoxFuture<'_, _> { Box::pin(object.call(vm, GetStatus)) });
        let mut statuses = Vec::with_capacity(vms.len());
        for (vm, status) in vms.iter().zip(join_all(calls.collect()).await) {
            match status {
                Ok(status) => statuses.push(status),
                Err(error) => return error_details(&error, vm),
            }
        }
        json_response(200, &json!({"vms": statuses}))
    })
}

/// Returns the status of a VM.
pub(super) fn show<'r>(request: &'r AdminRequest<'r>) -> LocalBoxFuture<'r, Response> {
    show_as(200, request)
}

/// Returns the status of a VM with an HTTP status.
pub(super) fn show_as<'r>(
    http_status: u16,
    AdminRequest { vm, env, .. }: &'r AdminRequest<'r>,
) -> LocalBoxFuture<'r, Response> {
    Box::pin(async move {
        let Some(vm) = vm else { return no_vm() };
        match ObjectClient::new(env).call(vm, GetStatus).await {
            Ok(status) => json_response(http_status, &status),
            Err(error) => error_details(&error, vm),
        }
    })
}

/// Returns the response of a path without the VM that it needs.
pub(super) fn no_vm() -> Response {
    problem_details(&Problem::not_found("There is nothing here."))
}
