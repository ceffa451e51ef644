//! `requestId`, which makes a call safe to repeat:
//! <https://cloud.google.com/compute/docs/api/how-tos/idempotency>.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::operation::Operation;
use crate::error::ApiError;

/// The time for which a repeated call is recognized.
pub const RETENTION: Duration = Duration::from_secs(60 * 60);

/// The identity of a call: a repeated call has the same id, method and target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub id: RequestId,
    pub method: Cow<'static, str>,
    /// The path of the target.
    pub target: String,
}

/// The calls with a `requestId`, and the operations that they began.
#[derive(Default, Serialize, Deserialize)]
pub struct Requests(Vec<(SystemTime, Request, Operation)>);

impl Requests {
    /// Returns the operation of an equal call within the retention, as it was when the call began
    /// it.
    pub fn find(&self, request: &Request, now: SystemTime) -> Option<&Operation> {
        let mut known = self.0.iter().filter(|(when, _, _)| is_remembered(*when, now));
        known.find(|(_, known, _)| known == request).map(|(_, _, operation)| operation)
    }

    /// Records the operation that a call began.
    pub fn remember(&mut self, request: Request, operation: Operation, now: SystemTime) {
        self.0.retain(|(when, _, _)| is_remembered(*when, now));
        self.0.push((now, request, operation));
    }
}

/// A valid `requestId`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestId(String);

impl RequestId {
    /// Parses a UUID in its usual form (RFC 9562), other than the zero UUID.
    ///
    /// # Errors
    /// Returns an error for any other string.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let groups: Vec<_> = text.split('-').collect();
        let shaped = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]);
        let hexadecimal = groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let zero = groups.iter().all(|group| group.bytes().all(|byte| byte == b'0'));
        match shaped && hexadecimal && !zero {
            true => Ok(Self(text.to_ascii_lowercase())),
            false => Err(ApiError::invalid_field(
                "requestId",
                text,
                "The request ID must be a valid UUID other than the zero UUID.",
            )),
        }
    }
}

fn is_remembered(when: SystemTime, now: SystemTime) -> bool {
    now.duration_since(when).is_ok_and(|age| age < RETENTION)
}
