//! JSON Web Tokens signed by the service account:
//! <https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests>.

use std::time::SystemTime;

use base64::prelude::{Engine, BASE64_URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;
use serde::Deserialize;

use super::account::ServiceAccount;

const GOOGLES_TOKEN_SERVER: &str = "https://oauth2.googleapis.com/token";

/// The largest difference between two clocks, in seconds.
const LEEWAY: i64 = 300;
/// The longest lifetime of an assertion, in seconds.
const LONGEST: i64 = 3600;

/// The claims of an assertion.
#[derive(Debug, Deserialize)]
pub struct Claims {
    iss: String,
    aud: Option<String>,
    iat: i64,
    exp: i64,
    /// The requested scopes, separated by spaces.
    pub scope: Option<String>,
}

/// The refusal of an assertion, in Google's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// The assertion is not three parts of base64url with the required claims.
    #[error("Invalid JWT: {0}")]
    Malformed(&'static str),
    /// The issuer is not the service account.
    #[error("Invalid grant: account not found")]
    UnknownAccount,
    /// The assertion was signed with another key, or was changed.
    #[error("Invalid JWT Signature.")]
    Signature,
    /// The assertion is expired, not yet valid, or valid for too long.
    #[error(
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
         Check your iat and exp values in the JWT claim."
    )]
    Time,
    /// The assertion is meant for another audience.
    #[error("Invalid JWT: Failed audience check. The right audience is {0}")]
    Audience(String),
}

/// The audience that a token must have.
pub enum Audience<'a> {
    /// The token server: RFC 7523, section 3.
    TokenServer,
    /// This API, unless the token has scopes instead of an audience:
    /// <https://google.aip.dev/auth/4111>.
    Api(&'a str),
}

/// Checks a token and returns its claims.
///
/// # Errors
/// Returns the refusal that Google would send.
pub fn check(
    account: &ServiceAccount,
    token: &str,
    audience: Audience,
    now: SystemTime,
) -> Result<Claims, AssertionError> {
    let (message, signature) = token.rsplit_once('.').ok_or(AssertionError::Malformed("Bad format."))?;
    let (header, claims) = message.split_once('.').ok_or(AssertionError::Malformed("Bad format."))?;
    let header: Header = part(header).ok_or(AssertionError::Malformed("Unreadable header."))?;
    let claims: Claims =
        part(claims).ok_or(AssertionError::Malformed("Unreadable claims: iss, iat and exp are needed."))?;
    if header.alg != "RS256" {
        return Err(AssertionError::Malformed("Only RS256 is supported."));
    }
    if claims.iss != account.email {
        return Err(AssertionError::UnknownAccount);
    }
    let known_key = header.kid.is_none_or(|kid| kid == account.key.id);
    if !known_key || !account.verifies(message, signature) {
        return Err(AssertionError::Signature);
    }
    claims.check_time(now)?;
    claims.check_audience(account, audience)?;
    Ok(claims)
}

impl Claims {
    fn check_time(&self, now: SystemTime) -> Result<(), AssertionError> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs().cast_signed());
        let lifetime = self.exp.saturating_sub(self.iat);
        let in_time = self.iat <= now + LEEWAY && self.exp >= now - LEEWAY;
        match in_time && (1..=LONGEST).contains(&lifetime) {
            true => Ok(()),
            false => Err(AssertionError::Time),
        }
    }

    fn check_audience(&self, account: &ServiceAccount, audience: Audience) -> Result<(), AssertionError> {
        let (right, excused) = match audience {
            // Google's own client libraries name Google's token server, whatever the key file
            // contains.
            Audience::TokenServer => {
                (account.token_uri.as_str(), self.aud.as_deref() == Some(GOOGLES_TOKEN_SERVER))
            }
            Audience::Api(api) => (api, self.aud.is_none() && self.scope.is_some()),
        };
        match excused || self.aud.as_deref() == Some(right) {
            true => Ok(()),
            false => Err(AssertionError::Audience(right.to_owned())),
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    serde_json::from_slice(&json).ok()
}
