//! The configuration: `[[vars.VMS]]` of `wrangler.toml`, read and checked as a whole.
//!
//! Every error names the key, the value and what is allowed, so that the log line is enough to
//! correct it. `schema/wrangler.schema.json` describes each key once: for editors, for the
//! generated tables of `docs/configuration.md`, and with an example for the tests.
//!
//! # Adding a key
//!
//! 1. `src/vm/`: add the field, with its documentation and its default, to `Vm`, `Instance`,
//!    `WakePolicy`, `AsleepResponse` or `Accelerator`.
//! 2. `src/config/keys.rs`: add the field's name to the same type, in the order of the document. A
//!    new type of value also needs an implementation of `Setting` in `value.rs`.
//! 3. `src/config/check/mod.rs`, `instance.rs` or `wake.rs`: add the rules that the type of the
//!    value does not express; `rules.rs` has the forms of names and addresses.
//! 4. `schema/wrangler.schema.json`: add the property with `description`, type, `default` (or
//!    `x-default`, which describes a default that is no value), `x-allowed`, and in `examples` a
//!    valid value that is not the default. `x-see` links to more.
//! 5. `docs/configuration.md`: add a row to the table of errors with a mistake in the key, and run
//!    `UPDATE_DOCS=1 cargo test --lib config`, which writes the tables of keys.
//! 6. Use the field. A field of `Instance` that Compute Engine receives goes into `src/compute/`,
//!    and into `fullest` in `tests/schema.rs`, which does not compile without it.
//!
//! `cargo test --lib config` fails and names what is missing until steps 2 to 5 are done. A key of
//! a VM touches six files; a key of the instance with a rule of its own touches `tests/schema.rs`
//! too.

mod check;
#[cfg(test)]
mod documented;
mod error;
mod keys;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use check::check_schedule;
pub use check::{check_vm, check_vms};
pub use error::ConfigError;

use serde_json::Value;

use crate::vm::Vm;
use value::Setting;

/// The base URL of the Compute API when `COMPUTE_ENDPOINT` is not set.
pub const DEFAULT_COMPUTE_ENDPOINT: &str = "https://compute.googleapis.com/compute/v1";

/// The name of the Durable Object binding that `wrangler.toml` must give to
/// [`VmObject`](crate::VmObject).
pub const OBJECT_BINDING: &str = "VM";

/// Reads the VMs from the JSON of the `VMS` variable and checks them.
///
/// # Errors
/// Returns the first error.
pub fn parse_vms(json: &str) -> Result<Vec<Vm>, ConfigError> {
    let vms: Vec<Vm> = read(json).map_err(|error| error.nested_in("VMS"))?;
    check_vms(&vms)?;
    Ok(vms)
}

/// Reads one VM that was checked before it was written.
///
/// # Errors
/// The VM was written by an incompatible version of the program.
pub(crate) fn read_vm(json: &str) -> Result<Vm, ConfigError> {
    read(json)
}

/// Writes a VM in the form that [`read_vm`] reads.
pub(crate) fn write_vm(vm: &Vm) -> String {
    vm.write().to_string()
}

fn read<T: Setting>(json: &str) -> Result<T, ConfigError> {
    let value: Value = serde_json::from_str(json).map_err(|error| {
        // serde_json ends its messages with a position in JSON that the user never sees.
        let message = error.to_string();
        let problem = message.split(" at line ").next().unwrap_or_default();
        ConfigError::new("", format!("not valid JSON: {problem}"))
    })?;
    T::read(&value)
}
