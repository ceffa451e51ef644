//! The emulator's own routes, without authentication, for tests and for people.

mod api;
mod error;
mod instances;
mod project;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use axum::Router;

use self::error::ControlError;
use crate::emulator::Emulator;

/// Returns the control routes, and the response to every unknown path.
pub fn router() -> Router<Arc<Emulator>> {
    Router::new()
        .route("/", get(|| async { Html(include_str!("page.html")) }))
        .route("/emulator/instances", get(instances::list))
        .route("/emulator/instances/{name}/preempt", post(instances::preempt))
        .route("/emulator/instances/{name}/crash", post(instances::crash))
        .route("/emulator/instances/{name}/hang", post(instances::hang))
        .route("/emulator/instances/{name}/swallow", post(instances::swallow))
        .route("/emulator/instances/{name}/poweroff", post(instances::power_off))
        .route("/emulator/instances/{name}/maintain", post(instances::maintain))
        .route("/emulator/operations", get(project::operations))
        .route("/emulator/quotas", get(project::quotas).put(project::set_quotas))
        .route(
            "/emulator/stockouts",
            get(project::stockouts).post(project::add_stockout).delete(project::clear_stockouts),
        )
        .route("/emulator/reset", post(project::reset))
        .route("/emulator/stats", get(api::stats))
        .route("/emulator/faults", get(api::faults).post(api::add_fault).delete(api::clear_faults))
        .route(
            "/emulator/rate-limit",
            get(api::rate_limit).put(api::set_rate_limit).delete(api::clear_rate_limit),
        )
        .route("/emulator/timing", get(api::timing).put(api::set_timing))
        .route("/emulator/clock", get(api::clock).put(api::set_clock))
        .route("/emulator/service-account.json", get(api::service_account))
        .fallback(|| async {
            ControlError::new(StatusCode::NOT_FOUND, "unknown path; see / for an overview")
        })
}
