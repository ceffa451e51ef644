//! Why there is no access token.

use std::fmt;

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// `GOOGLE_SERVICE_ACCOUNT_KEY` is missing, or is no key file; the text says what is wrong with it.
    Key(String),
    /// The token server refused the assertion.
    Refused {
        /// Where the assertion went.
        token_uri: String,
        /// The HTTP status.
        status: u16,
        /// OAuth's error code and description, as `invalid_grant: Invalid JWT Signature.`
        reason: String,
    },
    /// The token server could not be asked, or gave no usable answer.
    Unavailable {
        /// Where the assertion went.
        token_uri: String,
        /// What happened.
        reason: String,
    },
}

impl AuthError {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, AuthError::Unavailable { .. })
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthError::Key(problem) => write!(f, "GOOGLE_SERVICE_ACCOUNT_KEY {problem}"),
            AuthError::Refused { token_uri, status, reason } => write!(
                f,
                "{token_uri} refused the service account key of GOOGLE_SERVICE_ACCOUNT_KEY ({status} {reason})"
            ),
            AuthError::Unavailable { token_uri, reason } => {
                write!(f, "{token_uri} gave no access token: {reason}")
            }
        }
    }
}

impl std::error::Error for AuthError {}
