//! One request to a VM: over a TCP socket to an IP address, or by `fetch()` to a name or through a
//! binding.

mod body;
mod error;
mod fetch;
mod message;
mod probe;
mod read_buffer;
mod socket;
mod stall_timer;
mod websocket;

pub(crate) use error::ForwardError;
pub(crate) use fetch::fetcher_of;
pub(crate) use message::{UpstreamRequest, UpstreamResponse};
pub(crate) use probe::{is_busy, probe};

use crate::platform::fetch::Fetcher;
use crate::vm::Origin;

/// The server of a VM.
pub(crate) struct Upstream<'u> {
    /// The address of the server, and the transport to it.
    pub origin: &'u Origin,
    /// The sender of requests by `fetch()`.
    pub fetcher: &'u Fetcher,
}

impl Upstream<'_> {
    /// Sends a request and waits for the head of the response.
    ///
    /// # Errors
    /// The VM sent no valid response.
    pub async fn send(&self, request: UpstreamRequest<'_>) -> Result<UpstreamResponse, ForwardError> {
        match self.origin {
            &Origin::Socket { ip, port } => socket::send(ip, port, request).await,
            Origin::Fetch { base, .. } => fetch::send(self.fetcher, base, request).await,
        }
    }
}
