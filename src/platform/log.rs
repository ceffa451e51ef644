//! The log.

/// What happened to a VM.
pub(crate) fn log(vm: &str, message: &str) {
    worker::console_log!("vmproxy: {vm}: {message}");
}
