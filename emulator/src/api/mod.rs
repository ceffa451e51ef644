//! Google's APIs: `/compute/v1/…`, the token server and IAM Service Account Credentials.

mod call;
mod compute;
mod fields;
mod filter;
mod lists;
mod methods;
mod schema;
mod tokens;

use std::sync::Arc;

use axum::routing::{any, post};
use axum::Router;

use crate::emulator::Emulator;

/// Returns the routes of Google's APIs.
pub fn router() -> Router<Arc<Emulator>> {
    Router::new()
        .route("/token", post(tokens::grant))
        .route("/v1/projects/-/serviceAccounts/{target}", post(tokens::generate_access_token))
        .route("/compute/v1/{*path}", any(compute::handle))
}
