//! The configuration: `[[vars.VMS]]` of `wrangler.toml`, read and checked as a whole.
//!
//! Every error names the key, the value that was found and what is allowed, so that the log line alone is
//! enough to mend it. `docs/configuration.md` and `schema/` tell the same of each key; a test holds them together.

mod check;
#[cfg(test)]
mod documented;
mod ensure;
mod error;
mod instance;
mod keys;
mod rule;
mod schedule;
#[cfg(test)]
mod tests;
mod value;
mod wake;

pub use check::{check_vm, check_vms};
pub use error::ConfigError;
pub(crate) use schedule::check_schedule;

use serde_json::Value;

use crate::vm::Vm;
use value::Setting;

/// Where the Compute API lives when `COMPUTE_ENDPOINT` is not set.
pub const DEFAULT_COMPUTE_ENDPOINT: &str = "https://compute.googleapis.com/compute/v1";

/// The name of the Durable Object binding that `wrangler.toml` must give to [`VmObject`](crate::VmObject).
pub const OBJECT_BINDING: &str = "VM";

/// Reads the VMs from the JSON of the `VMS` variable and checks them.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse_vms(json: &str) -> Result<Vec<Vm>, ConfigError> {
    let vms: Vec<Vm> = read(json).map_err(|error| error.below("VMS"))?;
    check_vms(&vms)?;
    Ok(vms)
}

/// Reads one VM that has been checked before.
///
/// # Errors
/// It is not as this version of the program writes it.
pub(crate) fn read_vm(json: &str) -> Result<Vm, ConfigError> {
    read(json)
}

/// Writes a VM as [`read_vm`] reads it.
pub(crate) fn write_vm(vm: &Vm) -> String {
    vm.write().to_string()
}

fn read<T: Setting>(json: &str) -> Result<T, ConfigError> {
    let value: Value = serde_json::from_str(json).map_err(|error| {
        // serde_json ends its messages with a place in a JSON text that the user never saw.
        let message = error.to_string();
        let problem = message.split(" at line ").next().unwrap_or_default();
        ConfigError::new("", format!("is not JSON: {problem}"))
    })?;
    T::read(&value)
}
