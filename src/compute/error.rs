//! The errors of calls, and the reaction to each.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::AuthError;

/// The reason why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The API refused the call, or its operation failed.
    Api(ApiError),
    /// There was no access token for the call.
    Auth(AuthError),
    /// There was no response: the connection failed or timed out. The call may still have taken
    /// effect.
    NoResponse(String),
    /// The response was not in the form that the API documents.
    InvalidResponse(String),
}

/// The reaction to an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Make the same call again, after a pause.
    Retry,
    /// Get the instance: its state is not what the caller assumed.
    LookAgain,
    /// Try another zone: this one has no capacity.
    NextZone,
    /// Give up: no further call can succeed.
    GiveUp,
}

impl CallError {
    /// Returns the reaction to the error.
    pub fn verdict(&self) -> Verdict {
        match self {
            CallError::Api(error) => error.verdict(),
            CallError::Auth(error) if error.is_transient() => Verdict::Retry,
            CallError::NoResponse(_) => Verdict::Retry,
            CallError::Auth(_) | CallError::InvalidResponse(_) => Verdict::GiveUp,
        }
    }

    /// Returns whether the API reported that the instance does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, CallError::Api(error) if error.status == 404)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Api(error) => write!(f, "Compute Engine responded {error}"),
            CallError::Auth(error) => error.fmt(f),
            CallError::NoResponse(reason) => write!(f, "Compute Engine did not respond: {reason}"),
            CallError::InvalidResponse(reason) => {
                write!(f, "Compute Engine sent an invalid response: {reason}")
            }
        }
    }
}

impl std::error::Error for CallError {}

/// An error that the API reports, of a call or of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The reason, such as `notFound` of a call or `QUOTA_EXCEEDED` of an operation.
    pub reason: String,
    /// The API's message.
    pub message: String,
}

impl ApiError {
    /// Reads an error response. A body that is not Google's error JSON becomes the message.
    ///
    /// See <https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-api-errors>.
    pub fn read(status: u16, body: &str) -> Self {
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        let text = |pointer| json.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        if json.get("error").is_some_and(Value::is_object) {
            Self { status, reason: text("/error/errors/0/reason"), message: text("/error/message") }
        } else {
            Self { status, reason: String::new(), message: body.chars().take(200).collect() }
        }
    }

    fn verdict(&self) -> Verdict {
        match (self.status, self.reason.as_str()) {
            (_, "rateLimitExceeded" | "userRateLimitExceeded" | "RATE_LIMIT_EXCEEDED") => Verdict::Retry,
            (_, "resourceNotReady" | "RESOURCE_NOT_READY" | "alreadyExists" | "RESOURCE_ALREADY_EXISTS") => {
                Verdict::LookAgain
            }
            // A stockout has the status 503, but an immediate retry does not help.
            (_, "QUOTA_EXCEEDED" | "quotaExceeded" | "UNSUPPORTED_OPERATION") => Verdict::NextZone,
            (_, reason) if reason.starts_with("ZONE_RESOURCE_POOL_EXHAUSTED") => Verdict::NextZone,
            (404 | 409 | 412, _) => Verdict::LookAgain,
            (408 | 429 | 500.., _) => Verdict::Retry,
            _ => Verdict::GiveUp,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        write!(f, ": {}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(status: u16, reason: &str) -> CallError {
        CallError::Api(ApiError { status, reason: reason.into(), message: "m".into() })
    }

    #[test]
    fn googles_error_json_is_read() {
        let body = r#"{"error": {"code": 404, "message": "The resource was not found",
            "errors": [{"message": "…", "domain": "global", "reason": "notFound"}]}}"#;
        let error = ApiError::read(404, body);
        assert_eq!(error.to_string(), "404 notFound: The resource was not found");
        assert_eq!(ApiError::read(502, "<html>Bad gateway").to_string(), "502: <html>Bad gateway");
    }

    #[test]
    fn errors_are_told_apart_by_what_helps() {
        for (error, verdict) in [
            (api(429, "rateLimitExceeded"), Verdict::Retry),
            (api(403, "rateLimitExceeded"), Verdict::Retry),
            (api(403, "forbidden"), Verdict::GiveUp),
            (api(401, "authError"), Verdict::GiveUp),
            (api(400, "invalid"), Verdict::GiveUp),
            (api(400, "resourceNotReady"), Verdict::LookAgain),
            (api(409, "alreadyExists"), Verdict::LookAgain),
            (api(404, "notFound"), Verdict::LookAgain),
            (api(412, "conditionNotMet"), Verdict::LookAgain),
            (api(500, "backendError"), Verdict::Retry),
            (api(503, "backendError"), Verdict::Retry),
            (api(503, "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"), Verdict::NextZone),
            (api(403, "QUOTA_EXCEEDED"), Verdict::NextZone),
            (CallError::NoResponse("timeout".into()), Verdict::Retry),
            (CallError::InvalidResponse("html".into()), Verdict::GiveUp),
        ] {
            assert_eq!(error.verdict(), verdict, "{error}");
        }
    }
}
