//! Rate limits of the API: <https://cloud.google.com/compute/api-quota>.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// How many calls are answered in a time; all, by default.
#[derive(Debug, Default)]
pub struct RateLimit {
    limit: Option<Limit>,
    /// When the present span of time began, and how many calls it has seen.
    window: Option<(Instant, u32)>,
}

/// So many calls in each span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    calls: u32,
    #[serde(default = "a_minute")]
    per_ms: u64,
    /// 403, which Compute Engine answers, or 429, which other services do.
    #[serde(default = "forbidden")]
    status: u16,
}

impl RateLimit {
    /// The limit, if there is one.
    pub fn limit(&self) -> Option<&Limit> {
        self.limit.as_ref()
    }

    /// Sets the limit, or none.
    ///
    /// # Errors
    /// A text for whoever sent it.
    pub fn set(&mut self, limit: Option<Limit>) -> Result<(), String> {
        if limit.as_ref().is_some_and(|limit| !matches!(limit.status, 403 | 429)) {
            return Err("status must be 403 or 429".into());
        }
        if limit.as_ref().is_some_and(|limit| limit.per_ms == 0) {
            return Err("per_ms must be at least 1".into());
        }
        *self = Self { limit, window: None };
        Ok(())
    }

    /// Counts a call.
    ///
    /// # Errors
    /// It is one too many.
    pub fn count(&mut self, project: &str, now: Instant) -> Result<(), ApiError> {
        let Some(limit) = &self.limit else { return Ok(()) };
        let over = |began: Instant| now.duration_since(began) >= Duration::from_millis(limit.per_ms);
        let (began, calls) = self.window.filter(|(began, _)| !over(*began)).unwrap_or((now, 0));
        self.window = Some((began, calls.saturating_add(1)));
        match calls < limit.calls {
            true => Ok(()),
            false => {
                let status = StatusCode::from_u16(limit.status).unwrap_or(StatusCode::FORBIDDEN);
                Err(ApiError::rate_limit_exceeded(status, project))
            }
        }
    }
}

fn a_minute() -> u64 {
    60_000
}

fn forbidden() -> u16 {
    403
}
