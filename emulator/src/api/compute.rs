//! `/compute/v1/…`: finds the called method, checks the request, and writes the response.
//!
//! The discovery document decides which method a request calls and whether the request is
//! well-formed. [`methods`] executes the method.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{header, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::Json;
use serde_json::{Map, Value};

use super::call::Call;
use super::fields::Fields;
use super::methods;
use super::schema::{accept_body, check_parameters, Query};
use crate::admission::{admit, log_call};
use crate::auth::scope::Access;
use crate::compute::operation_error::OperationError;
use crate::compute::zones;
use crate::discovery::{Method, PathParameters, COMPUTE};
use crate::emulator::Emulator;
use crate::error::ApiError;
use crate::http::header_text;

const SERVICE_PATH: &str = "/compute/v1/";
/// The audience of self-signed tokens for this API.
const AUDIENCE: &str = "https://compute.googleapis.com/";
/// The API's own limit for a request body.
const LARGEST_BODY: usize = 10 * 1024 * 1024;

/// Serves a request of the Compute Engine API.
pub async fn handle(State(emulator): State<Arc<Emulator>>, request: Request) -> Response {
    let began = Instant::now();
    let target = request.uri().path().trim_start_matches(SERVICE_PATH).to_owned();
    let Some((method, path)) = COMPUTE.find(request.method().as_str(), &target) else {
        let message = format!("The requested URL {} was not found on this server.", request.uri().path());
        return ApiError::new(StatusCode::NOT_FOUND, "notFound", message).into_response();
    };
    let response = match admit(&emulator, &method.id, method.makes_operation()).await {
        ControlFlow::Break(response) => response,
        ControlFlow::Continue(admitted) => {
            let error = admitted.operation_error.clone();
            let response = respond(&emulator, method, path, request, error).await;
            admitted.respond(response.unwrap_or_else(IntoResponse::into_response))
        }
    };
    let place = target.split_once("/zones/").map_or(target.as_str(), |(_, place)| place);
    log_call(&emulator, &format!("{} {place}", method.id), began, &response);
    response
}

async fn respond(
    emulator: &Arc<Emulator>,
    method: &Method,
    path: PathParameters,
    request: Request,
    operation_error: Option<OperationError>,
) -> Result<Response, ApiError> {
    check_access(emulator, &request)?;
    let query =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
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

/// Checks that the token allows the request, and that the quota project is the caller's own.
fn check_access(emulator: &Emulator, request: &Request) -> Result<(), ApiError> {
    let authorization = header_text(request.headers(), header::AUTHORIZATION);
    let scopes = emulator.tokens.scopes(&emulator.account, authorization, AUDIENCE, emulator.google_now());
    match scopes.ok_or_else(ApiError::unauthenticated)?.compute {
        Some(Access::Full) => {}
        Some(Access::ReadOnly) if request.method() == "GET" => {}
        Some(Access::ReadOnly) | None => return Err(ApiError::insufficient_scopes()),
    }
    let quota_project = header_text(request.headers(), HeaderName::from_static("x-goog-user-project"));
    match quota_project.filter(|project| *project != emulator.options.project) {
        Some(project) => Err(ApiError::no_quota_project(project)),
        None => Ok(()),
    }
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

/// Checks that the path names the service account's own project, a known region and a known zone.
/// Images may be read in every project.
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

/// Indents a response, as Google does unless `prettyPrint` is false.
fn pretty(resource: &Value) -> Response {
    let text = format!("{resource:#}\n");
    ([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], text).into_response()
}
