//! Changes that are to be carried out, now that their operations exist.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::instance::State;
use super::operation_error::OperationError;
use super::resource::Resource;

/// What an operation stands for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Work {
    /// The operation's name.
    pub operation: String,
    pub task: Task,
    /// It is to fail.
    pub failure: Option<OperationError>,
}

/// What is to be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Task {
    /// Something to an instance, which was in this state.
    Instance { id: u64, before: State, step: Step },
    /// There is one more resource.
    Add(Resource),
    /// The resource at this path is gone.
    Remove(String),
}

/// What is to be done to an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Bring a new one up.
    Create,
    /// Bring it up again.
    Start,
    /// Shut it down; the address stays until it is down.
    Stop {
        /// Compute Engine starts it afterwards.
        and_restart: bool,
    },
    Suspend,
    Resume,
    /// Boot again without leaving RUNNING.
    Reset,
    /// Shut it down and forget it.
    Delete,
    /// Give the definition these fields.
    Edit(Map<String, Value>),
    /// Move to another host, which nobody notices.
    Migrate,
}

impl Step {
    /// Shut it down for as long as nobody starts it.
    pub const STOP: Self = Self::Stop { and_restart: false };

    /// Whether the machine takes resources that it did not have.
    pub fn brings_up(&self) -> bool {
        matches!(self, Self::Create | Self::Start | Self::Resume)
    }
}
