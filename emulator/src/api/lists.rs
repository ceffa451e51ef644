//! The methods that return a list.

use serde_json::{json, Value};

use super::call::Call;
use super::filter::Filter;
use crate::compute::place::Place;
use crate::compute::resource::{Collection, Resource};
use crate::compute::{machine_types, zones as all_zones};
use crate::discovery::COMPUTE;
use crate::emulator::Emulator;
use crate::error::ApiError;

/// `instances.list`.
///
/// # Errors
/// Returns an error if the query is invalid or not supported.
pub fn instances(emulator: &Emulator, call: &Call) -> Result<Value, ApiError> {
    let (zone, url) = (call.path("zone"), emulator.project_url());
    let items = emulator.read(|world| {
        world.instances().filter(|i| i.zone == zone).map(|i| (i.name.clone(), i.resource(&url))).collect()
    });
    page(emulator, call, "Instance", &format!("zones/{zone}/instances"), items)
}

/// `instances.aggregatedList`, of the zones that have instances.
///
/// # Errors
/// Returns an error if the query is invalid or not supported.
pub fn all_instances(emulator: &Emulator, call: &Call) -> Result<Value, ApiError> {
    let url = emulator.project_url();
    let items = emulator.read(|world| world.instances().map(|i| (i.path(), i.resource(&url))).collect());
    let mut list = page(emulator, call, "Instance", "aggregated/instances", items)?;
    list["kind"] = json!("compute#instanceAggregatedList");
    if let Some(Value::Array(instances)) = list.get_mut("items").map(Value::take) {
        let mut zones = json!({});
        for instance in instances {
            let name = instance["zone"].as_str().and_then(|zone| zone.rsplit('/').next()).unwrap_or_default();
            let zone = &mut zones[format!("zones/{name}")]["instances"];
            match zone.as_array_mut() {
                Some(others) => others.push(instance),
                None => *zone = json!([instance]),
            }
        }
        list["items"] = zones;
    }
    Ok(list)
}

/// `zoneOperations.list`, `regionOperations.list` and `globalOperations.list`.
///
/// # Errors
/// Returns an error if the query is invalid or not supported.
pub fn operations(emulator: &Emulator, call: &Call) -> Result<Value, ApiError> {
    let scope = call.scope();
    let (url, user) = (emulator.project_url(), &emulator.account.email);
    let items = emulator.read(|world| {
        let here = world.operations().filter(|operation| operation.scope == scope);
        here.map(|operation| (operation.name.clone(), operation.resource(&url, user))).collect()
    });
    page(emulator, call, "Operation", &format!("{scope}/operations"), items)
}

/// `disks.list`, `addresses.list` and `instanceTemplates.list`.
///
/// # Errors
/// Returns an error if the query is invalid or not supported.
pub fn resources(emulator: &Emulator, call: &Call, method: &str) -> Result<Value, ApiError> {
    let Some(collection) = Collection::of_method(method) else {
        return Err(ApiError::not_implemented(method));
    };
    let (scope, url) = (call.scope(), emulator.project_url());
    let items = emulator.read(|world| {
        let named = |resource: &Resource| {
            (resource.name().to_owned(), resource.resource(&url, &world.users(resource)))
        };
        world.resources(&scope, collection).map(named).collect()
    });
    page(emulator, call, collection.schema(), &format!("{scope}/{}", collection.name()), items)
}

/// `regions.list`.
///
/// # Errors
/// Returns an error if the query is invalid or not supported.
pub fn regions(emulator: &Emulator, call: &Call) -> Result<Value, ApiError> {
    let url = emulator.project_url();
    let items = emulator.read(|world| {
        let region = |name: &'static str| {
            let quotas = world.quotas.resource(name, &world.usage(name));
            Some((name.to_owned(), all_zones::region_resource(&url, name, &quotas).ok()?))
        };
        all_zones::regions().filter_map(region).collect()
    });
    page(emulator, call, "Region", "regions", items)
}

/// `zones.list`.
///
/// # Errors
/// Returns an error if the query is invalid or not supported.
pub fn zones(emulator: &Emulator, call: &Call) -> Result<Value, ApiError> {
    let url = emulator.project_url();
    let items =
        all_zones::names().filter_map(|name| Some((name.clone(), all_zones::resource(&url, &name).ok()?)));
    page(emulator, call, "Zone", "zones", items.collect())
}

/// `machineTypes.list`.
///
/// # Errors
/// Returns an error if the query is invalid or not supported.
pub fn machine_types(emulator: &Emulator, call: &Call) -> Result<Value, ApiError> {
    let (zone, project_url) = (call.path("zone"), emulator.project_url());
    let place = Place { project: &emulator.options.project, zone, project_url: &project_url };
    let items = machine_types::all().into_iter().map(|known| (known.name.clone(), known.resource(&place)));
    page(emulator, call, "MachineType", &format!("zones/{zone}/machineTypes"), items.collect())
}

/// Returns a page of a list. A page token is the position of the last item of the page before.
fn page(
    emulator: &Emulator,
    call: &Call,
    schema: &str,
    path: &str,
    items: Vec<(String, Value)>,
) -> Result<Value, ApiError> {
    let query = &call.query;
    let order = Order::parse(query.get("orderBy").map(String::as_str).unwrap_or_default())?;
    let mut items: Vec<_> =
        items.into_iter().map(|(name, item)| (order.position(name, &item), item)).collect();
    items.sort_by(|(one, _), (other, _)| one.cmp(other));
    let filter = match (query.get("filter"), COMPUTE.schemas.get(schema)) {
        (Some(text), Some(schema)) => Some(Filter::parse(text, &COMPUTE, schema)?),
        _ => None,
    };
    let size = match query.get("maxResults").and_then(|size| size.parse().ok()) {
        None | Some(0) => LARGEST_PAGE,
        Some(size @ 1..=LARGEST_PAGE) => size,
        Some(size) => {
            let why = format!("Values should be less than or equal to {LARGEST_PAGE}.");
            return Err(ApiError::invalid_field("maxResults", &size.to_string(), &why));
        }
    };
    let after = query.get("pageToken");
    let mut rest = items
        .into_iter()
        .filter(|(position, item)| {
            after.is_none_or(|after| position > after)
                && filter.as_ref().is_none_or(|filter| filter.matches(item))
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
    // Google omits an empty list.
    if !page.is_empty() {
        list["items"] = page.into_iter().map(|(_, item)| item).collect();
    }
    Ok(list)
}

/// "Acceptable values are 0 to 500, inclusive."
const LARGEST_PAGE: usize = 500;

/// "Currently, only sorting by `name` or `creationTimestamp desc` is supported."
#[derive(Clone, Copy)]
enum Order {
    Name,
    NewestFirst,
}

impl Order {
    fn parse(text: &str) -> Result<Self, ApiError> {
        match text {
            "" | "name" => Ok(Self::Name),
            "creationTimestamp desc" => Ok(Self::NewestFirst),
            _ => {
                let why = "Only 'name' and 'creationTimestamp desc' are known.";
                Err(ApiError::invalid_field("orderBy", text, why))
            }
        }
    }

    /// Returns the position of an item, as a string that sorts in this order. Ids grow with time.
    fn position(self, name: String, item: &Value) -> String {
        match self {
            Self::Name => name,
            Self::NewestFirst => {
                let id = item["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or(0);
                format!("{:020}", u64::MAX - id)
            }
        }
    }
}
