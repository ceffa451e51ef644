//! The VM's answer.

use std::future::Future;
use std::pin::Pin;

use web_sys::Response;

/// An answer whose body may still be on its way.
pub(crate) struct Incoming {
    pub response: Response,
    /// Moves the rest of the bodies; ends when the exchange is over. Must be driven to its end.
    pub transfer: Option<Pin<Box<dyn Future<Output = ()>>>>,
}
