//! The Compute Engine REST API, v1: the requests that a VM's life needs and the answers to them. Pure: nothing
//! here does I/O.
//!
//! See <https://cloud.google.com/compute/docs/reference/rest/v1>.

mod answer;
mod call;
mod drift;
mod error;
mod resource;

pub use answer::{Answer, InstanceStatus, InstanceView, OperationView, Settled};
pub use call::{Call, HttpRequest, Mutation, OperationName, RequestId, Target};
pub use drift::{Change, Difference};
pub use error::{ApiError, CallError, Verdict};
