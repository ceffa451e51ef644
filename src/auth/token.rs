//! Access tokens, and the requests for them.

use std::fmt;
use std::time::Duration;

use serde_json::{json, Value};

use super::assertion::LIFETIME;
use super::{sign_assertion, sign_token, Api, AuthError, Impersonation, ServiceAccountKey};
use crate::config::ConfigError;
use crate::time::Timestamp;

/// The time before its expiry at which a token is replaced, so that no token expires in transit.
const REFRESH_BEFORE: Duration = Duration::from_secs(5 * 60);

/// A request for an access token. It contains secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The URL that the request is posted to.
    pub url: String,
    /// The `Content-Type` of the body.
    pub content_type: &'static str,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The body.
    pub body: String,
    /// The subject of a refusal, for the error message.
    what: String,
    /// The project of the account whose key the request is based on.
    project: String,
}

impl TokenRequest {
    /// Returns the request that exchanges an assertion for a token to `api` (RFC 7523, section
    /// 2.1). `now` is the token server's time.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn exchange(key: &ServiceAccountKey, api: Api, now: Timestamp) -> Result<Self, ConfigError> {
        let assertion = sign_assertion(key, api, now)?;
        Ok(Self {
            url: key.token_uri.clone(),
            content_type: "application/x-www-form-urlencoded",
            authorization: None,
            // A JWT consists of base64url and dots: nothing needs to be escaped.
            body: format!(
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
            ),
            what: format!("the service account key of {}", key.secret),
            project: key.project_id.clone(),
        })
    }

    /// Returns the request, made with a token of the key's own account, for a token of another
    /// account.
    ///
    /// See
    /// <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>.
    pub fn impersonate(impersonation: &Impersonation, own: &AccessToken) -> Self {
        let Impersonation { email, endpoint } = impersonation;
        let endpoint = endpoint.trim_end_matches('/');
        let lifetime = format!("{}s", LIFETIME.as_secs());
        Self {
            url: format!("{endpoint}/projects/-/serviceAccounts/{email}:generateAccessToken"),
            content_type: "application/json",
            authorization: Some(own.bearer()),
            body: json!({"scope": [Api::Compute.scope()], "lifetime": lifetime}).to_string(),
            what: format!("to impersonate {email}"),
            project: own.project.clone(),
        }
    }

    /// Reads the response, which arrived at `now`.
    ///
    /// # Errors
    /// Returns [`AuthError::Refused`] with the server's own message, or [`AuthError::Unavailable`].
    pub fn read_response(&self, response: &TokenResponse, now: Timestamp) -> Result<AccessToken, AuthError> {
        let status = response.status;
        if status == 429 || status >= 500 {
            return Err(self.unavailable(format!("status {status}")));
        }
        let body: Value = serde_json::from_str(&response.body).unwrap_or_default();
        if !(200..300).contains(&status) {
            let (server, what) = (self.url.clone(), self.what.clone());
            return Err(AuthError::Refused { server, what, status, reason: refusal(&body) });
        }
        // The token server returns the lifetime (RFC 6749, section 5.1). IAM grants the lifetime
        // that was requested, and returns a time by its own clock, which may differ from this one.
        let secret = body.get("access_token").or(body.get("accessToken")).and_then(Value::as_str);
        let lifetime = match self.authorization {
            None => body.get("expires_in").and_then(Value::as_u64).map(Duration::from_secs),
            Some(_) => Some(LIFETIME),
        };
        match (secret, lifetime) {
            (Some(secret), Some(lifetime)) => {
                Ok(AccessToken::new(secret.to_owned(), &self.project, now, lifetime))
            }
            _ => Err(self.unavailable("the response has no token or no lifetime".to_owned())),
        }
    }

    /// Returns the error that there was no usable response.
    pub fn unavailable(&self, reason: String) -> AuthError {
        AuthError::Unavailable { server: self.url.clone(), reason }
    }
}

impl fmt::Debug for TokenRequest {
    /// Leaves out the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A token server's response. It may contain a token.
pub struct TokenResponse {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The server's time, from the `Date` header.
    pub date: Option<Timestamp>,
}

/// An access token: a secret that is sent only to Google.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    secret: String,
    /// The project of the account whose key the token is based on. The VMs are in this project.
    pub project: String,
    /// `true` if the token is self-signed.
    pub is_self_signed: bool,
    refresh_at: Timestamp,
}

impl AccessToken {
    fn new(secret: String, project: &str, now: Timestamp, lifetime: Duration) -> Self {
        let refresh_at = now + lifetime.saturating_sub(REFRESH_BEFORE);
        Self { secret, project: project.to_owned(), is_self_signed: false, refresh_at }
    }

    /// Returns a token that `key` signs for `api`, without a request to a token server.
    /// `google_now` is the time by Google's clock at `now`.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn self_signed(
        key: &ServiceAccountKey,
        api: Api,
        google_now: Timestamp,
        now: Timestamp,
    ) -> Result<Self, ConfigError> {
        let secret = sign_token(key, api, google_now)?;
        Ok(Self { is_self_signed: true, ..Self::new(secret, &key.project_id, now, LIFETIME) })
    }

    /// Returns the value of the `Authorization` header.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.secret)
    }

    /// Returns whether the token can still be used at `now`.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.refresh_at
    }
}

impl fmt::Debug for AccessToken {
    /// Leaves out the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("project", &self.project)
            .field("refresh_at", &self.refresh_at)
            .finish_non_exhaustive()
    }
}

/// Returns the reason in an error body, in OAuth's form (RFC 6749, section 5.2) or in that of
/// Google's APIs (<https://google.aip.dev/193>).
fn refusal(body: &Value) -> String {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let code = text("/error").or(text("/error/status")).unwrap_or("no reason given");
    match text("/error_description").or(text("/error/message")) {
        Some(message) => format!("{code}: {message}"),
        None => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn request() -> TokenRequest {
        TokenRequest {
            url: "https://oauth2.googleapis.com/token".into(),
            content_type: "application/x-www-form-urlencoded",
            authorization: None,
            body: "assertion=h.p.secret".into(),
            what: "the service account key of GOOGLE_SERVICE_ACCOUNT_KEY".into(),
            project: "p".into(),
        }
    }

    fn impersonation() -> TokenRequest {
        let own = AccessToken::new("own-secret".into(), "p", NOW, LIFETIME);
        let email = "starter@p.iam.gserviceaccount.com".to_owned();
        let endpoint = "https://iamcredentials.googleapis.com/v1/".to_owned();
        TokenRequest::impersonate(&Impersonation { email, endpoint }, &own)
    }

    fn read(request: &TokenRequest, status: u16, body: &str) -> Result<AccessToken, AuthError> {
        request.read_response(&TokenResponse { status, body: body.to_owned(), date: None }, NOW)
    }

    #[test]
    fn a_token_is_used_until_five_minutes_before_it_expires() {
        let body = r#"{"access_token": "ya29.secret", "expires_in": 3600, "token_type": "Bearer"}"#;
        let token = read(&request(), 200, body).unwrap();
        assert_eq!((token.bearer().as_str(), token.project.as_str()), ("Bearer ya29.secret", "p"));
        assert!(token.is_fresh(NOW + Duration::from_secs(3299)));
        assert!(!token.is_fresh(NOW + Duration::from_secs(3300)));
    }

    #[test]
    fn a_token_of_another_account_is_asked_for_with_ones_own() {
        let request = impersonation();
        assert_eq!(
            request.url,
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/\
             starter@p.iam.gserviceaccount.com:generateAccessToken"
        );
        assert_eq!(request.authorization.as_deref(), Some("Bearer own-secret"));
        assert_eq!(
            serde_json::from_str::<Value>(&request.body).unwrap(),
            json!({"scope": ["https://www.googleapis.com/auth/compute"], "lifetime": "3600s"})
        );

        // The token is valid for the requested hour, independent of this clock.
        let body = r#"{"accessToken": "ya29.secret", "expireTime": "2014-10-02T15:01:23Z"}"#;
        let token = read(&request, 200, body).unwrap();
        assert_eq!((token.bearer().as_str(), token.project.as_str()), ("Bearer ya29.secret", "p"));
        assert!(token.is_fresh(NOW + Duration::from_secs(3299)));
        assert!(!token.is_fresh(NOW + Duration::from_secs(3300)));
    }

    #[test]
    fn no_secret_shows_in_the_debug_output() {
        let body = r#"{"access_token": "ya29.secret", "expires_in": 3600}"#;
        let token = read(&request(), 200, body).unwrap();
        for shown in [format!("{token:?}"), format!("{:?}", request()), format!("{:?}", impersonation())] {
            assert!(!shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn a_refusal_keeps_the_servers_own_words() {
        for (request, status, body, expected) in [
            (
                request(),
                400,
                r#"{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}"#,
                "https://oauth2.googleapis.com/token refused the service account key of GOOGLE_SERVICE_ACCOUNT_KEY \
                 (400 invalid_grant: Invalid JWT Signature.)",
            ),
            (
                impersonation(),
                403,
                r#"{"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "Permission denied."}}"#,
                "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/starter@p.iam.gserviceaccount.com\
                 :generateAccessToken refused to impersonate starter@p.iam.gserviceaccount.com \
                 (403 PERMISSION_DENIED: Permission denied.)",
            ),
        ] {
            let error = read(&request, status, body).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(!error.is_transient());
        }
        let error = read(&request(), 403, "<html>assertion=h.p.secret").unwrap_err().to_string();
        assert!(error.ends_with("(403 no reason given)"), "{error}");
    }

    #[test]
    fn an_outage_of_the_token_server_is_transient() {
        for (status, body) in [
            (503, ""),
            (429, ""),
            (200, "<html>"),
            (200, r#"{"access_token": "ya29.secret"}"#),
            (200, r#"{"expires_in": 3600}"#),
        ] {
            let error = read(&request(), status, body).unwrap_err();
            assert!(error.is_transient(), "{status}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
