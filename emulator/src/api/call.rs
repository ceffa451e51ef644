//! A call that has passed the checks against the discovery document.

use serde_json::{Map, Value};

use super::schema::Query;
use crate::compute::operation_error::OperationError;
use crate::compute::place::Scope;
use crate::compute::request_id::RequestId;
use crate::compute::world::RequestContext;
use crate::discovery::PathParameters;
use crate::error::ApiError;

/// A well-formed call of a method.
pub struct Call {
    pub path: PathParameters,
    pub query: Query,
    /// The request body in the form in which Compute Engine stores it.
    pub body: Map<String, Value>,
    /// The error that a fault gives the call's operation.
    pub operation_error: Option<OperationError>,
}

impl Call {
    /// Returns a path parameter, or an empty string if the method has none of this name.
    pub fn path(&self, name: &str) -> &str {
        self.path.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Returns the part of the project that the path names.
    pub fn scope(&self) -> Scope {
        match (self.path.get("zone"), self.path.get("region")) {
            (Some(zone), _) => Scope::zone(zone),
            (None, Some(region)) => Scope::region(region),
            (None, None) => Scope::global(),
        }
    }

    /// Returns the request id and the injected failure of a change.
    ///
    /// # Errors
    /// Returns an error if `requestId` is malformed.
    pub fn context(&self) -> Result<RequestContext, ApiError> {
        let request_id = self.query.get("requestId").map(|text| RequestId::parse(text)).transpose()?;
        Ok(RequestContext { request_id, failure: self.operation_error.clone() })
    }
}
