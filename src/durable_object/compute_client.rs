//! The calls to the Compute API.

use std::time::Duration;

use futures::lock::Mutex;
use worker::Env;

use super::credentials::{keys, settings, TokenServers};
use crate::auth::{AccessToken, AuthError, Credentials, Settings};
use crate::compute::{Call, CallError, Response, Target};
use crate::config::{ConfigError, DEFAULT_COMPUTE_ENDPOINT};
use crate::platform::env::variable;
use crate::platform::fetch::Fetcher;
use crate::platform::now;
use crate::vm::Instance;

/// Calls the Compute API as the service account. Access tokens never leave it.
pub(super) struct ComputeClient {
    env: Env,
    settings: Result<Settings, ConfigError>,
    /// Locked while a token is fetched: one caller at a time fetches it.
    credentials: Mutex<Credentials>,
}

impl ComputeClient {
    pub fn new(env: Env) -> Self {
        Self { settings: settings(&env), env, credentials: Mutex::default() }
    }

    /// Makes a call. Returns its result, and how much of the time was spent on getting tokens.
    pub async fn call(
        &self,
        instance: &Instance,
        zone: &str,
        call: &Call,
    ) -> (Result<Response, CallError>, Duration) {
        let (token, token_took) = self.timed_token().await;
        let token = match token {
            Ok(token) => token,
            Err(error) => return (Err(CallError::Auth(error)), token_took),
        };
        let response = self.call_with(&token, instance, zone, call).await;
        if !matches!(&response, Err(CallError::Api(error)) if error.status == 401) {
            return (response, token_took);
        }
        // Another token may be accepted.
        self.credentials.lock().await.on_refused(&token, &TokenServers);
        let (token, again) = self.timed_token().await;
        let response = match token {
            Ok(token) => self.call_with(&token, instance, zone, call).await,
            Err(error) => Err(CallError::Auth(error)),
        };
        (response, token_took + again)
    }

    async fn call_with(
        &self,
        token: &AccessToken,
        instance: &Instance,
        zone: &str,
        call: &Call,
    ) -> Result<Response, CallError> {
        let endpoint =
            variable(&self.env, "COMPUTE_ENDPOINT").unwrap_or_else(|| DEFAULT_COMPUTE_ENDPOINT.to_owned());
        let target = Target { endpoint: &endpoint, project: &token.project, zone, instance };
        let request = call.http_request(&target);
        let bearer = token.bearer();
        let mut headers = vec![("authorization", bearer.as_str()), ("user-agent", crate::USER_AGENT)];
        if request.body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        // https://cloud.google.com/docs/quotas/set-quota-project
        if let Ok(Settings { quota_project: Some(project), .. }) = &self.settings {
            headers.push(("x-goog-user-project", project));
        }
        let exchanged = Fetcher::Worker
            .exchange(request.method, &request.url, &headers, request.body.as_deref(), call.timeout())
            .await;
        let response =
            exchanged.map_err(|error| CallError::NoResponse(format!("{}: {error}", call.method_id())))?;
        Response::read(call, instance, response.status, &response.body)
    }

    async fn timed_token(&self) -> (Result<AccessToken, AuthError>, Duration) {
        let began = now();
        let token = self.token().await;
        (token, now().since(began))
    }

    async fn token(&self) -> Result<AccessToken, AuthError> {
        let settings = self.settings.as_ref().map_err(|error| AuthError::Config(error.clone()))?;
        let mut credentials = self.credentials.lock().await;
        match credentials.token(now()) {
            Some(token) => Ok(token.clone()),
            None => credentials.renew(settings, keys(&self.env).await?, &TokenServers).await,
        }
    }
}
