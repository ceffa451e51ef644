//! The outputs of the lifecycle.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use crate::compute::Call;
use crate::vm::{ColdStartRecord, Endpoint};

/// An action for the caller to carry out.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make this call, and pass its response as [`Event::Responded`](super::Event::Responded).
    Call(CallId, Call),
    /// Probe the health path at this endpoint, and pass the result as
    /// [`Event::Probed`](super::Event::Probed).
    Probe(Endpoint),
    /// Send a busy check to the VM at this endpoint, and pass the result as
    /// [`Event::BusyChecked`](super::Event::BusyChecked).
    CheckBusy(Endpoint),
    /// End the wait of all held requests.
    Release(Outcome),
    /// End the wait of all requests that wait for the VM to be down. An error means that it cannot
    /// be brought down yet; the lifecycle keeps trying.
    ReleaseDown(Result<(), Failure>),
}

/// The id of a call, unique within one load of the lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId(pub(super) u64);

/// The result of the wait of a held request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The VM serves at this endpoint.
    Ready {
        /// The endpoint.
        endpoint: Endpoint,
        /// The durations of the start that the request waited for. `None` means that the VM was
        /// already running.
        cold_start: Option<ColdStartRecord>,
    },
    /// The VM could not be started.
    Failed(Failure),
}
