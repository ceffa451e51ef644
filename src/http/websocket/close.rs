//! Closing a WebSocket, and relaying one side's close to the other.

use super::violation::Violation;

/// The close of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// With an empty close frame.
    Plain,
    /// With a code and a reason.
    Coded(u16, String),
    /// Without a close frame: the connection was lost.
    Lost,
}

/// "Going away": sent to a VM whose client is lost (RFC 6455, section 7.4.1).
pub(crate) const GOING_AWAY: u16 = 1001;

/// "Bad gateway": sent to a client whose VM is lost, or violates the protocol. See
/// <https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number>.
pub(crate) const BAD_GATEWAY: u16 = 1014;

/// "Try again later": one side reads much less than the other sends.
pub(crate) const OVERLOADED: u16 = 1013;

impl Close {
    /// Converts a close event (RFC 6455, sections 7.1.5 and 7.1.6).
    pub fn from_event(code: u16, reason: String) -> Self {
        match code {
            1005 => Close::Plain,
            1006 => Close::Lost,
            code if is_sendable(code) => Close::Coded(code, reason),
            _ => Close::Lost,
        }
    }

    /// Reads the payload of a close frame (RFC 6455, section 5.5.1).
    pub fn read(payload: &[u8]) -> Result<Self, Violation> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return match payload {
                [] => Ok(Close::Plain),
                _ => Err(Violation { code: 1002, reason: "the close code is only half there".to_owned() }),
            };
        };
        let code = u16::from_be_bytes(*code);
        if !is_sendable(code) {
            return Err(Violation { code: 1002, reason: format!("{code} is not a close code") });
        }
        let reason = std::str::from_utf8(reason).map_err(|_| Violation::not_utf8())?;
        Ok(Close::Coded(code, reason.to_owned()))
    }

    /// Returns the payload of a close frame.
    pub fn payload(&self) -> Vec<u8> {
        match self {
            Close::Plain => Vec::new(),
            Close::Coded(code, reason) => [&code.to_be_bytes(), reason.as_bytes()].concat(),
            Close::Lost => GOING_AWAY.to_be_bytes().to_vec(),
        }
    }

    /// Returns the close with `code` in the place of a lost connection, which cannot be sent.
    pub fn or(self, code: u16) -> Self {
        match self {
            Close::Lost => Close::Coded(code, String::new()),
            close => close,
        }
    }
}

/// Returns whether a close frame may have this code (RFC 6455, section 7.4): 1004 to 1006 and 1015
/// are reserved, and other codes up to 2999 are not registered.
fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_side_says_is_told_to_the_other() {
        for (code, reason, payload) in [
            (1000, "", &b"\x03\xe8"[..]),
            (4000, "why", b"\x0f\xa0why"),
            (1014, "", b"\x03\xf6"),
            (1005, "", b""),
            // A code that cannot be sent becomes "going away".
            (1006, "", b"\x03\xe9"),
            (1004, "", b"\x03\xe9"),
            (1015, "", b"\x03\xe9"),
            (2000, "", b"\x03\xe9"),
        ] {
            let close = Close::from_event(code, reason.to_owned());
            assert_eq!(close.payload(), payload, "{code}");
        }
        assert_eq!(Close::Lost.or(1014), Close::Coded(1014, String::new()));
        assert_eq!(Close::Plain.or(1014), Close::Plain);
    }

    #[test]
    fn only_codes_that_a_close_may_have_are_read() {
        for code in [1000, 1001, 1003, 1007, 1014, 3000, 4999] {
            assert_eq!(Close::read(&u16::to_be_bytes(code)), Ok(Close::Coded(code, String::new())));
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
            assert!(
                Close::read(&u16::to_be_bytes(code)).is_err_and(|violation| violation.code == 1002),
                "{code}"
            );
        }
    }
}
