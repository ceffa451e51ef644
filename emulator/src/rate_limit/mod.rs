//! Rate limits of the API: <https://cloud.google.com/compute/api-quota>.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// The limit on the number of calls. By default, there is none.
#[derive(Debug, Default)]
pub struct RateLimit {
    limit: Option<Limit>,
    /// The beginning of the current window, and the number of its calls.
    window: Option<(Instant, u32)>,
}

/// The number of calls allowed in each window of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    calls: u32,
    #[serde(default = "a_minute")]
    per_ms: u64,
    /// 403, which Compute Engine sends, or 429, which other services send.
    #[serde(default = "forbidden")]
    status: u16,
}

impl RateLimit {
    /// Returns the limit. `None` means no limit.
    pub fn limit(&self) -> Option<&Limit> {
        self.limit.as_ref()
    }

    /// Sets or removes the limit.
    ///
    /// # Errors
    /// Returns a message if a value is out of range.
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
    /// Returns the error of a call beyond the limit.
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
