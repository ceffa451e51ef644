//! The service account keys, and the requests to the token servers.

use std::time::Duration;

use worker::Env;

use crate::auth::{AuthError, Keys, Settings, TokenRequest, TokenResponse, TokenTransport, KEY, NEXT_KEY};
use crate::config::ConfigError;
use crate::error::Level;
use crate::platform::env::{secret, variable, Secret};
use crate::platform::fetch::Fetcher;
use crate::platform::log::log;
use crate::platform::now;
use crate::time::Timestamp;

const TOKEN_TIMEOUT: Duration = Duration::from_secs(15);

/// Checks the variables and secrets for the Worker's authentication. A secret in a Secrets Store is
/// not read: every new isolate would have to fetch it, and only the VM's object needs it.
///
/// # Errors
/// A variable or a secret is not correct.
pub(crate) fn check_credentials(env: &Env) -> Result<(), ConfigError> {
    settings(env)?;
    match (secret(env, KEY), secret(env, NEXT_KEY)) {
        (Some(Secret::Stored(_)), _) | (_, Some(Secret::Stored(_))) => Ok(()),
        (key, next) => Keys::parse(own(&key), own(&next)).map(drop),
    }
}

/// Returns the settings of the authentication.
pub(super) fn settings(env: &Env) -> Result<Settings, ConfigError> {
    Settings::read(&|name| variable(env, name))
}

/// Returns the present keys. Those in a Secrets Store may change while the object lives.
pub(super) async fn keys(env: &Env) -> Result<Keys, AuthError> {
    let (key, next) = (read(env, KEY).await?, read(env, NEXT_KEY).await?);
    Ok(Keys::parse(key.as_deref(), next.as_deref())?)
}

async fn read(env: &Env, name: &str) -> Result<Option<String>, AuthError> {
    let Some(secret) = secret(env, name) else { return Ok(None) };
    match secret.read().await {
        Ok(text) => Ok(Some(text)),
        Err(reason) => Err(AuthError::Unavailable { server: format!("the Secrets Store of {name}"), reason }),
    }
}

fn own(secret: &Option<Secret>) -> Option<&str> {
    match secret {
        Some(Secret::Own(text)) => Some(text),
        _ => None,
    }
}

/// The transport to the token servers.
pub(super) struct TokenServers;

impl TokenTransport for TokenServers {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn post(&self, request: &TokenRequest) -> Result<TokenResponse, String> {
        let mut headers = vec![("content-type", request.content_type), ("user-agent", crate::USER_AGENT)];
        if let Some(authorization) = &request.authorization {
            headers.push(("authorization", authorization));
        }
        let body = Some(request.body.as_str());
        let response = Fetcher::Worker.exchange("POST", &request.url, &headers, body, TOKEN_TIMEOUT).await?;
        Ok(TokenResponse { status: response.status, date: response.date(), body: response.body })
    }

    fn log(&self, message: &str) {
        log(Level::Warn, &message);
    }
}
