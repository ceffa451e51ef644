//! The APIs' routes: `/compute/v1/…` and the token servers.
//!
//! The discovery document decides which method a request calls and whether it is well-formed; [`methods`]
//! does the rest.

mod filter;
mod lists;
mod methods;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{header, HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Json, Router};
use serde_json::{Map, Value};

use crate::auth::impersonation;
use crate::auth::scope::Access;
use crate::calls::arrive;
use crate::compute::operation_error::OperationError;
use crate::compute::zones;
use crate::discovery::{Method, PathParameters, COMPUTE};
use crate::emulator::Emulator;
use crate::error::ApiError;
use crate::faults::{IMPERSONATION, TOKEN};
use crate::fields::Fields;
use crate::schema::{accept_body, check_parameters, Query};
use crate::serve::HangUp;

const SERVICE_PATH: &str = "/compute/v1/";
/// The audience of self-signed tokens.
const AUDIENCE: &str = "https://compute.googleapis.com/";
/// The API's own limit for a request body.
const LARGEST_BODY: usize = 10 * 1024 * 1024;

/// The API's routes.
pub fn router() -> Router<Arc<Emulator>> {
    Router::new()
        .route("/token", post(token))
        .route("/v1/projects/-/serviceAccounts/{target}", post(generate_access_token))
        .route("/compute/v1/{*path}", any(compute))
}

/// A well-formed call of a method.
pub struct Call {
    pub path: PathParameters,
    pub query: Query,
    /// As Compute Engine would keep it.
    pub body: Map<String, Value>,
    /// Injected.
    pub operation_error: Option<OperationError>,
}

async fn token(State(emulator): State<Arc<Emulator>>, form: Bytes) -> Response {
    let began = Instant::now();
    let response = match arrive(&emulator, TOKEN, false).await {
        ControlFlow::Break(response) => response,
        ControlFlow::Continue(arrived) => {
            let granted = emulator.tokens.grant(&emulator.account, &form, emulator.googles_now());
            emulator.changed();
            arrived
                .answer(granted.map_or_else(IntoResponse::into_response, |token| Json(token).into_response()))
        }
    };
    log(&emulator, TOKEN, began, &response);
    dated(&emulator, response)
}

/// Of IAM Service Account Credentials there is this method alone.
async fn generate_access_token(
    State(emulator): State<Arc<Emulator>>,
    Path(target): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let began = Instant::now();
    let Some(email) = target.strip_suffix(":generateAccessToken") else {
        return ApiError::not_implemented(&target).into_response();
    };
    let response = match arrive(&emulator, IMPERSONATION, false).await {
        ControlFlow::Break(response) => response,
        ControlFlow::Continue(arrived) => {
            let (tokens, account, now) = (&emulator.tokens, &emulator.account, emulator.googles_now());
            let authorization = text(&headers, header::AUTHORIZATION);
            let generated =
                impersonation::generate_access_token(tokens, account, authorization, email, &body, now);
            arrived.answer(
                generated.map_or_else(IntoResponse::into_response, |token| Json(token).into_response()),
            )
        }
    };
    log(&emulator, &format!("{IMPERSONATION} {email}"), began, &response);
    dated(&emulator, response)
}

/// The answer with the `Date` that Google's clock shows.
fn dated(emulator: &Emulator, mut response: Response) -> Response {
    let date = httpdate::fmt_http_date(emulator.googles_now());
    if let Ok(date) = date.parse() {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn compute(State(emulator): State<Arc<Emulator>>, request: Request) -> Response {
    let began = Instant::now();
    let target = request.uri().path().trim_start_matches(SERVICE_PATH).to_owned();
    let Some((method, path)) = COMPUTE.find(request.method().as_str(), &target) else {
        let message = format!("The requested URL {} was not found on this server.", request.uri().path());
        return ApiError::new(StatusCode::NOT_FOUND, "notFound", message).into_response();
    };
    let response = match arrive(&emulator, &method.id, method.makes_operation()).await {
        ControlFlow::Break(response) => response,
        ControlFlow::Continue(arrived) => {
            let error = arrived.operation_error.clone();
            let answer = answer(&emulator, method, path, request, error).await;
            arrived.answer(answer.unwrap_or_else(IntoResponse::into_response))
        }
    };
    let place = target.split_once("/zones/").map_or(target.as_str(), |(_, place)| place);
    log(&emulator, &format!("{} {place}", method.id), began, &response);
    response
}

async fn answer(
    emulator: &Arc<Emulator>,
    method: &Method,
    path: PathParameters,
    request: Request,
    operation_error: Option<OperationError>,
) -> Result<Response, ApiError> {
    let authorization = text(request.headers(), header::AUTHORIZATION);
    let scopes = emulator.tokens.scopes(&emulator.account, authorization, AUDIENCE, emulator.googles_now());
    let query =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
    match scopes.ok_or_else(ApiError::unauthenticated)?.compute {
        Some(Access::Full) => {}
        Some(Access::ReadOnly) if request.method() == "GET" => {}
        Some(Access::ReadOnly) | None => return Err(ApiError::insufficient_scopes()),
    }
    let quota_project = text(request.headers(), HeaderName::from_static("x-goog-user-project"));
    if let Some(project) = quota_project.filter(|project| *project != emulator.options.project) {
        return Err(ApiError::no_quota_project(project));
    }
    check_parameters(&COMPUTE, method, &path, &query)?;
    let fields = fields(method, &query)?;
    let body = body(method, request.into_body()).await?;
    check_place(emulator, method, &path)?;
    let call = Call { path, query, body, operation_error };
    let resource = methods::call(emulator, method, &call).await?;
    let Some(resource) = resource else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let resource = fields.map_or_else(|| resource.clone(), |fields| fields.select(&resource));
    Ok(match call.query.get("prettyPrint").map(String::as_str) {
        Some("false" | "0") => Json(resource).into_response(),
        _ => pretty(&resource),
    })
}

fn fields(method: &Method, query: &Query) -> Result<Option<Fields>, ApiError> {
    let response = method.response.as_ref().and_then(|response| COMPUTE.schemas.get(&response.name));
    match (query.get("fields"), response) {
        (Some(text), Some(schema)) => Fields::parse(text, &COMPUTE, schema).map(Some),
        _ => Ok(None),
    }
}

async fn body(method: &Method, body: Body) -> Result<Map<String, Value>, ApiError> {
    let malformed =
        |why: &str| ApiError::invalid_argument("", format!("Invalid JSON payload received. {why}"));
    let bytes =
        axum::body::to_bytes(body, LARGEST_BODY).await.map_err(|_| malformed("The body is too large."))?;
    let given: Value = match bytes.is_empty() {
        true => Value::Object(Map::new()),
        false => serde_json::from_slice(&bytes).map_err(|error| malformed(&error.to_string()))?,
    };
    let accepted = match &method.request {
        Some(schema) => accept_body(&COMPUTE, &schema.name, &given)?,
        None => given,
    };
    match (accepted, &method.request) {
        (Value::Object(body), Some(_)) => Ok(body),
        (Value::Object(body), None) => match body.keys().next() {
            None => Ok(body),
            Some(name) => Err(malformed(&format!("Unknown name \"{name}\": Cannot find field."))),
        },
        _ => Err(malformed("The root element must be a message.")),
    }
}

/// The service account reaches its own project only; public images are everybody's.
fn check_place(emulator: &Emulator, method: &Method, path: &PathParameters) -> Result<(), ApiError> {
    let project = path.get("project").map(String::as_str).unwrap_or_default();
    if project != emulator.options.project && !method.id.starts_with("images.") {
        let mut resource = method.path.replace("{project}", project);
        for (name, value) in path {
            resource = resource.replace(&format!("{{{name}}}"), value);
        }
        return Err(ApiError::forbidden(&format!("compute.{}", method.id), &resource));
    }
    if let Some(region) = path.get("region").filter(|region| !zones::regions().any(|known| known == **region))
    {
        return Err(ApiError::invalid_field("region", region, "Unknown region."));
    }
    path.get("zone").map_or(Ok(()), |zone| zones::region_of(zone).map(|_| ()))
}

/// Google's answers are indented unless `prettyPrint` says no.
fn pretty(resource: &Value) -> Response {
    let text = format!("{resource:#}\n");
    ([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], text).into_response()
}

fn log(emulator: &Emulator, what: &str, began: Instant, response: &Response) {
    let outcome = match response.extensions().get::<HangUp>() {
        Some(_) => "no answer".to_owned(),
        None => response.status().as_u16().to_string(),
    };
    emulator.log.line(format_args!("{what} {outcome} {} ms", began.elapsed().as_millis()));
}
