//! The record of a VM, which the object stores.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::vm_json;
use crate::lifecycle::{Lifecycle, Policy};
use crate::time::Timestamp;
use crate::vm::{StartEstimates, Status, Vm};

/// The record of a VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The configuration.
    #[serde(with = "vm_json")]
    pub vm: Rc<Vm>,
    /// The state.
    pub lifecycle: Lifecycle,
}

impl Record {
    /// Reads a stored record.
    ///
    /// # Errors
    /// The reason why it is not a record of this version.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let Self { vm, lifecycle } = crate::json::from_str(text).map_err(|error| error.to_string())?;
        let lifecycle = lifecycle.restored(Policy::of(&vm));
        Ok(Self { vm, lifecycle })
    }

    /// Returns the record as it is stored.
    ///
    /// # Errors
    /// The serializer's.
    pub fn to_json(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|error| error.to_string())
    }

    /// Returns the VM's status, as the admin API shows it.
    pub fn status(&self) -> Status {
        let Self { vm, lifecycle } = self;
        Status {
            name: vm.instance.name.clone(),
            path: vm.path.clone(),
            state: lifecycle.vm_state(),
            zone: lifecycle.zone().to_owned(),
            public_ip: lifecycle.endpoint().map(|endpoint| endpoint.ip.to_string()),
            since: lifecycle.since().to_rfc3339(),
            last_activity: lifecycle.last_activity().map(Timestamp::to_rfc3339),
            idle_deadline: lifecycle.idle_deadline().map(Timestamp::to_rfc3339),
            error: lifecycle.failure().map(|failure| failure.message.clone()),
            drift: lifecycle.drift().iter().map(ToString::to_string).collect(),
            cold_starts: lifecycle.cold_starts().to_vec(),
            expected: StartEstimates::default(),
        }
    }
}
