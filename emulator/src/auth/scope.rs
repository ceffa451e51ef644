//! OAuth scopes that reach Compute Engine, and IAM, which gives out tokens of other accounts:
//! <https://developers.google.com/identity/protocols/oauth2/scopes#compute>.

use serde::{Deserialize, Serialize};

const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
const IAM: [&str; 2] = [CLOUD_PLATFORM, "https://www.googleapis.com/auth/iam"];
const FULL: [&str; 2] = [CLOUD_PLATFORM, "https://www.googleapis.com/auth/compute"];
const READ_ONLY: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform.read-only",
    "https://www.googleapis.com/auth/compute.readonly",
];

/// What a token allows of Compute Engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Every method.
    Full,
    /// Methods that change nothing.
    ReadOnly,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scopes {
    pub compute: Option<Access>,
    /// To get tokens of other accounts.
    pub iam: bool,
}

impl Scopes {
    /// All there are.
    pub const ALL: Self = Self { compute: Some(Access::Full), iam: true };

    /// What a list of scopes, separated by spaces, allows, if that is anything.
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
