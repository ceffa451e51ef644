//! The next state that a reaction leads to, described by data of its own, so that no state depends
//! on another.

use std::net::IpAddr;

use super::down_kind::DownKind;
use crate::compute::{BringUp, RequestId, TakeDown};
use crate::time::Timestamp;
use crate::vm::{Endpoint, StartKind};

/// The transition that follows a reaction.
#[derive(Debug)]
pub(super) enum Next {
    /// The VM stays in its state.
    Stay,
    /// The VM is brought up.
    Start(Begin),
    /// The VM serves at this endpoint.
    Run(Endpoint),
    /// The VM is taken down.
    Stop(Stop),
    /// The start has failed.
    Fail {
        /// The time since which an instance may be running. `None` means that none runs.
        may_run_since: Option<Timestamp>,
        /// A change whose result is unknown.
        unresolved: Option<(BringUp, RequestId)>,
    },
    /// The VM is down.
    Down(DownKind),
}

/// The beginning of a start.
#[derive(Debug)]
pub(super) struct Begin {
    /// The time since which a request waits for the start.
    pub began: Timestamp,
    /// `true` if an instance may be running.
    pub may_run: bool,
    /// The most likely kind of start.
    pub kind: StartKind,
    /// The address at which the VM served, but no longer responds.
    pub silent: Option<IpAddr>,
    /// A change of an earlier start whose result is unknown.
    pub unresolved: Option<(BringUp, RequestId)>,
}

/// The beginning of a take-down.
#[derive(Debug)]
pub(super) struct Stop {
    pub take_down: TakeDown,
    pub first: First,
    /// The time since which a request waits for the VM to be down and started again.
    pub woken_at: Option<Timestamp>,
    /// A change that was refused because it does not fit the instance's status.
    pub refused: Option<TakeDown>,
}

/// The first step of a take-down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Request the change.
    Change,
    /// Look at the instance: an operation may be in progress on it.
    Check,
    /// Resume the instance: a suspended instance can only be resumed or deleted. See
    /// <https://cloud.google.com/compute/docs/instances/instance-lifecycle>.
    Resume,
}

impl Stop {
    /// Takes the VM down at once.
    pub fn begin(take_down: TakeDown) -> Self {
        Self { take_down, first: First::Change, woken_at: None, refused: None }
    }

    /// Looks at the instance first, and then takes it down if it is up.
    pub fn check_first(take_down: TakeDown) -> Self {
        Self { first: First::Check, ..Self::begin(take_down) }
    }

    /// Returns the same take-down for a VM that a request has waited for since `woken_at`.
    pub fn woken(self, woken_at: Option<Timestamp>) -> Self {
        Self { woken_at, ..self }
    }
}

impl From<Stop> for Next {
    fn from(stop: Stop) -> Self {
        Next::Stop(stop)
    }
}
