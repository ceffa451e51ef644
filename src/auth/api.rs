//! Google's APIs that tokens give access to.

/// An API that an access token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Compute Engine.
    Compute,
    /// IAM Service Account Credentials, which issues tokens of other accounts.
    IamCredentials,
}

impl Api {
    /// Returns the OAuth scope to request: the narrowest that the API's methods accept.
    ///
    /// See
    /// <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>.
    pub fn scope(self) -> &'static str {
        match self {
            Api::Compute => "https://www.googleapis.com/auth/compute",
            Api::IamCredentials => "https://www.googleapis.com/auth/iam",
        }
    }

    /// Returns the audience of self-signed tokens (<https://google.aip.dev/auth/4111>). It names
    /// the API, whatever endpoint the API is reached at.
    pub fn audience(self) -> &'static str {
        match self {
            Api::Compute => "https://compute.googleapis.com/",
            Api::IamCredentials => "https://iamcredentials.googleapis.com/",
        }
    }
}
