//! Getting an access token: which requests are made to which server, and what is cached.

use super::token::{AccessToken, TokenRequest, TokenResponse};
use super::{Api, AuthError, Impersonation, Keys, ServiceAccountKey, Settings};
use crate::time::Timestamp;

/// The part of Google's error message that reports that `iat` and `exp` do not fit its clock:
/// "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.
/// Check your iat and exp values in the JWT claim."
const CLOCK_SKEW: &str = "reasonable timeframe";

/// The clock, the HTTP transport and the log that getting a token needs.
pub(crate) trait TokenTransport {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
    /// Posts a request. An error is the reason why there is no response.
    async fn post(&self, request: &TokenRequest) -> Result<TokenResponse, String>;
    /// Logs a message for the operator.
    fn log(&self, message: &str);
}

/// The token in use, and what earlier requests for tokens have shown.
#[derive(Default)]
pub(crate) struct Credentials {
    token: Option<AccessToken>,
    /// `true` if an API has refused a self-signed token. The key is then exchanged for tokens
    /// instead.
    self_signed_refused: bool,
    /// `true` if the first key was refused and the second is in use.
    uses_second_key: bool,
    clock_offset: ClockOffset,
}

impl Credentials {
    /// Returns the token in use. `None` means that a new one is needed.
    pub fn token(&self, now: Timestamp) -> Option<&AccessToken> {
        self.token.as_ref().filter(|token| token.is_fresh(now))
    }

    /// Gets a token for the Compute API.
    ///
    /// # Errors
    /// Returns why there is no token.
    pub async fn renew(
        &mut self,
        settings: &Settings,
        keys: Keys,
        transport: &impl TokenTransport,
    ) -> Result<AccessToken, AuthError> {
        let api = settings.impersonation.as_ref().map_or(Api::Compute, |_| Api::IamCredentials);
        let mut token = self.own_token(settings, &keys, api, transport).await?;
        if let Some(impersonation) = &settings.impersonation {
            let mut impersonated = impersonate(impersonation, &token, transport).await;
            if matches!(impersonated, Err(AuthError::Refused { status: 401, .. })) && token.is_self_signed {
                self.on_self_signed_refused(transport);
                token = self.own_token(settings, &keys, api, transport).await?;
                impersonated = impersonate(impersonation, &token, transport).await;
            }
            token = impersonated?;
        }
        self.token = Some(token.clone());
        Ok(token)
    }

    /// Drops `token`, to which the Compute API responded 401: it was revoked early, or is
    /// self-signed and not accepted.
    pub fn on_refused(&mut self, token: &AccessToken, transport: &impl TokenTransport) {
        // A concurrent call may already have replaced it.
        if self.token.as_ref() == Some(token) {
            self.token = None;
            if token.is_self_signed {
                self.on_self_signed_refused(transport);
            }
        }
    }

    fn on_self_signed_refused(&mut self, transport: &impl TokenTransport) {
        self.self_signed_refused = true;
        transport.log("Google refused the self-signed token: the key is exchanged for tokens instead");
    }

    /// Returns a token of the key's own account.
    async fn own_token(
        &mut self,
        settings: &Settings,
        keys: &Keys,
        api: Api,
        transport: &impl TokenTransport,
    ) -> Result<AccessToken, AuthError> {
        let (first, second) = keys.in_order(self.uses_second_key);
        if settings.self_signed && !self.self_signed_refused {
            let now = transport.now();
            // A key that cannot sign cannot be exchanged either: the exchange below reports the
            // error.
            if let Ok(token) = AccessToken::self_signed(first, api, self.clock_offset.google_now(now), now) {
                return Ok(token);
            }
        }
        let refusal = match self.exchange(first, api, transport).await {
            Err(error) if !error.is_transient() => error,
            result => return result,
        };
        let Some(second) = second else { return Err(refusal) };
        transport.log(&format!("{refusal}: trying the key of {} instead", second.secret));
        self.uses_second_key = !self.uses_second_key;
        self.exchange(second, api, transport).await
    }

    async fn exchange(
        &mut self,
        key: &ServiceAccountKey,
        api: Api,
        transport: &impl TokenTransport,
    ) -> Result<AccessToken, AuthError> {
        let request = TokenRequest::exchange(key, api, self.clock_offset.google_now(transport.now()))?;
        let (result, date) = post(&request, transport).await?;
        let is_clock_skew =
            matches!(&result, Err(AuthError::Refused { reason, .. }) if reason.contains(CLOCK_SKEW));
        let Some(date) = date.filter(|_| is_clock_skew) else { return result };
        self.clock_offset = ClockOffset::new(date, transport.now());
        transport.log("the token server's clock differs from this one: its Date header is used");
        let request = TokenRequest::exchange(key, api, self.clock_offset.google_now(transport.now()))?;
        post(&request, transport).await?.0
    }
}

async fn impersonate(
    impersonation: &Impersonation,
    own: &AccessToken,
    transport: &impl TokenTransport,
) -> Result<AccessToken, AuthError> {
    post(&TokenRequest::impersonate(impersonation, own), transport).await?.0
}

/// Posts a request. Returns the result in the response, and the server's time.
async fn post(
    request: &TokenRequest,
    transport: &impl TokenTransport,
) -> Result<(Result<AccessToken, AuthError>, Option<Timestamp>), AuthError> {
    let response = transport.post(request).await.map_err(|reason| request.unavailable(reason))?;
    Ok((request.read_response(&response, transport.now()), response.date))
}

/// The number of milliseconds by which Google's clock is ahead of this one.
#[derive(Clone, Copy, Default)]
struct ClockOffset(i64);

impl ClockOffset {
    fn new(google_now: Timestamp, now: Timestamp) -> Self {
        Self(google_now.as_millis().wrapping_sub(now.as_millis()).cast_signed())
    }

    fn google_now(self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(now.as_millis().saturating_add_signed(self.0))
    }
}

#[cfg(test)]
mod tests;
