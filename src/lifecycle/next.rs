//! Where a state leads. A state says it in data of its own, so that it knows no other state.

use std::net::IpAddr;

use super::down_kind::DownKind;
use crate::compute::{BringUp, RequestId, TakeDown};
use crate::time::Timestamp;
use crate::vm::{Endpoint, StartKind};

/// What becomes of the VM after a reaction.
#[derive(Debug)]
pub(super) enum Next {
    /// It stays in its state.
    Stay,
    /// It is brought up.
    Start(Begin),
    /// It serves at this endpoint.
    Run(Endpoint),
    /// It is brought down.
    Stop(Stop),
    /// Its start has failed.
    Fail {
        /// Since when something may be running that the start has left.
        may_run_since: Option<Timestamp>,
        /// A change of which it is not known what has become.
        unresolved: Option<(BringUp, RequestId)>,
    },
    /// It is down.
    Down(DownKind),
}

/// How a start begins.
#[derive(Debug)]
pub(super) struct Begin {
    /// Since when a request waits for it.
    pub began: Timestamp,
    /// Whether something is up, as far as is known.
    pub may_run: bool,
    /// How the VM is likely to come up.
    pub kind: StartKind,
    /// The address at which the VM served, and does not any more.
    pub silent: Option<IpAddr>,
    /// A change of an earlier start of which it is not known what has become.
    pub unresolved: Option<(BringUp, RequestId)>,
}

/// How a VM begins to go down.
#[derive(Debug)]
pub(super) struct Stop {
    pub take_down: TakeDown,
    pub first: First,
    /// Since when a request waits for the VM to be down, and then up again.
    pub woken_at: Option<Timestamp>,
    /// A change that was refused as wrong for what is there.
    pub refused: Option<TakeDown>,
}

/// What comes first on the way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// The change itself.
    Change,
    /// A look at the instance: an operation may be at work on it.
    Check,
    /// A resume: a suspended instance can be resumed or deleted, nothing else. See
    /// <https://cloud.google.com/compute/docs/instances/instance-lifecycle>.
    Resume,
}

impl Stop {
    /// Brings the VM down at once.
    pub fn begin(take_down: TakeDown) -> Self {
        Self { take_down, first: First::Change, woken_at: None, refused: None }
    }

    /// Looks at the instance, and brings down what is there.
    pub fn check_first(take_down: TakeDown) -> Self {
        Self { first: First::Check, ..Self::begin(take_down) }
    }

    /// The same for a VM that a request waits for, since `woken_at`.
    pub fn woken(self, woken_at: Option<Timestamp>) -> Self {
        Self { woken_at, ..self }
    }
}

impl From<Stop> for Next {
    fn from(stop: Stop) -> Self {
        Next::Stop(stop)
    }
}
