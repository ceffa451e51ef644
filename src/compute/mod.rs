//! The Compute Engine REST API, v1: the requests that a VM's lifecycle needs, and their responses.
//! Pure: this module does no I/O.
//!
//! See <https://cloud.google.com/compute/docs/reference/rest/v1>.

mod change;
mod drift;
mod error;
mod request;
mod resource;
mod response;

pub use change::{BringUp, Change, TakeDown};
pub use drift::{Difference, Update};
pub use error::{ApiError, CallError, Verdict};
pub use request::{Call, HttpRequest, OperationName, RequestId, Target};
pub use response::{InstanceStatus, InstanceView, OperationView, Response, StableStatus};
