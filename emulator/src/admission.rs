//! Handles what comes before and after every call: the count, the rate limit, faults and the log.

use std::ops::ControlFlow;
use std::time::Instant;

use axum::response::{IntoResponse, Response};

use crate::compute::operation_error::OperationError;
use crate::emulator::Emulator;
use crate::faults::{Effect, TOKEN};
use crate::http::HangUp;

/// A call that is carried out.
#[derive(Debug, Default)]
pub struct Admitted {
    /// The error with which the call's operation fails.
    pub operation_error: Option<OperationError>,
    lose_response: bool,
}

impl Admitted {
    /// Returns the response to send. A fault can end the connection in its place.
    pub fn respond(&self, response: Response) -> Response {
        if self.lose_response {
            HangUp::response()
        } else {
            response
        }
    }
}

/// Counts a call, and applies the rate limit and the next fault. `Break` holds the response of a
/// call that ends here.
pub async fn admit(
    emulator: &Emulator,
    method: &str,
    makes_operation: bool,
) -> ControlFlow<Response, Admitted> {
    *emulator.calls().entry(method.to_owned()).or_default() += 1;
    if method != TOKEN {
        if let Err(error) = emulator.rate_limit().count(&emulator.options.project, Instant::now()) {
            return ControlFlow::Break(error.into_response());
        }
    }
    let fault = emulator.faults().take(method, makes_operation);
    let Some(fault) = fault else {
        return ControlFlow::Continue(Admitted::default());
    };
    tokio::time::sleep(fault.delay()).await;
    match fault.effect(method) {
        Effect::Pass { operation_error, lose_response } => {
            ControlFlow::Continue(Admitted { operation_error, lose_response })
        }
        Effect::Respond(response) => ControlFlow::Break(response),
        Effect::HangUp => ControlFlow::Break(HangUp::response()),
    }
}

/// Logs a call that has ended.
pub fn log_call(emulator: &Emulator, what: &str, began: Instant, response: &Response) {
    let outcome = match response.extensions().get::<HangUp>() {
        Some(_) => "no response".to_owned(),
        None => response.status().as_u16().to_string(),
    };
    emulator.log.line(format_args!("{what} {outcome} {} ms", began.elapsed().as_millis()));
}
