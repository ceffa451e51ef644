//! What the lifecycle wants done.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use crate::compute::Call;
use crate::vm::{ColdStartRecord, Endpoint};

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make this call and hand in its response.
    Call(CallId, Call),
    /// Probe the health path at this endpoint and hand in the result.
    Probe(Endpoint),
    /// Ask the VM at this endpoint whether it is busy and hand in the response.
    CheckBusy(Endpoint),
    /// Respond to every request that is held.
    Release(Outcome),
    /// Respond to everybody who waits for the VM to be down: it is, or it cannot be brought down (it is still tried).
    ReleaseDown(Result<(), Failure>),
}

/// Tells the calls of one machine apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId(pub(super) u64);

/// The end of the wait of a held request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The VM serves at this endpoint.
    Ready {
        /// Where.
        endpoint: Endpoint,
        /// How long the start took that the request waited for.
        cold_start: Option<ColdStartRecord>,
    },
    /// The VM could not be started.
    Failed(Failure),
}
