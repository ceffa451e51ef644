//! `GET wait/{vm}`: the progress of a start, for the waiting page. Wakes nothing, and is no
//! activity.

use futures::future::LocalBoxFuture;
use web_sys::Response;

use super::request::AdminRequest;
use super::status::no_vm;
use crate::durable_object::{ObjectClient, Watch};
use crate::pages::error_details;
use crate::platform::headers::value;

/// Returns the progress as JSON, or as an event stream to clients that accept one.
pub(super) fn watch<'r>(
    AdminRequest { vm, request, env, .. }: &'r AdminRequest<'r>,
) -> LocalBoxFuture<'r, Response> {
    Box::pin(async move {
        let Some(vm) = vm else { return no_vm() };
        let accept = value(&request.headers(), "accept").unwrap_or_default();
        let is_live = request.method() == "GET" && accept.contains("text/event-stream");
        let watch = if is_live { Watch::Live } else { Watch::Once };
        match ObjectClient::new(env).watch(vm, watch).await {
            Ok(response) => response,
            Err(error) => error_details(&error, vm),
        }
    })
}
