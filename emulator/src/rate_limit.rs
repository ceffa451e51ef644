//! Rate limits of the API: <https://cloud.google.com/compute/api-quota>.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// How many calls are answered in a time; all, by default.
#[derive(Debug, Default)]
pub struct RateLimit {
    limit: Option<Limit>,
    /// When the present span of time began, and how many calls it has seen.
    span: Option<(Instant, u32)>,
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
        *self = Self { limit, span: None };
        Ok(())
    }

    /// Counts a call.
    ///
    /// # Errors
    /// It is one too many.
    pub fn take(&mut self, project: &str, now: Instant) -> Result<(), ApiError> {
        let Some(limit) = &self.limit else { return Ok(()) };
        let over = |began: Instant| now.duration_since(began) >= Duration::from_millis(limit.per_ms);
        let (began, calls) = self.span.filter(|(began, _)| !over(*began)).unwrap_or((now, 0));
        self.span = Some((began, calls.saturating_add(1)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_in_each_span() {
        let limit = serde_json::from_value(serde_json::json!({ "calls": 2, "per_ms": 1000 })).unwrap();
        let mut rate = RateLimit::default();
        let begin = Instant::now();
        assert!(rate.take("p", begin).is_ok(), "there is no limit yet");
        rate.set(Some(limit)).unwrap();
        let at = |ms| begin + Duration::from_millis(ms);
        let taken = [0, 1, 2, 999, 1000, 1001, 1002].map(|ms| rate.take("p", at(ms)).is_ok());
        assert_eq!(taken, [true, true, false, false, true, true, false]);
    }
}
