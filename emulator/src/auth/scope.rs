//! The OAuth scopes for Compute Engine, and for IAM, which issues tokens of other accounts:
//! <https://developers.google.com/identity/protocols/oauth2/scopes#compute>.

use serde::{Deserialize, Serialize};

const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
const IAM: [&str; 2] = [CLOUD_PLATFORM, "https://www.googleapis.com/auth/iam"];
const FULL: [&str; 2] = [CLOUD_PLATFORM, "https://www.googleapis.com/auth/compute"];
const READ_ONLY: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform.read-only",
    "https://www.googleapis.com/auth/compute.readonly",
];

/// The access that a token gives to Compute Engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// All methods.
    Full,
    /// Methods that change nothing.
    ReadOnly,
}

/// The access that a token gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scopes {
    pub compute: Option<Access>,
    /// `true` if the token may be exchanged for tokens of other accounts.
    pub iam: bool,
}

impl Scopes {
    /// All access.
    pub const ALL: Self = Self { compute: Some(Access::Full), iam: true };

    /// Parses a list of scopes, separated by spaces. `None` means that no scope gives any access.
    pub fn of(scopes: &str) -> Option<Self> {
        let any = |known: [&str; 2]| scopes.split_whitespace().any(|scope| known.contains(&scope));
        let compute = match (any(FULL), any(READ_ONLY)) {
            (true, _) => Some(Access::Full),
            (false, true) => Some(Access::ReadOnly),
            (false, false) => None,
        };
        let iam = any(IAM);
        (compute.is_some() || iam).then_some(Self { compute, iam })
    }
}
