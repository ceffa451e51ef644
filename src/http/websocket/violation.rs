//! Violations of the WebSocket protocol.

use std::fmt;

/// The longest message from a VM; the runtime has the same limit for clients.
/// See <https://developers.cloudflare.com/workers/platform/limits/#websocket-limits>.
pub(crate) const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// A violation of the protocol by the VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The code to close the connection with (RFC 6455, section 7.4.1).
    pub code: u16,
    /// The details, for the log and the close frame.
    pub reason: String,
}

impl Violation {
    pub fn protocol(reason: impl fmt::Display) -> Self {
        Self { code: 1002, reason: reason.to_string() }
    }

    /// Returns the violation for a text that is not UTF-8.
    pub fn not_utf8() -> Self {
        Self { code: 1007, reason: "the text is not UTF-8".to_owned() }
    }

    pub fn too_long() -> Self {
        Self { code: 1009, reason: format!("the message is longer than {MAX_MESSAGE} bytes") }
    }
}
