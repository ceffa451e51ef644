//! What happens to a VM.

use std::time::Duration;

use super::action::CallId;
use crate::compute::{CallError, Response, TakeDown};
use crate::vm::{ReadyToken, Seed};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The machine has been loaded from storage: nothing is under way any more. The event for which it was loaded
    /// follows at once.
    Loaded {
        /// Another one each time.
        seed: Seed,
    },
    /// A request needs the VM. An [`Action::Release`](super::Action::Release) ends its wait, of this call of
    /// [`handle`](super::Lifecycle::handle) or of a later one.
    Wake {
        /// The generation of the endpoint that the request could not connect to.
        unreachable: Option<u64>,
        /// Whether to try although the last start has failed just now.
        force: bool,
        /// The client, if its wakes are counted.
        client: Option<String>,
    },
    /// The VM is in use.
    Touch,
    /// The operator wants the VM down.
    TakeDown(TakeDown),
    /// The deadline is reached.
    Timer,
    /// A call has ended.
    Responded {
        /// Which call.
        call: CallId,
        /// The response.
        result: Result<Response, CallError>,
        /// How much of the time was spent on getting an access token.
        token_took: Duration,
    },
    /// The VM has been asked whether it is busy.
    BusyChecked {
        /// The generation of the endpoint.
        generation: u64,
        /// Whether it is.
        busy: bool,
    },
    /// A probe of the health path ended.
    Probed {
        /// The generation of the probed endpoint.
        generation: u64,
        /// How it ended.
        result: ProbeResult,
    },
    /// Somebody reports that the VM is ready: the VM itself, if the token is that of its boot.
    ReadyPushed {
        /// The token of the report.
        token: ReadyToken,
    },
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// The health path responded 2xx.
    Healthy,
    /// Something took the connection, but did not respond 2xx (in time).
    Unhealthy,
    /// Nothing took the connection (in time).
    Unreachable,
}
