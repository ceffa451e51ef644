//! The methods that answer with a list.

use serde_json::{json, Value};

use super::filter::Filter;
use super::Call;
use crate::compute::place::Place;
use crate::compute::{machine_types, zones as all_zones};
use crate::discovery::COMPUTE;
use crate::emulator::Emulator;
use crate::error::ApiError;

/// `instances.list`.
///
/// # Errors
/// A query that the emulator does not know.
pub fn instances(emulator: &Emulator, call: &Call) -> Result<Value, ApiError> {
    let (zone, url) = (call.path("zone"), emulator.project_url());
    let items = emulator.look(|world| {
        world.instances().filter(|i| i.zone == zone).map(|i| (i.name.clone(), i.resource(&url))).collect()
    });
    page(emulator, call, "Instance", &format!("zones/{zone}/instances"), items)
}

/// `zoneOperations.list`.
///
/// # Errors
/// A query that the emulator does not know.
pub fn operations(emulator: &Emulator, call: &Call) -> Result<Value, ApiError> {
    let zone = call.path("zone");
    let (url, user) = (emulator.project_url(), &emulator.account.email);
    let items = emulator.look(|world| {
        let here = world.operations().filter(|operation| operation.zone == zone);
        here.map(|operation| (operation.name.clone(), operation.resource(&url, user))).collect()
    });
    page(emulator, call, "Operation", &format!("zones/{zone}/operations"), items)
}

/// `zones.list`.
///
/// # Errors
/// A query that the emulator does not know.
pub fn zones(emulator: &Emulator, call: &Call) -> Result<Value, ApiError> {
    let url = emulator.project_url();
    let items =
        all_zones::names().filter_map(|name| Some((name.clone(), all_zones::resource(&url, &name).ok()?)));
    page(emulator, call, "Zone", "zones", items.collect())
}

/// `machineTypes.list`.
///
/// # Errors
/// A query that the emulator does not know.
pub fn machine_types(emulator: &Emulator, call: &Call) -> Result<Value, ApiError> {
    let (zone, project_url) = (call.path("zone"), emulator.project_url());
    let place = Place { project: &emulator.options.project, zone, project_url: &project_url };
    let items = machine_types::all().into_iter().map(|known| (known.name.clone(), known.resource(&place)));
    page(emulator, call, "MachineType", &format!("zones/{zone}/machineTypes"), items.collect())
}

/// A page of a list that is in the order of its names; the next page begins after the token, which is a
/// name.
fn page(
    emulator: &Emulator,
    call: &Call,
    schema: &str,
    path: &str,
    items: Vec<(String, Value)>,
) -> Result<Value, ApiError> {
    let query = &call.query;
    if query.contains_key("orderBy") {
        return Err(ApiError::not_implemented("orderBy in lists"));
    }
    let filter = match (query.get("filter"), COMPUTE.schemas.get(schema)) {
        (Some(text), Some(schema)) => Some(Filter::parse(text, &COMPUTE, schema)?),
        _ => None,
    };
    let size = match query.get("maxResults").and_then(|size| size.parse().ok()) {
        None | Some(0) => 500,
        Some(size) => size,
    };
    let after = query.get("pageToken");
    let mut rest = items
        .into_iter()
        .filter(|(name, item)| {
            after.is_none_or(|after| name > after) && filter.as_ref().is_none_or(|filter| filter.takes(item))
        })
        .peekable();
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let project = &emulator.options.project;
    let kind = COMPUTE.schemas.get(&format!("{schema}List")).and_then(|list| list.properties.get("kind"));
    let mut list = json!({
        "kind": kind.and_then(|kind| kind.default.as_deref()),
        "id": format!("projects/{project}/{path}"),
        "selfLink": format!("{}/{path}", emulator.project_url()),
    });
    if let (Some((last, _)), Some(_)) = (page.last(), rest.peek()) {
        list["nextPageToken"] = json!(last);
    }
    // Google leaves an empty list out.
    if !page.is_empty() {
        list["items"] = page.into_iter().map(|(_, item)| item).collect();
    }
    Ok(list)
}
