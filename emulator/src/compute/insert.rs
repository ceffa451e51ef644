//! The body of `instances.insert`, and the defaults that Compute Engine fills in.

use serde_json::{json, Map, Value};

use super::fingerprint::fingerprint;
use super::object::set_default;
use super::place::Place;
use super::{disks, labels, machine_types, network, scheduling};
use crate::error::ApiError;

/// An instance in the form in which Compute Engine stores it, and the disks to create with it.
pub struct Definition {
    pub instance: Map<String, Value>,
    pub disks: Vec<Map<String, Value>>,
}

/// Checks a body that matches the schema, and fills in the API's defaults.
///
/// # Errors
/// Returns an error if Compute Engine would refuse the instance.
pub fn definition(body: Map<String, Value>, place: &Place) -> Result<Definition, ApiError> {
    let mut definition = body;
    let name = match definition.get("name").and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        None => return Err(ApiError::required("resource.name", "Instance name must be given.")),
    };
    let machine_type = machine_types::url(definition.get("machineType").and_then(Value::as_str), place)?;
    definition.insert("machineType".into(), json!(machine_type));
    let disks = disks::prepare_attached(&mut definition, &name, place)?;
    network::prepare_interfaces(&mut definition, place)?;
    labels::check(definition.get("labels"))?;
    let given = definition.get("scheduling").and_then(Value::as_object).cloned().unwrap_or_default();
    definition.insert("scheduling".into(), Value::Object(scheduling::complete(given)?));
    set_default(&mut definition, "canIpForward", json!(false));
    set_default(&mut definition, "deletionProtection", json!(false));
    set_default(&mut definition, "tags", json!({}));
    set_default(&mut definition, "metadata", json!({}));
    definition["metadata"]["kind"] = json!("compute#metadata");
    for part in ["tags", "metadata"] {
        definition[part]["fingerprint"] = fingerprint(&definition[part]);
    }
    let labels = fingerprint(definition.get("labels").unwrap_or(&Value::Null));
    definition.insert("labelFingerprint".into(), labels);
    let whole = fingerprint(&Value::Object(definition.clone()));
    definition.insert("fingerprint".into(), whole);
    Ok(Definition { instance: definition, disks })
}
