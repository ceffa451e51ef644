//! The inputs of the lifecycle.

use std::time::Duration;

use super::action::CallId;
use crate::compute::{CallError, Response, TakeDown};
use crate::vm::ReadyToken;

/// An event that the lifecycle handles.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A request needs the VM. An [`Action::Release`](super::Action::Release), returned by this
    /// call of [`handle`](super::Lifecycle::handle) or by a later one, ends its wait.
    Wake {
        /// The generation of the endpoint that the request could not connect to, if any.
        unreachable: Option<u64>,
        /// `true` if the VM is started even if the last start failed recently.
        force: bool,
        /// The client. `None` means that its wakes are not counted.
        client: Option<String>,
    },
    /// The VM is in use.
    Touch,
    /// The operator takes the VM down.
    TakeDown(TakeDown),
    /// The deadline has been reached.
    Timer,
    /// A call has ended.
    Responded {
        /// The call's id.
        call: CallId,
        /// The response.
        result: Result<Response, CallError>,
        /// The part of the time that was spent on getting an access token.
        token_took: Duration,
    },
    /// A busy check has ended.
    BusyChecked {
        /// The generation of the endpoint.
        generation: u64,
        /// `true` if the VM is busy.
        busy: bool,
    },
    /// A probe of the health path ended.
    Probed {
        /// The generation of the probed endpoint.
        generation: u64,
        /// The result.
        result: ProbeResult,
    },
    /// A ready push has arrived. It is from the VM only if the token is that of its boot.
    ReadyPushed {
        /// The token of the report.
        token: ReadyToken,
    },
}

/// The result of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// The health path responded with 2xx.
    Healthy,
    /// A server accepted the connection, but did not respond with 2xx (in time).
    Unhealthy,
    /// No server accepted the connection (in time).
    Unreachable,
}
