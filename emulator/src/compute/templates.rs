//! Instance templates: <https://cloud.google.com/compute/docs/instance-templates>.

use serde_json::{json, Map, Value};

use super::place::{path_in_project, Scope};
use super::resource::Collection;
use crate::discovery::COMPUTE;
use crate::error::ApiError;

/// Returns the path below the project of the template that `sourceInstanceTemplate` names.
///
/// # Errors
/// Returns an error if the URL is malformed or names another project.
pub fn path(url: &str, project: &str) -> Result<String, ApiError> {
    let path = path_in_project(url, project, "compute.instanceTemplates.useReadOnly")?;
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["global", "instanceTemplates", name] => Ok(Scope::global().path(Collection::Templates.name(), name)),
        _ => Err(ApiError::invalid_field("sourceInstanceTemplate", url, "The URL is malformed.")),
    }
}

/// Checks the body of `instanceTemplates.insert`.
///
/// # Errors
/// Returns an error if Compute Engine would refuse the template.
pub fn definition(body: Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    if body.contains_key("sourceInstance") {
        return Err(ApiError::not_implemented("sourceInstance in templates"));
    }
    let properties = body.get("properties").and_then(Value::as_object);
    let Some(properties) = properties else {
        return Err(ApiError::required("resource.properties", "A template needs its instance properties."));
    };
    for name in ["machineType", "disks", "networkInterfaces"] {
        if !properties.contains_key(name) {
            let field = format!("resource.properties.{name}");
            return Err(ApiError::required(&field, "It must be given in a template."));
        }
    }
    // "Only the machine type's name": a template belongs to no zone.
    let machine_type = properties.get("machineType").and_then(Value::as_str).unwrap_or_default();
    if machine_type.contains('/') {
        let field = "resource.properties.machineType";
        return Err(ApiError::invalid_field(field, machine_type, "It must be the name of a machine type."));
    }
    Ok(body)
}

/// Merges the body of `instances.insert` into a template's properties. "Override behavior in the
/// Compute Engine API follows the JSON merge patch rules, described by RFC 7396":
/// <https://cloud.google.com/compute/docs/instances/create-vm-from-instance-template>.
pub fn apply(template: &Map<String, Value>, body: Map<String, Value>, zone: &str) -> Map<String, Value> {
    let properties = template.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let known = COMPUTE.schemas.get("Instance").map(|schema| &schema.properties);
    let of_instances = |name: &str| known.is_some_and(|known| known.contains_key(name));
    let mut base: Map<_, _> = properties.into_iter().filter(|(name, _)| of_instances(name)).collect();
    if let Some(name) = base.get("machineType").and_then(Value::as_str) {
        let url = format!("zones/{zone}/machineTypes/{name}");
        base.insert("machineType".into(), json!(url));
    }
    let mut merged = Value::Object(base);
    merge(&mut merged, Value::Object(body));
    match merged {
        Value::Object(merged) => merged,
        _ => unreachable!("an object merged into an object is one"),
    }
}

/// Merges a patch by RFC 7396, without its rule for nulls: Google's JSON treats null as "not
/// given".
fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(target.entry(name).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch,
    }
}
