//! How a VM breaks the protocol of WebSockets. Pure.

use std::fmt;

/// The longest message that is taken from a VM; the runtime takes as much from clients.
/// See <https://developers.cloudflare.com/workers/platform/limits/#websocket-limits>.
pub(crate) const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// How a VM broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The code to close the connection with (RFC 6455, section 7.4.1).
    pub code: u16,
    /// What was wrong.
    pub reason: String,
}

impl Violation {
    pub fn protocol(reason: impl fmt::Display) -> Self {
        Self { code: 1002, reason: reason.to_string() }
    }

    /// Text that is no UTF-8.
    pub fn not_utf8() -> Self {
        Self { code: 1007, reason: "the text is not UTF-8".to_owned() }
    }

    pub fn too_long() -> Self {
        Self { code: 1009, reason: format!("the message is longer than {MAX_MESSAGE} bytes") }
    }
}
