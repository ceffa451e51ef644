//! The exchange of an assertion for an access token.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::AuthError;
use crate::time::Timestamp;

/// A token is replaced this long before it expires, so that none expires on its way.
const REFRESH_BEFORE: Duration = Duration::from_secs(5 * 60);

/// The request that exchanges an assertion (RFC 7523, section 2.1).
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// Where it is posted to.
    pub token_uri: String,
    /// Its body, as `application/x-www-form-urlencoded`.
    pub form: String,
}

impl TokenRequest {
    /// The request that exchanges `assertion` at `token_uri`.
    pub fn new(token_uri: &str, assertion: &str) -> Self {
        // A JWT is base64url and dots: nothing in it needs to be escaped.
        let form =
            format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
        Self { token_uri: token_uri.to_owned(), form }
    }

    /// Reads the answer, which came at `now`.
    ///
    /// # Errors
    /// [`AuthError::Refused`] with OAuth's own error code and description (RFC 6749, section 5.2), or
    /// [`AuthError::Unavailable`].
    pub fn read_answer(&self, status: u16, body: &str, now: Timestamp) -> Result<AccessToken, AuthError> {
        let token_uri = self.token_uri.clone();
        if status == 429 || status >= 500 {
            return Err(AuthError::Unavailable { token_uri, reason: format!("it answered {status}") });
        }
        if !(200..300).contains(&status) {
            return Err(AuthError::Refused { token_uri, status, reason: refusal(body) });
        }
        let Ok(granted) = serde_json::from_str::<Granted>(body) else {
            let reason = "its answer has no access_token and expires_in".to_owned();
            return Err(AuthError::Unavailable { token_uri, reason });
        };
        let lifetime = Duration::from_secs(granted.expires_in).saturating_sub(REFRESH_BEFORE);
        Ok(AccessToken { secret: granted.access_token, refresh_at: now + lifetime })
    }
}

/// An access token: a secret that is shown to Google alone.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    secret: String,
    refresh_at: Timestamp,
}

impl AccessToken {
    /// The value of the `Authorization` header.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.secret)
    }

    /// Whether it can still be used at `now`.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.refresh_at
    }
}

impl fmt::Debug for AccessToken {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("refresh_at", &self.refresh_at).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

fn refusal(body: &str) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
        #[serde(default)]
        error_description: String,
    }
    match serde_json::from_str::<Refusal>(body) {
        Ok(refusal) => format!("{}: {}", refusal.error, refusal.error_description),
        Err(_) => body.chars().take(200).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn request() -> TokenRequest {
        TokenRequest::new("https://oauth2.googleapis.com/token", "h.p.s")
    }

    #[test]
    fn a_token_is_used_until_five_minutes_before_it_expires() {
        let body = r#"{"access_token": "ya29.secret", "expires_in": 3600, "token_type": "Bearer"}"#;
        let token = request().read_answer(200, body, NOW).unwrap();
        assert_eq!(token.bearer(), "Bearer ya29.secret");
        assert!(token.is_fresh(NOW + Duration::from_secs(3299)));
        assert!(!token.is_fresh(NOW + Duration::from_secs(3300)));
        assert!(!format!("{token:?}").contains("secret"));
    }

    #[test]
    fn a_refusal_keeps_oauths_own_words() {
        let body = r#"{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}"#;
        let error = request().read_answer(400, body, NOW).unwrap_err();
        assert!(error.to_string().contains("(400 invalid_grant: Invalid JWT Signature.)"), "{error}");
        assert!(!error.is_transient());
    }

    #[test]
    fn an_outage_of_the_token_server_is_transient() {
        for (status, body) in [(503, ""), (429, ""), (200, "<html>")] {
            assert!(request().read_answer(status, body, NOW).unwrap_err().is_transient(), "{status}");
        }
    }
}
