//! The changes that bring an instance up or down.

use serde::{Deserialize, Serialize};

use super::resource::Provisioning;
use crate::vm::{Instance, StartKind};

/// A change that brings the VM up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BringUp {
    /// Create the instance as configured.
    Insert,
    /// Create the instance as a standard VM, although a Spot VM is configured.
    InsertStandard,
    /// Start the instance, whose status is `TERMINATED`.
    Start,
    /// Resume the instance, whose status is `SUSPENDED`.
    Resume,
}

/// A change that brings the VM down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakeDown {
    /// Stop the instance.
    Stop,
    /// Suspend the instance.
    Suspend,
    /// Delete the instance, with the disks that are marked for automatic deletion.
    Delete,
}

/// A change of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A change that brings the VM up.
    Up(BringUp),
    /// A change that brings the VM down.
    Down(TakeDown),
}

impl BringUp {
    /// Returns the last part of the method's name, such as `insert`.
    pub fn verb(self) -> &'static str {
        Change::Up(self).verb()
    }

    /// Returns whether the change creates the instance.
    pub fn is_insert(self) -> bool {
        matches!(self, BringUp::Insert | BringUp::InsertStandard)
    }

    /// Returns the kind of start that the change leads to.
    pub(crate) fn start_kind(self) -> StartKind {
        match self {
            BringUp::Insert | BringUp::InsertStandard => StartKind::Create,
            BringUp::Start => StartKind::Start,
            BringUp::Resume => StartKind::Resume,
        }
    }

    /// Returns the provisioning model of the instance to create.
    pub(super) fn provisioning(self, instance: &Instance) -> Provisioning {
        if self == BringUp::InsertStandard || instance.not_preemptible {
            Provisioning::Standard
        } else {
            Provisioning::Spot
        }
    }
}

impl TakeDown {
    /// Returns the last part of the method's name, such as `stop`.
    pub fn verb(self) -> &'static str {
        Change::Down(self).verb()
    }
}

impl Change {
    /// Returns the last part of the method's name, such as `insert`.
    pub fn verb(self) -> &'static str {
        let id = self.method_id();
        id.strip_prefix("instances.").unwrap_or(id)
    }

    /// Returns the method's name in the API.
    pub(super) fn method_id(self) -> &'static str {
        match self {
            Change::Up(BringUp::Insert | BringUp::InsertStandard) => "instances.insert",
            Change::Up(BringUp::Start) => "instances.start",
            Change::Up(BringUp::Resume) => "instances.resume",
            Change::Down(TakeDown::Stop) => "instances.stop",
            Change::Down(TakeDown::Suspend) => "instances.suspend",
            Change::Down(TakeDown::Delete) => "instances.delete",
        }
    }
}

impl From<BringUp> for Change {
    fn from(bring_up: BringUp) -> Self {
        Change::Up(bring_up)
    }
}

impl From<TakeDown> for Change {
    fn from(take_down: TakeDown) -> Self {
        Change::Down(take_down)
    }
}
