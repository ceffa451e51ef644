//! The metadata servers of the instances. Each takes the place of <http://metadata.google.internal>
//! below a path of its own, and has the attributes and a few facts about its instance.
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

/// Returns the routes of the metadata servers.
pub fn router() -> Router<Arc<Emulator>> {
    let of_instance = |path: &str| format!("/emulator/instances/{{name}}/computeMetadata/v1/instance/{path}");
    Router::new()
        .route(&of_instance("{field}"), get(field))
        .route(&of_instance("attributes/"), get(attributes))
        .route(&of_instance("attributes/{key}"), get(attribute))
        .layer(from_fn(require_flavor))
}

/// Refuses requests without `Metadata-Flavor: Google`, which a page in a browser cannot set:
/// "Queries must contain the header Metadata-Flavor: Google".
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
        // Google shows the project's number here; the emulator's project has none.
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

/// Responds with a text about an instance. Names are unique within a zone only; the first zone that
/// has the name wins.
fn respond(emulator: &Emulator, name: &str, read: impl FnOnce(&Instance) -> Option<String>) -> Response {
    let text = emulator.read(|world| world.instances().find(|instance| instance.name == name).and_then(read));
    match text {
        Some(text) => ([(header::CONTENT_TYPE, "application/text")], text).into_response(),
        None => (StatusCode::NOT_FOUND, "There is no such metadata.\n").into_response(),
    }
}
