//! What the Worker says to a VM's object, and what it answers.

use serde::{Deserialize, Serialize};

use super::vm_json;
use crate::compute::TakeDown;
use crate::lifecycle::{Endpoint, Outcome, Progress, ReadyToken};
use crate::time::Timestamp;
use crate::vm::{Status, Vm};

/// A message to the object. It carries the VM's configuration, so that the object always acts on the newest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Message {
    #[serde(with = "vm_json")]
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
    /// Say where the VM serves, if it does, and leave it asleep if not.
    GetEndpoint,
    /// Bring the VM down.
    TakeDown(TakeDownRequest),
    /// Say how the VM is.
    Status,
    /// Say how its start is, once, or as long as it lasts. The answer is not a [`Reply`] but what a visitor is shown.
    Watch(Watch),
    /// Note that the VM says that it is ready.
    Ready(ReadyToken),
}

/// How a VM is woken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wake {
    /// The generation of the endpoint that could not be connected to.
    pub unreachable: Option<u64>,
    /// How long the answer is held while the VM starts.
    pub hold: Hold,
    /// Whether to try although the last start has failed just now.
    pub force: bool,
    /// Who asks, if it is counted how often they do.
    pub client: Option<String>,
}

/// How long the answer to a wake is held while the VM starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hold {
    /// Not at all.
    No,
    /// Till then at most. A message may be sent again, so this is no duration.
    Until(Timestamp),
    /// Until the VM is ready, or the start has failed.
    UntilDone,
}

/// How a VM is brought down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TakeDownRequest {
    pub take_down: TakeDown,
    /// Whether the answer is held until the VM is down.
    pub wait: bool,
}

/// How a start is watched.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Watch {
    /// A look at it, in JSON.
    Once,
    /// A stream of events.
    Live,
}

/// What the object answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// How a wake ended.
    Outcome(Outcome),
    /// It goes on; the sender did not want to wait any longer.
    Pending(Progress),
    /// How the VM is.
    Status(Box<Status>),
    /// Where the VM serves, if it does.
    Endpoint(Option<Endpoint>),
    /// It is done.
    Done,
    /// It is not: the token is not that of the VM's boot.
    Forbidden,
}
