//! The messages between the Worker and a VM's object.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::vm_json;
use crate::compute::TakeDown;
use crate::lifecycle::{Endpoint, Outcome, Progress, ReadyToken};
use crate::time::Timestamp;
use crate::vm::{Status, Vm};

/// A message to the object. It carries the VM's configuration, because the object may have none of
/// its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The configuration, in the version of the Worker that sends the message.
    #[serde(with = "vm_json")]
    pub vm: Rc<Vm>,
    /// The command.
    pub command: Command,
}

/// A command to the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Have the VM running.
    Wake(Wake),
    /// Note that the VM is in use.
    Touch,
    /// Report the VM's endpoint, and leave the VM down if it is down.
    GetEndpoint,
    /// Bring the VM down.
    TakeDown(TakeDownRequest),
    /// Report the VM's status.
    Status,
    /// Report the progress of its start. The response is no [`Reply`], but what a visitor is shown.
    Watch(Watch),
    /// Note that the VM reports that it is ready.
    Ready(ReadyToken),
}

/// The details of a wake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wake {
    /// The generation of the endpoint that the request could not connect to.
    pub unreachable: Option<u64>,
    /// The time for which the reply is held while the VM starts.
    pub hold: Hold,
    /// `true` to try although the last start has failed just now.
    pub force: bool,
    /// The client, if its wakes are counted.
    pub client: Option<String>,
}

/// The time for which the reply to a wake is held while the VM starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Not at all.
    No,
    /// Until this time at most. A message may be sent again, so this is no duration.
    Until(Timestamp),
    /// Until the VM is ready, or the start has failed.
    UntilDone,
}

/// The details of a take-down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TakeDownRequest {
    /// The way down.
    pub take_down: TakeDown,
    /// `true` to hold the reply until the VM is down.
    pub wait: bool,
}

/// The way to watch a start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// Once, as JSON.
    Once,
    /// As a stream of events, until the start is over.
    Live,
}

/// The object's reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The end of a wake.
    Outcome(Outcome),
    /// The start goes on; the sender did not want to wait any longer.
    Pending(Progress),
    /// The VM's status.
    Status(Box<Status>),
    /// The endpoint of the VM. `None` means that it does not serve.
    Endpoint(Option<Endpoint>),
    /// The command has been carried out.
    Done,
    /// The command has not been carried out: the token is not that of the VM's present boot.
    Forbidden,
}
