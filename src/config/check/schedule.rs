//! The rules for schedules.

use crate::config::ConfigError;
use crate::schedule::Entry;
use crate::vm::Vm;

/// Checks a VM's schedule. `is_zone` reports whether a time zone is in the
/// [IANA database](https://www.iana.org/time-zones), which only the runtime has.
///
/// # Errors
/// Returns the first error; its key is relative to the VM.
pub(crate) fn check_schedule(vm: &Vm, is_zone: fn(&str) -> bool) -> Result<(), ConfigError> {
    let windows = vm.keep_awake.iter().enumerate().map(|entry| ("keep_awake", entry));
    for (key, (index, text)) in windows.chain(vm.wake_at.iter().enumerate().map(|entry| ("wake_at", entry))) {
        let entry = if key == "wake_at" { Entry::wake(text) } else { Entry::window(text) };
        let problem = match entry {
            // The runtime also takes offsets, such as `+01:00`, for time zones.
            Ok(Entry { zone, .. })
                if zone.starts_with(|c: char| c.is_ascii_alphabetic()) && is_zone(zone) =>
            {
                continue
            }
            Ok(Entry { zone, .. }) => {
                format!("{zone:?}: unknown time zone (expected an IANA name such as \"Europe/Berlin\")")
            }
            Err((part, rule)) => format!("{part:?} is not {rule}"),
        };
        return Err(ConfigError::new(format!("{key}[{index}]"), problem));
    }
    Ok(())
}
