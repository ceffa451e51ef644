//! Google's APIs, as tokens name them.

/// An API that tokens are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Compute Engine.
    Compute,
    /// IAM Service Account Credentials, which gives out tokens of other accounts.
    IamCredentials,
}

impl Api {
    /// The scope that the token server is asked for: the least that the API's methods take, and nothing else.
    ///
    /// See <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>.
    pub fn scope(self) -> &'static str {
        match self {
            Api::Compute => "https://www.googleapis.com/auth/compute",
            Api::IamCredentials => "https://www.googleapis.com/auth/iam",
        }
    }

    /// The audience of self-signed tokens (<https://google.aip.dev/auth/4111>). It names the API, wherever that is
    /// reached.
    pub fn audience(self) -> &'static str {
        match self {
            Api::Compute => "https://compute.googleapis.com/",
            Api::IamCredentials => "https://iamcredentials.googleapis.com/",
        }
    }
}
