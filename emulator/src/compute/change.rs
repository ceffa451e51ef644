//! What can be done to an instance that exists, and when.

use serde_json::{Map, Value};

use super::edit::Edit;
use super::instance::{Instance, State};
use crate::error::ApiError;

/// A change of an instance that exists.
#[derive(Debug, Clone)]
pub enum Change {
    Start,
    Stop,
    Suspend,
    Resume,
    Reset,
    Delete,
    Preempt,
    Edit(Edit),
}

/// A change that is to be carried out, now that its operation exists.
#[derive(Debug, Clone)]
pub struct Work {
    pub instance: u64,
    pub task: Task,
    /// The operation's name.
    pub operation: String,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Bring a new instance up.
    Create,
    /// Bring it up again.
    Start,
    /// Shut it down; the address stays until it is down.
    Stop,
    Suspend,
    Resume,
    /// Boot again without leaving RUNNING.
    Reset,
    /// Shut it down and forget it.
    Delete,
    /// Give the definition these fields.
    Edit(Map<String, Value>),
}

impl Change {
    /// The operation's `operationType`.
    pub fn operation_type(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Reset => "reset",
            Self::Delete => "delete",
            Self::Preempt => "compute.instances.preempted",
            Self::Edit(edit) => edit.operation_type(),
        }
    }

    /// What the change means in the instance's state: `None` where there is nothing to do.
    ///
    /// # Errors
    /// The instance does not allow it.
    pub fn task(self, instance: &Instance) -> Result<Option<Task>, ApiError> {
        let refuse = |why: &str| Err(ApiError::bad_state(format!("{why} (instance '{}')", instance.name)));
        match (self, instance.state) {
            (Self::Start, State::Terminated) => Ok(Some(Task::Start)),
            (Self::Start, State::Suspended) => {
                refuse("You cannot start a suspended instance. Resume it with instances.resume.")
            }
            (Self::Start, _) => Ok(None),
            (Self::Stop, State::Terminated) => Ok(None),
            // "SUSPENDED: you can resume the VM or delete it": the life cycle's page.
            (Self::Stop, State::Suspended) => {
                refuse("You cannot stop a suspended instance. Resume or delete it.")
            }
            (Self::Stop, _) => Ok(Some(Task::Stop)),
            (Self::Suspend, State::Running { .. }) => Ok(Some(Task::Suspend)),
            (Self::Suspend, State::Suspended) => refuse("You cannot suspend an already suspended instance."),
            (Self::Suspend, _) => refuse("You cannot suspend an instance that is stopped or terminated."),
            (Self::Resume, State::Suspended) => Ok(Some(Task::Resume)),
            (Self::Resume, _) => refuse("You cannot resume an instance that is not suspended."),
            (Self::Reset, State::Running { .. }) => Ok(Some(Task::Reset)),
            (Self::Reset, _) => refuse("You cannot reset an instance that is not running."),
            (Self::Delete, _)
                if instance.definition.get("deletionProtection") == Some(&Value::Bool(true)) =>
            {
                refuse("Resource cannot be deleted if it's protected against deletion.")
            }
            (Self::Delete, _) => Ok(Some(Task::Delete)),
            (Self::Preempt, State::Running { .. }) if instance.is_deleted_when_terminated() => {
                Ok(Some(Task::Delete))
            }
            (Self::Preempt, State::Running { .. }) => Ok(Some(Task::Stop)),
            (Self::Preempt, _) => refuse("Only a running instance can be preempted."),
            (Self::Edit(edit), _) => edit.fields(instance).map(Task::Edit).map(Some),
        }
    }
}
