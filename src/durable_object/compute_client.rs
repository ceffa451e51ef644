//! Making the calls that the lifecycle asks for.

use std::cell::RefCell;
use std::time::Duration;

use futures::lock::Mutex;
use worker::Env;

use crate::auth::{sign_assertion, AccessToken, AuthError, ServiceAccountKey, TokenRequest};
use crate::compute::{Answer, Call, CallError, Target};
use crate::config::DEFAULT_COMPUTE_ENDPOINT;
use crate::platform::env::variable;
use crate::platform::fetch::Fetcher;
use crate::platform::now;
use crate::vm::Instance;

const TOKEN_TIMEOUT: Duration = Duration::from_secs(15);

/// Calls the Compute API as the service account. Access tokens never leave it.
pub(super) struct ComputeClient {
    env: Env,
    /// Locked while a token is fetched, so that one caller at a time does.
    token: Mutex<Option<AccessToken>>,
    key: RefCell<Option<ServiceAccountKey>>,
}

impl ComputeClient {
    pub fn new(env: Env) -> Self {
        Self { env, token: Mutex::new(None), key: RefCell::new(None) }
    }

    /// Makes a call; also says how much of the time went into getting tokens.
    pub async fn call(
        &self,
        instance: &Instance,
        zone: &str,
        call: &Call,
    ) -> (Result<Answer, CallError>, Duration) {
        let (answer, token_took) = self.call_once(instance, zone, call).await;
        if !matches!(&answer, Err(CallError::Api(error)) if error.status == 401) {
            return (answer, token_took);
        }
        // The token has been revoked before its time. A new one may do.
        *self.token.lock().await = None;
        let (answer, again) = self.call_once(instance, zone, call).await;
        (answer, token_took + again)
    }

    async fn call_once(
        &self,
        instance: &Instance,
        zone: &str,
        call: &Call,
    ) -> (Result<Answer, CallError>, Duration) {
        let began = now();
        let token = self.token().await;
        let token_took = now().since(began);
        match token {
            Ok(token) => (self.call_with(&token, instance, zone, call).await, token_took),
            Err(error) => (Err(CallError::Auth(error)), token_took),
        }
    }

    async fn call_with(
        &self,
        token: &AccessToken,
        instance: &Instance,
        zone: &str,
        call: &Call,
    ) -> Result<Answer, CallError> {
        let key = self.key().map_err(CallError::Auth)?;
        let endpoint =
            variable(&self.env, "COMPUTE_ENDPOINT").unwrap_or_else(|| DEFAULT_COMPUTE_ENDPOINT.to_owned());
        let target = Target { endpoint: &endpoint, project: &key.project_id, zone, instance };
        let request = call.http_request(&target);
        let bearer = token.bearer();
        let mut headers = vec![("authorization", bearer.as_str()), ("user-agent", crate::USER_AGENT)];
        if request.body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let answered = Fetcher::Worker
            .exchange(request.method, &request.url, &headers, request.body.as_deref(), call.timeout())
            .await;
        let (status, body) =
            answered.map_err(|error| CallError::Unanswered(format!("{}: {error}", call.method_id())))?;
        Answer::read(call, instance, status, &body)
    }

    async fn token(&self) -> Result<AccessToken, AuthError> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.is_fresh(now())) {
            return Ok(token.clone());
        }
        let key = self.key()?;
        let assertion = sign_assertion(&key, now())?;
        let request = TokenRequest::new(&key.token_uri, &assertion);
        let headers =
            [("content-type", "application/x-www-form-urlencoded"), ("user-agent", crate::USER_AGENT)];
        let answered = Fetcher::Worker
            .exchange("POST", &request.token_uri, &headers, Some(&request.form), TOKEN_TIMEOUT)
            .await;
        let (status, body) = answered
            .map_err(|reason| AuthError::Unavailable { token_uri: request.token_uri.clone(), reason })?;
        let token = request.read_answer(status, &body, now())?;
        *kept = Some(token.clone());
        Ok(token)
    }

    fn key(&self) -> Result<ServiceAccountKey, AuthError> {
        if let Some(key) = self.key.borrow().as_ref() {
            return Ok(key.clone());
        }
        let key = service_account_key(&self.env)?;
        self.key.replace(Some(key.clone()));
        Ok(key)
    }
}

/// The key of the `GOOGLE_SERVICE_ACCOUNT_KEY` secret.
///
/// # Errors
/// [`AuthError::Key`].
pub(crate) fn service_account_key(env: &Env) -> Result<ServiceAccountKey, AuthError> {
    let json = variable(env, "GOOGLE_SERVICE_ACCOUNT_KEY").ok_or_else(|| {
        let hint = "is not set: `wrangler secret put GOOGLE_SERVICE_ACCOUNT_KEY < key.json`";
        AuthError::Key(hint.to_owned())
    })?;
    ServiceAccountKey::parse(&json)
}
