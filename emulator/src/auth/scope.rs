//! OAuth scopes that reach Compute Engine:
//! <https://developers.google.com/identity/protocols/oauth2/scopes#compute>.

use serde::{Deserialize, Serialize};

const FULL: [&str; 2] =
    ["https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/compute"];
const READ_ONLY: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform.read-only",
    "https://www.googleapis.com/auth/compute.readonly",
];

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Every method.
    Full,
    /// Methods that change nothing.
    ReadOnly,
}

impl Access {
    /// The access that a space-separated list of scopes gives, if it reaches Compute Engine at all.
    pub fn of(scopes: &str) -> Option<Self> {
        let any = |known: [&str; 2]| scopes.split_whitespace().any(|scope| known.contains(&scope));
        match (any(FULL), any(READ_ONLY)) {
            (true, _) => Some(Self::Full),
            (false, true) => Some(Self::ReadOnly),
            (false, false) => None,
        }
    }
}
