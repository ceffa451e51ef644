//! What is allowed in a schedule.

use super::ConfigError;
use crate::schedule::Entry;
use crate::vm::Vm;

/// Checks a VM's schedule. Which time zones there are is known to the runtime alone.
///
/// # Errors
/// The first thing that is wrong; keys are relative to the VM.
pub(crate) fn check_schedule(vm: &Vm, is_zone: fn(&str) -> bool) -> Result<(), ConfigError> {
    let windows = vm.keep_awake.iter().enumerate().map(|entry| ("keep_awake", entry));
    for (key, (index, text)) in windows.chain(vm.wake_at.iter().enumerate().map(|entry| ("wake_at", entry))) {
        let entry = if key == "wake_at" { Entry::wake(text) } else { Entry::window(text) };
        let (part, rule) = match entry {
            Ok(entry) if is_zone(entry.zone) => continue,
            Ok(entry) => (entry.zone, "a time zone that there is, as \"Europe/Berlin\" or \"UTC\""),
            Err(mistake) => mistake,
        };
        return Err(ConfigError::new(format!("{key}[{index}]"), format!("{part:?} is not {rule}")));
    }
    Ok(())
}
