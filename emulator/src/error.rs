//! Errors in the shape of Google's JSON APIs, <https://cloud.google.com/apis/design/errors>, with
//! the `errors` list of older APIs, which Compute Engine still sends.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::Json;
use serde_json::{json, Value};

/// An error response of one of Google's APIs.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// The HTTP status, repeated in the body as `error.code`.
    pub code: StatusCode,
    /// `error.errors[0].reason`, such as `notFound`.
    pub reason: Cow<'static, str>,
    /// The message for people.
    pub message: String,
    /// `error.status`, such as `INVALID_ARGUMENT`. Most of Compute Engine's own errors have none.
    status: Option<Cow<'static, str>>,
    /// The field that `error.details` names.
    violation: Option<Box<str>>,
    /// The header that caused the error.
    header: Option<&'static str>,
}

impl ApiError {
    /// Creates an error with a status, a reason and a message.
    pub fn new(code: StatusCode, reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            message: message.into(),
            status: None,
            violation: None,
            header: None,
        }
    }

    /// Sets `error.status`.
    pub fn with_status(self, status: Option<String>) -> Self {
        Self { status: status.map(Cow::Owned), ..self }
    }

    /// Creates the error for a value that Compute Engine does not accept, in its usual words.
    pub fn invalid_field(field: &str, value: &str, why: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid",
            format!("Invalid value for field '{field}': '{value}'. {why}"),
        )
    }

    /// Creates the error for a missing field.
    pub fn required(field: &str, why: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "required",
            format!("Invalid value for field '{field}': ''. {why}"),
        )
    }

    /// Creates the error for a call that the resource's state does not allow.
    pub fn bad_state(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// Creates the error for a request that does not match the API's definition. Google's front end
    /// sends it before Compute Engine sees the request.
    pub fn invalid_argument(field: &str, message: impl Into<String>) -> Self {
        Self {
            status: Some("INVALID_ARGUMENT".into()),
            violation: Some(field.into()),
            ..Self::new(StatusCode::BAD_REQUEST, "invalid", message)
        }
    }

    /// Creates the error for an unknown resource, such as `projects/p/zones/z/instances/i`.
    pub fn not_found(resource: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "notFound", format!("The resource '{resource}' was not found"))
    }

    /// Creates the error for a name that is taken.
    pub fn already_exists(resource: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "alreadyExists", format!("The resource '{resource}' already exists"))
    }

    /// Creates the error for a disk or an address that an instance uses.
    pub fn in_use(kind: &str, resource: &str, user: &str) -> Self {
        let message = format!("The {kind} resource '{resource}' is already being used by '{user}'");
        Self::new(StatusCode::BAD_REQUEST, "resourceInUseByAnotherResource", message)
    }

    /// Creates the error for a static address that another instance uses.
    pub fn address_in_use(address: &str) -> Self {
        let message = format!("External IP address: {address} is already in-use.");
        Self::new(StatusCode::BAD_REQUEST, "invalidResourceUsage", message)
    }

    /// Creates the error for a resource on which another operation is at work.
    pub fn not_ready(resource: &str) -> Self {
        let message = format!("The resource '{resource}' is not ready");
        Self::new(StatusCode::BAD_REQUEST, "resourceNotReady", message)
    }

    /// Creates the error for a fingerprint that is out of date.
    pub fn condition_not_met(message: &str) -> Self {
        Self {
            header: Some("If-Match"),
            ..Self::new(StatusCode::PRECONDITION_FAILED, "conditionNotMet", message)
        }
    }

    /// Creates the error for a missing or invalid access token.
    pub fn unauthenticated() -> Self {
        let message =
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or \
                       other valid authentication credential. See \
                       https://developers.google.com/identity/sign-in/web/devconsole-project.";
        Self {
            status: Some("UNAUTHENTICATED".into()),
            header: Some("Authorization"),
            ..Self::new(StatusCode::UNAUTHORIZED, "authError", message)
        }
    }

    /// Creates the error for a valid token without the required permission.
    pub fn forbidden(permission: &str, resource: &str) -> Self {
        let message = format!("Required '{permission}' permission for '{resource}'");
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// Creates the error for a quota project that the caller may not use:
    /// <https://cloud.google.com/docs/quotas/set-quota-project>.
    pub fn no_quota_project(project: &str) -> Self {
        let message = format!(
            "Caller does not have required permission to use project {project}. Grant the caller the \
             roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use \
             permission, by visiting https://console.developers.google.com/iam-admin/iam/project?project={project} \
             and then retry. Propagation of the new permission may take a few minutes."
        );
        Self {
            status: Some("PERMISSION_DENIED".into()),
            ..Self::new(StatusCode::FORBIDDEN, "forbidden", message)
        }
    }

    /// Creates the error for a token whose scopes do not cover the method.
    pub fn insufficient_scopes() -> Self {
        let message = "Request had insufficient authentication scopes.";
        Self {
            status: Some("PERMISSION_DENIED".into()),
            ..Self::new(StatusCode::FORBIDDEN, "insufficientPermissions", message)
        }
    }

    /// Creates the error for a call beyond the rate limit, with status 403 or 429.
    pub fn rate_limit_exceeded(status: StatusCode, project: &str) -> Self {
        let message = format!(
            "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service \
             'compute.googleapis.com' for consumer 'project:{project}'."
        );
        let too_many = status == StatusCode::TOO_MANY_REQUESTS;
        Self {
            status: Some(if too_many { "RESOURCE_EXHAUSTED" } else { "PERMISSION_DENIED" }.into()),
            ..Self::new(status, "rateLimitExceeded", message)
        }
    }

    /// Creates the error for a part of Compute Engine that the emulator does not have. Google never
    /// sends it.
    pub fn not_implemented(what: &str) -> Self {
        Self {
            status: Some("UNIMPLEMENTED".into()),
            ..Self::new(
                StatusCode::NOT_IMPLEMENTED,
                "notImplemented",
                format!("gce-emulator does not implement {what}"),
            )
        }
    }

    /// Returns the response body in Google's format.
    pub fn body(&self) -> Value {
        let domain = if self.reason == "rateLimitExceeded" { "usageLimits" } else { "global" };
        let mut entry = json!({ "message": self.message, "domain": domain, "reason": self.reason });
        if self.code == StatusCode::UNAUTHORIZED {
            entry["message"] = json!("Invalid Credentials");
        }
        if let Some(header) = self.header {
            entry["location"] = json!(header);
            entry["locationType"] = json!("header");
        }
        let mut error = json!({ "code": self.code.as_u16(), "message": self.message, "errors": [entry] });
        if let Some(status) = &self.status {
            error["status"] = json!(status);
        }
        if let Some(field) = &self.violation {
            error["details"] = json!([{
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{ "field": field, "description": self.message }],
            }]);
        }
        json!({ "error": error })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.code, Json(self.body())).into_response()
    }
}

/// Returns the usual reason for an HTTP status.
pub fn default_reason(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "badRequest",
        401 => "authError",
        403 => "forbidden",
        404 => "notFound",
        409 => "conflict",
        412 => "conditionNotMet",
        429 => "rateLimitExceeded",
        503 => "backendError",
        _ => "internalError",
    }
}
