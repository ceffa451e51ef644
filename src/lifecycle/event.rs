//! What happens to a VM, and what is done about it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::compute::{Answer, Call, CallError, Mutation};
use crate::schedule::Plan;
use crate::time::Timestamp;
use crate::vm::{ColdStartRecord, Endpoint, ReadyToken, Seed};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The machine has been loaded from storage: nothing is under way any more. The event for which it was loaded
    /// follows at once.
    Loaded {
        /// Another one each time.
        seed: Seed,
    },
    /// A request needs the VM. It is answered by an [`Action::Release`], of this call or a later one.
    Wake {
        /// The generation of the endpoint that the request could not connect to.
        unreachable: Option<u64>,
        /// Whether to try although the last start has failed just now.
        insist: bool,
        /// Who asks, if it is counted how often they wake the VM.
        client: Option<String>,
    },
    /// The VM is in use.
    Touch,
    /// What the VM's schedule means now. The event for which it was asked follows at once.
    Planned(Plan),
    /// The operator wants the VM down.
    GoDown(Mutation),
    /// The deadline is reached.
    Tick,
    /// A call was answered.
    Answered {
        /// Which call.
        call: CallId,
        /// The answer.
        result: Result<Answer, CallError>,
        /// How much of the time was spent on getting an access token.
        token_took: Duration,
    },
    /// The VM has been asked whether it is busy.
    Asked {
        /// The generation of the asked endpoint.
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
    /// Somebody says that the VM is ready: the VM itself, if the token is that of its boot.
    SaidReady {
        /// What they know.
        token: ReadyToken,
    },
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make this call and hand in its answer.
    Call(CallId, Call),
    /// Probe the health path at this endpoint and hand in the result.
    Probe(Endpoint),
    /// Ask the VM at this endpoint whether it is busy and hand in the answer.
    AskIfBusy(Endpoint),
    /// Answer every request that is held.
    Release(Outcome),
    /// Answer everybody who waits for the VM to be down: it is, or it cannot be brought down (it is still tried).
    ReleaseDown(Result<(), Failure>),
}

/// Tells the calls of one machine apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId(pub(super) u64);

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// The health path answered 2xx.
    Healthy,
    /// Something took the connection, but did not answer 2xx (in time).
    Unhealthy,
    /// Nothing took the connection (in time).
    Unreachable,
}

/// What a held request is told.
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

/// Why a start failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What happened. For the operator and the log, not for the client.
    pub message: String,
    /// Until then every request is refused in the same way.
    pub retry_at: Timestamp,
}

impl Failure {
    /// What whoever asked for `mutation` is told when a request has called it off.
    pub(super) fn wanted_again(mutation: Mutation, now: Timestamp) -> Self {
        let message = format!("interrupted: the VM is wanted again, before the {}", mutation.verb());
        Self { kind: FailureKind::Interrupted, message, retry_at: now }
    }
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The VM's health path did not answer 2xx within the startup timeout.
    StartupTimeout,
    /// Compute Engine, or the token server, refused.
    Refused,
    /// The instance runs, but the server on it does not answer any more.
    ServerDown,
    /// The VM has been started as often, or has run as long, as the configuration allows.
    OverLimit,
    /// The operator stopped the VM while it was starting.
    Interrupted,
    /// Compute Engine, or the token server, refused to bring the VM down. A start is another matter.
    NotDown,
}
