//! `POST vms/{vm}/start`, `stop`, `suspend` and `delete`: the operator's actions, which go on after
//! the response.

use futures::future::LocalBoxFuture;
use web_sys::Response;

use super::request::AdminRequest;
use super::status;
use crate::compute::TakeDown;
use crate::durable_object::{Hold, ObjectClient, TakeDownRequest, Wake};
use crate::error::Level;
use crate::pages::error_details;
use crate::platform::log::log;
use crate::proxy::Resolver;

/// An action of the operator.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// Starts the VM, even if the last start has just failed.
    Start,
    /// Takes the VM down. The isolate and the colo forget its endpoint.
    TakeDown(TakeDown),
}

/// Passes an action to the VM's object, and responds with the status, which shows its progress.
pub(super) fn act<'r>(request: &'r AdminRequest<'r>, action: Action) -> LocalBoxFuture<'r, Response> {
    Box::pin(async move {
        let Some(vm) = request.vm else { return status::no_vm() };
        log(Level::Info, &format_args!("{}: the operator requests {action:?}", vm.instance.name));
        let object = ObjectClient::new(request.env);
        let accepted = match action {
            Action::Start => {
                let wake = Wake { unreachable: None, hold: Hold::No, force: true, client: None };
                object.call(vm, wake).await.map(drop)
            }
            Action::TakeDown(take_down) => {
                let accepted = object.call(vm, TakeDownRequest { take_down, wait: false }).await;
                Resolver::new(vm, request.env).invalidate().await;
                accepted.map(drop)
            }
        };
        match accepted {
            Ok(()) => status::show_as(202, request).await,
            Err(error) => error_details(&error, vm),
        }
    })
}
