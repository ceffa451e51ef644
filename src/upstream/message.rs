//! A request to a VM, and the VM's response.

use std::future::Future;
use std::pin::Pin;

use web_sys::{Request, Response};

use crate::http::headers::lines::HeaderLines;
use crate::http::headers::upstream::Client;
use crate::http::url::RequestUrl;
use crate::vm::Vm;

/// A client's request, on its way to a VM.
pub(crate) struct UpstreamRequest<'r> {
    /// The client's request. Its headers and its body are not read yet.
    pub request: &'r Request,
    /// The URL of the client's request.
    pub url: &'r RequestUrl<'r>,
    /// The path and query that the VM gets.
    pub target: String,
    /// The VM.
    pub vm: &'r Vm,
}

impl<'r> UpstreamRequest<'r> {
    /// Returns the client, by the headers of its request.
    pub fn client<'h>(&'h self, headers: &'h HeaderLines) -> Client<'h> {
        Client {
            address: headers.get("cf-connecting-ip"),
            scheme: self.url.scheme,
            host: headers.get("host").unwrap_or(self.url.authority),
            is_trusted: self.vm.trust_forwarded,
        }
    }
}

/// A VM's response, whose body may still be on its way.
pub(crate) struct UpstreamResponse {
    /// The response for the client.
    pub response: Response,
    /// Moves the rest of the bodies, and ends with the exchange. `None` means that nothing is left
    /// to move.
    pub body_task: Option<Pin<Box<dyn Future<Output = ()>>>>,
}
