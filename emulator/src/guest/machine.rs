//! The facts about a machine that its server needs.

use crate::compute::instance::Instance;

/// The machine of an instance, as its server sees it.
#[derive(Debug, Clone)]
pub struct Machine {
    pub name: String,
    pub zone: String,
    pub machine_type: String,
    /// The value of `GCE_METADATA_HOST`: the metadata server's host, and the path below which it
    /// is.
    pub metadata_host: String,
}

impl Machine {
    /// Describes the machine of an instance; `endpoint` is the emulator's own.
    pub fn of(instance: &Instance, endpoint: &str) -> Self {
        let host = endpoint.trim_start_matches("http://");
        Self {
            name: instance.name.clone(),
            zone: instance.zone.clone(),
            machine_type: instance.machine_type().to_owned(),
            metadata_host: format!("{host}/emulator/instances/{}", instance.name),
        }
    }
}
