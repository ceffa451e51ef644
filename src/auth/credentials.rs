//! The way to an access token: what is asked of whom, and what is remembered of it.

use super::token::{AccessToken, TokenAnswer, TokenRequest};
use super::{Api, AuthError, Impersonation, Keys, ServiceAccountKey, Settings};
use crate::time::Timestamp;

/// How Google words that `iat` and `exp` do not fit its clock: "Invalid JWT: Token must be a short-lived token (60
/// minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim."
const UNTIMELY: &str = "reasonable timeframe";

/// What getting a token takes of the world.
pub(crate) trait Outside {
    /// The time.
    fn now(&self) -> Timestamp;
    /// Posts a request; an error is the reason why there is no answer.
    async fn post(&self, request: &TokenRequest) -> Result<TokenAnswer, String>;
    /// Tells the operator.
    fn log(&self, message: &str);
}

/// The token in use, and what has been learned on the way to it.
#[derive(Default)]
pub(crate) struct Credentials {
    token: Option<AccessToken>,
    /// Whether an API has refused a self-signed token: from then on the key is exchanged.
    exchanges: bool,
    /// Whether the first key was refused, and the second is in use.
    swapped: bool,
    clock: Clock,
}

impl Credentials {
    /// The token in use, if it can still be used.
    pub fn token(&self, now: Timestamp) -> Option<&AccessToken> {
        self.token.as_ref().filter(|token| token.is_fresh(now))
    }

    /// Gets a token for the Compute API.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn renew(
        &mut self,
        settings: &Settings,
        keys: Keys,
        outside: &impl Outside,
    ) -> Result<AccessToken, AuthError> {
        let api = settings.impersonation.as_ref().map_or(Api::Compute, |_| Api::IamCredentials);
        let mut token = self.own_token(settings, &keys, api, outside).await?;
        if let Some(impersonation) = &settings.impersonation {
            let mut impersonated = impersonate(impersonation, &token, outside).await;
            if matches!(impersonated, Err(AuthError::Refused { status: 401, .. })) && token.is_self_signed {
                self.exchange_from_now_on(outside);
                token = self.own_token(settings, &keys, api, outside).await?;
                impersonated = impersonate(impersonation, &token, outside).await;
            }
            token = impersonated?;
        }
        self.token = Some(token.clone());
        Ok(token)
    }

    /// The Compute API has answered 401 to `token`: it was revoked before its time, or is self-signed and not taken.
    pub fn refused(&mut self, token: &AccessToken, outside: &impl Outside) {
        // Of two calls at once, one may have got another already.
        if self.token.as_ref() == Some(token) {
            self.token = None;
            if token.is_self_signed {
                self.exchange_from_now_on(outside);
            }
        }
    }

    fn exchange_from_now_on(&mut self, outside: &impl Outside) {
        self.exchanges = true;
        outside.log("Google refused the self-signed token: from now on the key is exchanged for one");
    }

    /// A token of the key's own account.
    async fn own_token(
        &mut self,
        settings: &Settings,
        keys: &Keys,
        api: Api,
        outside: &impl Outside,
    ) -> Result<AccessToken, AuthError> {
        let (first, second) = keys.in_order(self.swapped);
        if settings.self_signed && !self.exchanges {
            let now = outside.now();
            // A key that cannot sign cannot be exchanged either, which is seen below.
            if let Ok(token) = AccessToken::self_signed(first, api, self.clock.googles(now), now) {
                return Ok(token);
            }
        }
        let refusal = match self.exchange(first, api, outside).await {
            Err(error) if !error.is_transient() => error,
            result => return result,
        };
        let Some(second) = second else { return Err(refusal) };
        outside.log(&format!("{refusal}: the key of {} is tried instead", second.secret));
        self.swapped = !self.swapped;
        self.exchange(second, api, outside).await
    }

    async fn exchange(
        &mut self,
        key: &ServiceAccountKey,
        api: Api,
        outside: &impl Outside,
    ) -> Result<AccessToken, AuthError> {
        let request = TokenRequest::exchange(key, api, self.clock.googles(outside.now()))?;
        let (result, date) = post(&request, outside).await?;
        let is_untimely =
            matches!(&result, Err(AuthError::Refused { reason, .. }) if reason.contains(UNTIMELY));
        let Some(date) = date.filter(|_| is_untimely) else { return result };
        self.clock = Clock::showing(date, outside.now());
        outside.log("the token server's clock is another: its Date header is followed");
        let request = TokenRequest::exchange(key, api, self.clock.googles(outside.now()))?;
        post(&request, outside).await?.0
    }
}

async fn impersonate(
    impersonation: &Impersonation,
    own: &AccessToken,
    outside: &impl Outside,
) -> Result<AccessToken, AuthError> {
    post(&TokenRequest::impersonate(impersonation, own), outside).await?.0
}

/// What the server says, and its time.
async fn post(
    request: &TokenRequest,
    outside: &impl Outside,
) -> Result<(Result<AccessToken, AuthError>, Option<Timestamp>), AuthError> {
    let answer = outside.post(request).await.map_err(|reason| request.unavailable(reason))?;
    Ok((request.read_answer(&answer, outside.now()), answer.date))
}

/// Google's clock: by how many milliseconds it is ahead of this one.
#[derive(Clone, Copy, Default)]
struct Clock(i64);

impl Clock {
    fn showing(googles: Timestamp, now: Timestamp) -> Self {
        Self(googles.as_millis().wrapping_sub(now.as_millis()).cast_signed())
    }

    fn googles(self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(now.as_millis().saturating_add_signed(self.0))
    }
}

#[cfg(test)]
mod tests;
