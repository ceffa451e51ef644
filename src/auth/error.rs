//! The error of getting an access token.

use std::fmt;

use crate::config::ConfigError;

/// The reason why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// A variable or secret is missing or invalid.
    Config(ConfigError),
    /// A token server refused the request.
    Refused {
        /// The URL of the request.
        server: String,
        /// The refused subject, such as `the service account key of GOOGLE_SERVICE_ACCOUNT_KEY`.
        what: String,
        /// The HTTP status.
        status: u16,
        /// The server's own message, such as `invalid_grant: Invalid JWT Signature.`
        reason: String,
    },
    /// A token server, or the store of the key, could not be reached or returned no usable
    /// response.
    Unavailable {
        /// The URL of the request.
        server: String,
        /// The reason.
        reason: String,
    },
}

impl AuthError {
    /// Returns whether the same request may succeed later.
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
            AuthError::Unavailable { server, reason } => {
                write!(f, "{server} returned no access token: {reason}")
            }
        }
    }
}

impl std::error::Error for AuthError {}

impl From<ConfigError> for AuthError {
    fn from(error: ConfigError) -> Self {
        AuthError::Config(error)
    }
}
