//! Injected faults: the next calls of a method fail, are delayed, or are dropped.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::compute::operation_error::OperationError;
use crate::discovery::{Method, COMPUTE};
use crate::error::{default_reason, ApiError};

/// The name of the token server in faults and statistics.
pub const TOKEN: &str = "token";

/// The name of the method that issues tokens for another account.
pub const IMPERSONATION: &str = "serviceAccounts.generateAccessToken";

/// A fault to inject.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The method that the fault applies to: `instances.insert`, `token`, or `*` for all.
    pub method: String,
    /// The number of calls that the fault still applies to.
    #[serde(default = "once")]
    pub times: u32,
    /// The HTTP status of the error response.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// `error.status` of the error response, or `error` in the case of the token server.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The delay before the effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "DropPoint::is_nothing")]
    drop: DropPoint,
    /// The error with which the call's operation fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_error: Option<OperationError>,
}

/// The effect of a fault on one call, after the delay.
pub enum Effect {
    /// The call is carried out.
    Pass {
        /// The error with which the call's operation fails.
        operation_error: Option<OperationError>,
        /// `true` if the response is lost.
        lose_response: bool,
    },
    /// The call ends with this response.
    Respond(Response),
    /// The connection ends without a response.
    HangUp,
}

impl Fault {
    /// Checks the rules that serde cannot check.
    ///
    /// # Errors
    /// Returns a message that names the broken rule.
    pub fn check(&self) -> Result<(), String> {
        let method = COMPUTE.method(&self.method);
        if method.is_none() && ![TOKEN, IMPERSONATION, "*"].contains(&self.method.as_str()) {
            return Err(format!(
                "unknown method {:?}; expected a method such as \"instances.insert\", \"token\", or \"*\"",
                self.method
            ));
        }
        let makes_operation = self.method == "*" || method.is_some_and(Method::makes_operation);
        if self.operation_error.is_some() && !makes_operation {
            return Err(format!("{} makes no operation, so operation_error does not apply", self.method));
        }
        if self.times == 0 {
            return Err("times must be at least 1".into());
        }
        if self.status.is_some_and(|status| !(400..=599).contains(&status)) {
            return Err("status must be an error status, from 400 to 599".into());
        }
        if self.status.is_none() && (self.code.is_some() || self.reason.is_some() || self.message.is_some()) {
            return Err("code, reason and message go with status only".into());
        }
        let outcomes = [self.status.is_some(), !self.drop.is_nothing(), self.operation_error.is_some()];
        match outcomes.iter().filter(|outcome| **outcome).count() {
            0 if self.delay_ms.is_none() => {
                Err("give one of status, delay_ms, drop and operation_error".into())
            }
            0 | 1 => Ok(()),
            _ => Err("give only one of status, drop and operation_error".into()),
        }
    }

    /// Returns the delay before the effect.
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.unwrap_or_default())
    }

    /// Returns the effect on a call of `method`.
    pub fn effect(self, method: &str) -> Effect {
        match (self.drop, self.status) {
            (DropPoint::Call, _) => Effect::HangUp,
            (_, Some(status)) => Effect::Respond(self.response(method, status)),
            (drop, None) => Effect::Pass {
                operation_error: self.operation_error,
                lose_response: drop == DropPoint::Response,
            },
        }
    }

    fn matches(&self, method: &str, makes_operation: bool) -> bool {
        (self.method == "*" || self.method == method) && (self.operation_error.is_none() || makes_operation)
    }

    fn response(self, method: &str, status: u16) -> Response {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let reason = self.reason.map_or(Cow::Borrowed(default_reason(status)), Cow::Owned);
        let message = self.message.unwrap_or_else(|| "Injected by gce-emulator".into());
        if method == TOKEN {
            let error = self.code.unwrap_or_else(|| "internal_failure".into());
            return (status, Json(json!({ "error": error, "error_description": message }))).into_response();
        }
        ApiError::new(status, reason, message).with_status(self.code).into_response()
    }
}

/// The pending faults, oldest first.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Removes all faults.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the pending faults.
    pub fn pending(&self) -> &[Fault] {
        &self.0
    }

    /// Returns the oldest fault that applies to a call, and counts the call.
    pub fn take(&mut self, method: &str, makes_operation: bool) -> Option<Fault> {
        let index = self.0.iter().position(|fault| fault.matches(method, makes_operation))?;
        let fault = self.0.get_mut(index)?;
        fault.times -= 1;
        let taken = fault.clone();
        if fault.times == 0 {
            self.0.remove(index);
        }
        Some(taken)
    }
}

/// The point at which the connection is dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "DropForm", into = "DropForm")]
enum DropPoint {
    #[default]
    Nothing,
    /// The call is not carried out.
    Call,
    /// The call is carried out and its response is lost: the case that `requestId` is for.
    Response,
}

impl DropPoint {
    fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

/// The JSON forms of `drop`: a boolean, or the part of the call that is lost.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum DropForm {
    Flag(bool),
    Part(DropPart),
}

#[derive(Serialize, Deserialize)]
enum DropPart {
    #[serde(rename = "answer")]
    Response,
}

impl From<DropForm> for DropPoint {
    fn from(form: DropForm) -> Self {
        match form {
            DropForm::Flag(false) => Self::Nothing,
            DropForm::Flag(true) => Self::Call,
            DropForm::Part(DropPart::Response) => Self::Response,
        }
    }
}

impl From<DropPoint> for DropForm {
    fn from(lost: DropPoint) -> Self {
        match lost {
            DropPoint::Nothing => Self::Flag(false),
            DropPoint::Call => Self::Flag(true),
            DropPoint::Response => Self::Part(DropPart::Response),
        }
    }
}

fn once() -> u32 {
    1
}
