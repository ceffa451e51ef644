//! `POST vms/{vm}/ready`: the VM reports that it is ready, with the token of its boot.

use futures::future::LocalBoxFuture;
use web_sys::Response;

use super::auth::bearer;
use super::request::AdminRequest;
use crate::durable_object::{ObjectClient, ReadyReply};
use crate::lifecycle::ReadyToken;
use crate::pages::{error_details, problem_details};
use crate::platform::response::text_response;
use crate::problem::Problem;

/// Passes the report to the VM's object.
pub(super) fn accept<'r>(
    AdminRequest { vm, request, env, .. }: &'r AdminRequest<'r>,
) -> LocalBoxFuture<'r, Response> {
    Box::pin(async move {
        // No token is treated as a wrong one.
        let (Some(vm), Some(token)) = (vm, bearer(request)) else { return forbidden() };
        match ObjectClient::new(env).call(vm, ReadyToken::from(token.as_str())).await {
            Ok(ReadyReply::Accepted) => text_response(204, &[], None),
            Ok(ReadyReply::Forbidden) => forbidden(),
            Err(error) => error_details(&error, vm),
        }
    })
}

fn forbidden() -> Response {
    let detail = "The token is not that of the VM's present boot.".to_owned();
    problem_details(&Problem { status: 403, title: "Forbidden", detail, retry_after: None })
}
