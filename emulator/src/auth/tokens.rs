//! The token server's grant (RFC 7523) and the tokens that it has issued.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::Json;
use base64::prelude::{Engine, BASE64_URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use super::account::ServiceAccount;
use super::assertion::{self, AssertionError, Audience};
use super::scope::Scopes;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The lifetime that Google reports for its tokens: an hour less one second.
const LIFETIME: Duration = Duration::from_secs(3599);

/// The valid access tokens.
#[derive(Default, Serialize, Deserialize)]
pub struct Tokens(Mutex<HashMap<String, Token>>);

#[derive(Serialize, Deserialize)]
struct Token {
    scopes: Scopes,
    expires: SystemTime,
}

impl Tokens {
    /// Exchanges a signed assertion for an access token. `form` is the request body.
    ///
    /// # Errors
    /// Returns an OAuth error in Google's words.
    pub fn grant(&self, account: &ServiceAccount, form: &[u8], now: SystemTime) -> Result<Value, GrantError> {
        let form: HashMap<_, _> = form_urlencoded::parse(form).into_owned().collect();
        let grant_type = form.get("grant_type").ok_or(GrantError::Missing("grant_type"))?;
        if grant_type != GRANT_TYPE {
            return Err(GrantError::GrantType(grant_type.clone()));
        }
        let token = form.get("assertion").ok_or(GrantError::Missing("assertion"))?;
        let claims = assertion::check(account, token, Audience::TokenServer, now)?;
        let scope = claims.scope.unwrap_or_default();
        if scope.trim().is_empty() {
            return Err(GrantError::NoScope);
        }
        let scopes = Scopes::of(&scope).ok_or(GrantError::Scope)?;
        let access_token = self.issue(scopes, now, LIFETIME);
        Ok(json!({ "access_token": access_token, "expires_in": LIFETIME.as_secs(), "token_type": "Bearer" }))
    }

    /// Returns the access that an `Authorization` header gives. `None` means that it holds no valid
    /// token. `api` is the audience of self-signed tokens.
    pub fn scopes(
        &self,
        account: &ServiceAccount,
        authorization: Option<&str>,
        api: &str,
        now: SystemTime,
    ) -> Option<Scopes> {
        let (scheme, token) = authorization?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        if let Some(known) = self.0.lock().unwrap().get(token) {
            return (now < known.expires).then_some(known.scopes);
        }
        let claims = assertion::check(account, token, Audience::Api(api), now).ok()?;
        match claims.scope {
            Some(scope) => Scopes::of(&scope),
            None => Some(Scopes::ALL),
        }
    }

    /// Issues a token.
    pub fn issue(&self, scopes: Scopes, now: SystemTime, lifetime: Duration) -> String {
        let mut secret = [0; 48];
        SystemRandom::new().fill(&mut secret).expect("the system has randomness");
        let name = format!("ya29.{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
        let mut tokens = self.0.lock().unwrap();
        tokens.retain(|_, token| now < token.expires);
        tokens.insert(name.clone(), Token { scopes, expires: now + lifetime });
        name
    }
}

/// The refusal of a grant: RFC 6749, section 5.2.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// A form field is missing.
    #[error("Required parameter is missing: {0}")]
    Missing(&'static str),
    /// The grant type is another one.
    #[error("Invalid grant_type: {0}")]
    GrantType(String),
    /// The assertion is refused.
    #[error(transparent)]
    Assertion(#[from] AssertionError),
    /// No scope was requested.
    #[error("Empty or missing scope not allowed.")]
    NoScope,
    /// No requested scope is known.
    #[error("Invalid OAuth scope or ID token audience provided.")]
    Scope,
}

impl IntoResponse for GrantError {
    fn into_response(self) -> Response {
        let error = match &self {
            Self::Missing(_) => "invalid_request",
            Self::GrantType(_) => "unsupported_grant_type",
            Self::Assertion(_) => "invalid_grant",
            Self::NoScope | Self::Scope => "invalid_scope",
        };
        let body = json!({ "error": error, "error_description": self.to_string() });
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}
