//! Errors in the shape of Google's JSON APIs: <https://cloud.google.com/apis/design/errors>, with the
//! `errors` list of the older APIs that Compute Engine still sends.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::Json;
use serde_json::{json, Value};

/// A refused call.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// The HTTP status, repeated in the body as `error.code`.
    pub code: StatusCode,
    /// `error.errors[0].reason`, such as `notFound`.
    pub reason: Cow<'static, str>,
    /// The text for people.
    pub message: String,
    /// `error.status`, such as `INVALID_ARGUMENT`; most of Compute Engine's own errors have none.
    status: Option<Cow<'static, str>>,
    /// The field that `error.details` complains of.
    violation: Option<Box<str>>,
    /// The header at fault.
    header: Option<&'static str>,
}

impl ApiError {
    /// An error with a status, a reason and a message.
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

    /// The same with an `error.status`.
    pub fn with_status(self, status: Option<String>) -> Self {
        Self { status: status.map(Cow::Owned), ..self }
    }

    /// A value that Compute Engine does not take, in its usual words.
    pub fn invalid_field(field: &str, value: &str, why: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid",
            format!("Invalid value for field '{field}': '{value}'. {why}"),
        )
    }

    /// A field that must be there.
    pub fn required(field: &str, why: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "required",
            format!("Invalid value for field '{field}': ''. {why}"),
        )
    }

    /// A call that the resource's state does not allow.
    pub fn bad_state(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// A request that does not fit the API's definition: refused by Google's front end, before Compute
    /// Engine sees it.
    pub fn invalid_argument(field: &str, message: impl Into<String>) -> Self {
        Self {
            status: Some("INVALID_ARGUMENT".into()),
            violation: Some(field.into()),
            ..Self::new(StatusCode::BAD_REQUEST, "invalid", message)
        }
    }

    /// `resource` is a path such as `projects/p/zones/z/instances/i`.
    pub fn not_found(resource: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "notFound", format!("The resource '{resource}' was not found"))
    }

    /// A name that is taken.
    pub fn already_exists(resource: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "alreadyExists", format!("The resource '{resource}' already exists"))
    }

    /// A disk or an address that an instance uses.
    pub fn in_use(kind: &str, resource: &str, user: &str) -> Self {
        let message = format!("The {kind} resource '{resource}' is already being used by '{user}'");
        Self::new(StatusCode::BAD_REQUEST, "resourceInUseByAnotherResource", message)
    }

    /// A static address that another instance has.
    pub fn address_in_use(address: &str) -> Self {
        let message = format!("External IP address: {address} is already in-use.");
        Self::new(StatusCode::BAD_REQUEST, "invalidResourceUsage", message)
    }

    /// Another operation is at work on the resource.
    pub fn not_ready(resource: &str) -> Self {
        let message = format!("The resource '{resource}' is not ready");
        Self::new(StatusCode::BAD_REQUEST, "resourceNotReady", message)
    }

    /// Not the resource that the client has seen: its fingerprint is another.
    pub fn condition_not_met(message: &str) -> Self {
        Self {
            header: Some("If-Match"),
            ..Self::new(StatusCode::PRECONDITION_FAILED, "conditionNotMet", message)
        }
    }

    /// No valid access token.
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

    /// A valid token without the right to do this.
    pub fn forbidden(permission: &str, resource: &str) -> Self {
        let message = format!("Required '{permission}' permission for '{resource}'");
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// A quota project that is not the caller's to use:
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

    /// A token whose scopes do not cover the method.
    pub fn insufficient_scopes() -> Self {
        let message = "Request had insufficient authentication scopes.";
        Self {
            status: Some("PERMISSION_DENIED".into()),
            ..Self::new(StatusCode::FORBIDDEN, "insufficientPermissions", message)
        }
    }

    /// Too many calls in a short time: 403 or 429.
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

    /// Part of Compute Engine that the emulator leaves out. Google never answers this.
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

    /// The body, as Google writes it.
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

/// The reason that usually goes with an HTTP status.
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
