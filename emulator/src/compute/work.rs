//! The work of accepted operations.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::instance::State;
use super::operation_error::OperationError;
use super::resource::Resource;

/// The work of an operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Work {
    /// The operation's name.
    pub operation: String,
    pub task: Task,
    /// The error with which the operation fails.
    pub failure: Option<OperationError>,
}

/// The change that an operation makes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Task {
    /// Changes an instance, which was in the state `before`.
    Instance { id: u64, before: State, step: Step },
    /// Adds a resource.
    Add(Resource),
    /// Removes the resource at this path.
    Remove(String),
}

/// The change that an operation makes to an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Starts a new machine.
    Create,
    /// Starts an existing machine.
    Start,
    /// Shuts the machine down. The address stays until it is down.
    Stop {
        /// `true` if Compute Engine starts the machine afterwards.
        and_restart: bool,
    },
    Suspend,
    Resume,
    /// Boots again without leaving RUNNING.
    Reset,
    /// Shuts the machine down and removes the instance.
    Delete,
    /// Sets these fields of the definition.
    Edit(Map<String, Value>),
    /// Moves to another host, which the guest does not notice.
    Migrate,
}

impl Step {
    /// Shuts the machine down until somebody starts it.
    pub const STOP: Self = Self::Stop { and_restart: false };

    /// Returns `true` if the step takes hardware that the machine did not have.
    pub fn brings_up(&self) -> bool {
        matches!(self, Self::Create | Self::Start | Self::Resume)
    }
}
