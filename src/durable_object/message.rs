//! What the Worker says to a VM's object, and what it answers.

use serde::{Deserialize, Serialize};

use super::vm_text;
use crate::compute::Mutation;
use crate::lifecycle::{Endpoint, Outcome};
use crate::vm::{Status, Vm};

/// A message to the object. It carries the VM's configuration, so that the object always acts on the newest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Message {
    #[serde(with = "vm_text")]
    pub vm: Vm,
    pub command: Command,
}

/// What the object shall do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Have the VM running.
    Wake(Wake),
    /// Note that the VM is in use.
    Touch,
    /// Bring the VM down.
    GoDown(GoDown),
    /// Say how the VM is.
    Status,
}

/// How a VM is woken.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wake {
    /// The generation of the endpoint that could not be connected to.
    pub unreachable: Option<u64>,
    /// Whether the answer is held until the VM is ready or has failed.
    pub wait: bool,
    /// Whether to try although the last start has failed just now.
    pub insist: bool,
}

/// How a VM is brought down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct GoDown {
    pub mutation: Mutation,
    /// Whether the answer is held until the VM is down.
    pub wait: bool,
}

/// What the object answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// How a wake ended.
    Outcome(Outcome),
    /// It goes on; the sender did not want to wait.
    Pending,
    /// How the VM is.
    Status(Status),
    /// Where the VM serves, if it does.
    Endpoint(Option<Endpoint>),
    /// It is done.
    Done,
}
