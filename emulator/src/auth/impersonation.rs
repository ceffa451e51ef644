//! Tokens of another service account, by IAM Service Account Credentials:
//! <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>.

use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{json, Value};

use super::account::ServiceAccount;
use super::scope::Scopes;
use super::tokens::Tokens;
use crate::clock::utc;
use crate::error::ApiError;

/// The audience of self-signed tokens for this API.
const API: &str = "https://iamcredentials.googleapis.com/";
/// The longest lifetime of a token, which is also the default.
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default)]
    delegates: Vec<String>,
    #[serde(default)]
    scope: Vec<String>,
    lifetime: Option<String>,
}

/// Issues a token of the account `email` to a caller that may impersonate it.
///
/// # Errors
/// Returns the error that Google would send.
pub fn generate_access_token(
    tokens: &Tokens,
    account: &ServiceAccount,
    authorization: Option<&str>,
    email: &str,
    body: &[u8],
    now: SystemTime,
) -> Result<Value, ApiError> {
    let scopes = tokens.scopes(account, authorization, API, now).ok_or_else(ApiError::unauthenticated)?;
    if !scopes.iam {
        return Err(ApiError::insufficient_scopes());
    }
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("Invalid JSON payload received. {error}")))?;
    if !request.delegates.is_empty() {
        return Err(ApiError::not_implemented("delegates"));
    }
    // Only a caller with the permission may learn whether the account exists.
    if email != account.impersonated {
        let message =
            "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";
        let denied = ApiError::new(StatusCode::FORBIDDEN, "forbidden", message);
        return Err(denied.with_status(Some("PERMISSION_DENIED".into())));
    }
    if request.scope.is_empty() {
        return Err(invalid("At least one scope is required."));
    }
    let scopes = Scopes::of(&request.scope.join(" ")).ok_or_else(|| invalid("Invalid scope."))?;
    let lifetime = match request.lifetime.as_deref() {
        None => LONGEST,
        Some(text) => seconds(text).ok_or_else(|| invalid(format!("Invalid lifetime {text}.")))?,
    };
    let access_token = tokens.issue(scopes, now, lifetime);
    Ok(json!({ "accessToken": access_token, "expireTime": utc(now + lifetime) }))
}

/// Parses a duration such as `3600s`.
fn seconds(text: &str) -> Option<Duration> {
    let lifetime = Duration::from_secs(text.strip_suffix('s')?.parse().ok()?);
    (!lifetime.is_zero() && lifetime <= LONGEST).then_some(lifetime)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::invalid_argument("", message)
}
