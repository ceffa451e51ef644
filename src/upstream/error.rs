//! Why a request was not answered by its VM.

use std::fmt;

/// Why a request was not answered by its VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ForwardError {
    /// There was no connection: nothing was sent.
    NotSent(String),
    /// The request was sent, at least in part, and nothing came back.
    NoAnswer(String),
    /// The request was sent, and the VM took too long to answer.
    Late(String),
    /// What came back is no valid answer.
    Invalid(String),
}

impl ForwardError {
    /// Whether the request may be sent again: any request of which nothing was sent, and after that those that
    /// change nothing (RFC 9110, section 9.2.1) and whose body is not used up.
    pub fn may_repeat(&self, method: &str, has_body: bool) -> bool {
        match self {
            ForwardError::NotSent(_) => true,
            ForwardError::NoAnswer(_) => !has_body && matches!(method, "GET" | "HEAD" | "OPTIONS"),
            ForwardError::Late(_) | ForwardError::Invalid(_) => false,
        }
    }
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ForwardError::NotSent(reason)
        | ForwardError::NoAnswer(reason)
        | ForwardError::Late(reason)
        | ForwardError::Invalid(reason)) = self;
        f.write_str(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_do_harm_is_sent_again() {
        let reason = || "r".to_owned();
        for (error, method, has_body, expected) in [
            (ForwardError::NotSent(reason()), "POST", true, true),
            (ForwardError::NoAnswer(reason()), "GET", false, true),
            (ForwardError::NoAnswer(reason()), "HEAD", false, true),
            (ForwardError::NoAnswer(reason()), "OPTIONS", false, true),
            (ForwardError::NoAnswer(reason()), "GET", true, false),
            (ForwardError::NoAnswer(reason()), "POST", false, false),
            (ForwardError::NoAnswer(reason()), "DELETE", false, false),
            (ForwardError::Invalid(reason()), "GET", false, false),
        ] {
            assert_eq!(error.may_repeat(method, has_body), expected, "{error:?} {method} {has_body}");
        }
    }
}
