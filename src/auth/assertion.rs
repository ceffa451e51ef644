//! The JWTs (RFC 7519) that the service account signs with RS256.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jwt_compact::{AlgorithmExt, Claims, Header, TimeOptions};
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use rsa::RsaPrivateKey;
use serde::Serialize;

use super::rs256::Rs256;
use super::{Api, ServiceAccountKey};
use crate::config::ConfigError;
use crate::time::Timestamp;

/// The lifetime of a JWT: the maximum that Google accepts for an assertion, and the exact value
/// that it requires of a self-signed token.
pub(super) const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Signs an assertion that `key`'s token server exchanges for an access token to `api` (RFC 7523,
/// section 2.1).
///
/// # Errors
/// The private key cannot be read, or its length is not 2048, 3072 or 4096 bits.
pub fn sign_assertion(key: &ServiceAccountKey, api: Api, now: Timestamp) -> Result<String, ConfigError> {
    let scope = Some(api.scope());
    sign(key, Grant { iss: &key.client_email, sub: None, aud: &key.token_uri, scope }, now)
}

/// Signs a token that `api` accepts directly (<https://google.aip.dev/auth/4111>).
///
/// # Errors
/// The same as of [`sign_assertion`].
pub fn sign_token(key: &ServiceAccountKey, api: Api, now: Timestamp) -> Result<String, ConfigError> {
    let email = &key.client_email;
    sign(key, Grant { iss: email, sub: Some(email), aud: api.audience(), scope: None }, now)
}

#[derive(Serialize)]
struct Grant<'a> {
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

fn sign(key: &ServiceAccountKey, grant: Grant<'_>, now: Timestamp) -> Result<String, ConfigError> {
    let private_key = read_private_key(key)?;
    // `iat` is in whole seconds: some verifiers would round a fraction up, into the future.
    let issued_at = i64::try_from(now.as_secs()).ok().and_then(|secs| DateTime::from_timestamp(secs, 0));
    let issued_at: DateTime<Utc> = issued_at.unwrap_or_default();
    let options = TimeOptions::new(chrono::Duration::zero(), move || issued_at);
    let lifetime = chrono::Duration::from_std(LIFETIME).unwrap_or_default();
    let claims = Claims::new(grant).set_duration_and_issuance(&options, lifetime);
    let mut header = Header::empty().with_token_type("JWT");
    if let Some(id) = &key.private_key_id {
        header = header.with_key_id(id);
    }
    Rs256.token(&header, &claims, &private_key).map_err(|error| key.error(format!("could not sign: {error}")))
}

/// Reads a private key in PKCS#8, the form that Google issues, or in PKCS#1.
fn read_private_key(key: &ServiceAccountKey) -> Result<RsaPrivateKey, ConfigError> {
    let pem = &key.private_key;
    let read = if pem.contains("BEGIN RSA PRIVATE KEY") {
        RsaPrivateKey::from_pkcs1_pem(pem).map_err(|error| error.to_string())
    } else {
        RsaPrivateKey::from_pkcs8_pem(pem).map_err(|error| error.to_string())
    };
    let read =
        read.map_err(|error| key.error(format!("has a `private_key` that cannot be read: {error}")))?;
    match read.n().bits() {
        2048 | 3072 | 4096 => Ok(read),
        _ => Err(key.error("has an RSA key of a length other than 2048, 3072 or 4096 bits".to_owned())),
    }
}
