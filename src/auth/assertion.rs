//! The assertion: a JWT that the service account signs.

use chrono::{DateTime, Duration, Utc};
use jwt_compact::alg::{Rsa, StrongAlg, StrongKey};
use jwt_compact::{AlgorithmExt, Claims, Header, TimeOptions};
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::RsaPrivateKey;
use serde::Serialize;

use super::{AuthError, ServiceAccountKey};
use crate::time::Timestamp;

/// The scope that is asked for: all of Compute Engine, and nothing else.
pub const SCOPE: &str = "https://www.googleapis.com/auth/compute";

/// How long an assertion is good for: the most that Google takes.
const LIFETIME: Duration = Duration::hours(1);

/// Signs an assertion that `key`'s token server exchanges for an access token (RFC 7523, section 2.1).
///
/// # Errors
/// [`AuthError::Key`] if the private key cannot be read, or is shorter than 2048 bits.
pub fn sign_assertion(key: &ServiceAccountKey, now: Timestamp) -> Result<String, AuthError> {
    let private_key = read_private_key(&key.private_key)?;
    // `iat` is in whole seconds; a fraction would be rounded into the future by some readers.
    let issued_at = i64::try_from(now.as_secs()).ok().and_then(|secs| DateTime::from_timestamp(secs, 0));
    let issued_at: DateTime<Utc> = issued_at.unwrap_or_default();
    let options = TimeOptions::new(Duration::zero(), move || issued_at);
    let grant = Grant { iss: &key.client_email, aud: &key.token_uri, scope: SCOPE };
    let claims = Claims::new(grant).set_duration_and_issuance(&options, LIFETIME);
    let mut header = Header::empty().with_token_type("JWT");
    if let Some(id) = &key.private_key_id {
        header = header.with_key_id(id);
    }
    StrongAlg(Rsa::rs256())
        .token(&header, &claims, &private_key)
        .map_err(|error| AuthError::Key(format!("could not sign: {error}")))
}

#[derive(Serialize)]
struct Grant<'a> {
    iss: &'a str,
    aud: &'a str,
    scope: &'a str,
}

/// PKCS#8, as Google writes it, or PKCS#1.
fn read_private_key(pem: &str) -> Result<StrongKey<RsaPrivateKey>, AuthError> {
    let key = if pem.contains("BEGIN RSA PRIVATE KEY") {
        RsaPrivateKey::from_pkcs1_pem(pem).map_err(|error| error.to_string())
    } else {
        RsaPrivateKey::from_pkcs8_pem(pem).map_err(|error| error.to_string())
    };
    let key =
        key.map_err(|error| AuthError::Key(format!("has a `private_key` that cannot be read: {error}")))?;
    StrongKey::try_from(key).map_err(|_| {
        AuthError::Key("has an RSA key of a length other than 2048, 3072 or 4096 bits".to_owned())
    })
}
