//! The endpoints that issue access tokens.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{header, HeaderMap};
use axum::response::{IntoResponse, Response};
use axum::Json;

use crate::admission::{admit, log_call};
use crate::auth::impersonation;
use crate::emulator::Emulator;
use crate::error::ApiError;
use crate::faults::{IMPERSONATION, TOKEN};
use crate::http::header_text;

/// `POST /token`: exchanges a signed assertion for an access token.
pub async fn grant(State(emulator): State<Arc<Emulator>>, form: Bytes) -> Response {
    let began = Instant::now();
    let response = match admit(&emulator, TOKEN, false).await {
        ControlFlow::Break(response) => response,
        ControlFlow::Continue(admitted) => {
            let granted = emulator.tokens.grant(&emulator.account, &form, emulator.google_now());
            emulator.save();
            admitted.respond(
                granted.map_or_else(IntoResponse::into_response, |token| Json(token).into_response()),
            )
        }
    };
    log_call(&emulator, TOKEN, began, &response);
    dated(&emulator, response)
}

/// `generateAccessToken`, the only method of IAM Service Account Credentials that the emulator has.
pub async fn generate_access_token(
    State(emulator): State<Arc<Emulator>>,
    Path(target): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let began = Instant::now();
    let Some(email) = target.strip_suffix(":generateAccessToken") else {
        return ApiError::not_implemented(&target).into_response();
    };
    let response = match admit(&emulator, IMPERSONATION, false).await {
        ControlFlow::Break(response) => response,
        ControlFlow::Continue(admitted) => {
            let (tokens, account, now) = (&emulator.tokens, &emulator.account, emulator.google_now());
            let authorization = header_text(&headers, header::AUTHORIZATION);
            let generated =
                impersonation::generate_access_token(tokens, account, authorization, email, &body, now);
            admitted.respond(
                generated.map_or_else(IntoResponse::into_response, |token| Json(token).into_response()),
            )
        }
    };
    log_call(&emulator, &format!("{IMPERSONATION} {email}"), began, &response);
    dated(&emulator, response)
}

/// Sets the response's `Date` to the time of Google's clock.
fn dated(emulator: &Emulator, mut response: Response) -> Response {
    let date = httpdate::fmt_http_date(emulator.google_now());
    if let Ok(date) = date.parse() {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}
