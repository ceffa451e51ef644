//! The metadata servers of the instances, in the place of <http://metadata.google.internal>: each below a path of its
//! own, as far as attributes go and the instance's own name.
//!
//! See <https://cloud.google.com/compute/docs/metadata/querying-metadata>.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{header, StatusCode};
use axum::middleware::{from_fn, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::Router;
use serde_json::Value;

use crate::compute::instance::Instance;
use crate::emulator::Emulator;

const FLAVOR: &str = "metadata-flavor";

/// The metadata servers' routes.
pub fn router() -> Router<Arc<Emulator>> {
    let of_instance = |path: &str| format!("/emulator/instances/{{name}}/computeMetadata/v1/instance/{path}");
    Router::new()
        .route(&of_instance("{field}"), get(field))
        .route(&of_instance("attributes/"), get(attributes))
        .route(&of_instance("attributes/{key}"), get(attribute))
        .layer(from_fn(require_flavor))
}

/// "Queries must contain the header Metadata-Flavor: Google", so that no page in a browser reads it.
async fn require_flavor(request: Request, next: Next) -> Response {
    let mut response = if request.headers().get(FLAVOR).is_some_and(|flavor| flavor == "Google") {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "Missing Metadata-Flavor:Google header.\n").into_response()
    };
    response.headers_mut().insert(FLAVOR, header::HeaderValue::from_static("Google"));
    response
}

async fn field(
    State(emulator): State<Arc<Emulator>>,
    Path((name, field)): Path<(String, String)>,
) -> Response {
    let project = &emulator.options.project;
    respond(&emulator, &name, |instance| match field.as_str() {
        "name" => Some(instance.name.clone()),
        "id" => Some(instance.id.to_string()),
        // Google has the project's number here, which the emulator's has not.
        "zone" => Some(format!("projects/{project}/zones/{}", instance.zone)),
        _ => None,
    })
}

async fn attributes(State(emulator): State<Arc<Emulator>>, Path(name): Path<String>) -> Response {
    respond(&emulator, &name, |instance| {
        let items = instance.definition.get("metadata").and_then(|metadata| metadata.get("items"));
        let keys =
            items.and_then(Value::as_array).into_iter().flatten().filter_map(|item| item["key"].as_str());
        Some(keys.map(|key| format!("{key}\n")).collect())
    })
}

async fn attribute(
    State(emulator): State<Arc<Emulator>>,
    Path((name, key)): Path<(String, String)>,
) -> Response {
    respond(&emulator, &name, |instance| instance.metadata(&key).map(str::to_owned))
}

/// Names are unique in a zone only; here the first of that name is meant.
fn respond(emulator: &Emulator, name: &str, read: impl FnOnce(&Instance) -> Option<String>) -> Response {
    let text = emulator.read(|world| world.instances().find(|instance| instance.name == name).and_then(read));
    match text {
        Some(text) => ([(header::CONTENT_TYPE, "application/text")], text).into_response(),
        None => (StatusCode::NOT_FOUND, "There is no such metadata.\n").into_response(),
    }
}
