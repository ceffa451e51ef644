//! Why there is no access token.

use std::fmt;

use crate::config::ConfigError;

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// A variable or secret is missing, or wrong.
    Config(ConfigError),
    /// A token server refused what it was asked.
    Refused {
        /// Where the request went.
        server: String,
        /// What it was to do or take, as `the service account key of GOOGLE_SERVICE_ACCOUNT_KEY`.
        what: String,
        /// The HTTP status.
        status: u16,
        /// Its own words, as `invalid_grant: Invalid JWT Signature.`
        reason: String,
    },
    /// A token server, or where the key is kept, could not be asked, or gave no usable answer.
    Unavailable {
        /// Where the request went.
        server: String,
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
            AuthError::Config(error) => error.fmt(f),
            AuthError::Refused { server, what, status, reason } => {
                write!(f, "{server} refused {what} ({status} {reason})")
            }
            AuthError::Unavailable { server, reason } => write!(f, "{server} gave no access token: {reason}"),
        }
    }
}

impl std::error::Error for AuthError {}

impl From<ConfigError> for AuthError {
    fn from(error: ConfigError) -> Self {
        AuthError::Config(error)
    }
}
