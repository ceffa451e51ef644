//! The changes of an existing instance, and the states that allow them.

use std::borrow::Cow;

use serde_json::Value;

use super::edit::Edit;
use super::instance::{Instance, State};
use super::work::Step;
use crate::error::ApiError;

/// A change of an existing instance.
#[derive(Debug, Clone)]
pub enum Change {
    Start,
    Stop,
    Suspend,
    Resume,
    Reset,
    Delete,
    Edit(Edit),
    /// Compute Engine takes back a Spot VM.
    Preempt,
    /// The guest powers its machine off.
    GuestTerminate,
    /// The host is maintained, and the instance moves to another one.
    Migrate,
    /// The host is maintained, and the instance is stopped.
    HostMaintenance,
    /// Compute Engine starts an instance that it has stopped.
    AutomaticRestart,
}

impl Change {
    /// Returns the change that the maintenance of an instance's host causes:
    /// <https://cloud.google.com/compute/docs/instances/host-maintenance-overview>.
    pub fn for_host_maintenance(instance: &Instance) -> Self {
        if instance.migrates() {
            Self::Migrate
        } else {
            Self::HostMaintenance
        }
    }

    /// Returns the operation's `operationType`.
    pub fn operation_type(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Reset => "reset",
            Self::Delete => "delete",
            Self::Edit(edit) => edit.operation_type(),
            Self::Preempt => "compute.instances.preempted",
            Self::GuestTerminate => "compute.instances.guestTerminate",
            Self::Migrate => "compute.instances.migrateOnHostMaintenance",
            Self::HostMaintenance => "compute.instances.terminateOnHostMaintenance",
            Self::AutomaticRestart => "compute.instances.automaticRestart",
        })
    }

    /// Returns the step that makes the change in the instance's state. `None` means that there is
    /// nothing to do.
    ///
    /// # Errors
    /// Returns an error if the instance's state or its options do not allow the change.
    pub fn step(self, instance: &Instance) -> Result<Option<Step>, ApiError> {
        let refuse = |why: &str| Err(ApiError::bad_state(format!("{why} (instance '{}')", instance.name)));
        match (self, instance.state) {
            (Self::Start | Self::AutomaticRestart, State::Terminated) => Ok(Some(Step::Start)),
            (Self::Start, State::Suspended) => {
                refuse("You cannot start a suspended instance. Resume it with instances.resume.")
            }
            (Self::Start | Self::AutomaticRestart, _) => Ok(None),
            (Self::Stop, State::Terminated) => Ok(None),
            // "SUSPENDED: you can resume the VM or delete it": the page on the life cycle.
            (Self::Stop, State::Suspended) => {
                refuse("You cannot stop a suspended instance. Resume or delete it.")
            }
            (Self::Stop, _) => Ok(Some(Step::STOP)),
            (Self::Suspend, State::Running { .. }) => Ok(Some(Step::Suspend)),
            (Self::Suspend, State::Suspended) => refuse("You cannot suspend an already suspended instance."),
            (Self::Suspend, _) => refuse("You cannot suspend an instance that is stopped or terminated."),
            (Self::Resume, State::Suspended) => Ok(Some(Step::Resume)),
            (Self::Resume, _) => refuse("You cannot resume an instance that is not suspended."),
            (Self::Reset, State::Running { .. }) => Ok(Some(Step::Reset)),
            (Self::Reset, _) => refuse("You cannot reset an instance that is not running."),
            (Self::Delete, _)
                if instance.definition.get("deletionProtection") == Some(&Value::Bool(true)) =>
            {
                refuse("Resource cannot be deleted if it's protected against deletion.")
            }
            (Self::Delete, _) => Ok(Some(Step::Delete)),
            (Self::Preempt, State::Running { .. }) if instance.is_deleted_when_terminated() => {
                Ok(Some(Step::Delete))
            }
            (Self::Preempt | Self::GuestTerminate, State::Running { .. }) => Ok(Some(Step::STOP)),
            (Self::Preempt, _) => refuse("Only a running instance can be preempted."),
            (Self::GuestTerminate, _) => refuse("Only a running instance can power itself off."),
            (Self::Migrate, State::Running { .. }) => Ok(Some(Step::Migrate)),
            (Self::HostMaintenance, State::Running { .. }) => {
                Ok(Some(Step::Stop { and_restart: instance.restarts_automatically() }))
            }
            (Self::Migrate | Self::HostMaintenance, _) => {
                refuse("Only a running instance has a host to maintain.")
            }
            (Self::Edit(edit), _) => edit.fields(instance).map(Step::Edit).map(Some),
        }
    }
}
