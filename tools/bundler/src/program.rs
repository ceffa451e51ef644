//! Runs the other programs of the build.

use std::process::Command;

use anyhow::{bail, Context, Result};

/// Runs a program to its end.
///
/// # Errors
/// It could not be started, or it failed. It has written the reason to standard error.
pub fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start `{name}`"))?;
    if !status.success() {
        bail!("`{name}` failed ({status})");
    }
    Ok(())
}
