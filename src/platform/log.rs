//! The log: the only place that writes to the console.

#![allow(clippy::disallowed_macros)]

use std::fmt::Display;

use crate::error::Level;

/// Writes a message to the log.
pub(crate) fn log(level: Level, message: &dyn Display) {
    let line = format!("vmproxy: {message}");
    match level {
        Level::Error => worker::console_error!("{line}"),
        Level::Warn => worker::console_warn!("{line}"),
        Level::Info => worker::console_log!("{line}"),
    }
}
