//! What `instances.insert` asks for, and what it leaves to Compute Engine.

use serde_json::{json, Map, Value};

use super::fingerprint::fingerprint;
use super::place::{resource_path, Place};
use super::{machine_types, scheduling, zones};
use crate::error::ApiError;

/// Checks a body that fits the schema and fills in what the API fills in.
///
/// # Errors
/// What Compute Engine refuses.
pub fn definition(body: Map<String, Value>, place: &Place) -> Result<Map<String, Value>, ApiError> {
    let mut definition = body;
    let name = match definition.get("name").and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        None => return Err(ApiError::required("resource.name", "Instance name must be given.")),
    };
    let machine_type = machine_types::url(definition.get("machineType").and_then(Value::as_str), place)?;
    definition.insert("machineType".into(), json!(machine_type));
    disks(&mut definition, &name, place)?;
    network_interfaces(&mut definition, place)?;
    let given = definition.get("scheduling").and_then(Value::as_object).cloned().unwrap_or_default();
    definition.insert("scheduling".into(), Value::Object(scheduling::complete(given)?));
    default(&mut definition, "canIpForward", json!(false));
    default(&mut definition, "deletionProtection", json!(false));
    default(&mut definition, "tags", json!({}));
    default(&mut definition, "metadata", json!({}));
    definition["metadata"]["kind"] = json!("compute#metadata");
    for part in ["tags", "metadata"] {
        definition[part]["fingerprint"] = fingerprint(&definition[part]);
    }
    let labels = fingerprint(definition.get("labels").unwrap_or(&Value::Null));
    definition.insert("labelFingerprint".into(), labels);
    let whole = fingerprint(&Value::Object(definition.clone()));
    definition.insert("fingerprint".into(), whole);
    Ok(definition)
}

/// Gives each network interface an address in its network, different for most ids.
pub fn with_private_addresses(mut definition: Map<String, Value>, id: u64) -> Map<String, Value> {
    for (index, interface) in list(&mut definition, "networkInterfaces").iter_mut().enumerate() {
        if interface.get("networkIP").is_none() {
            let host = id.wrapping_add(index as u64) % 250 + 2;
            interface["networkIP"] = json!(format!("10.128.{index}.{host}"));
        }
    }
    definition
}

fn disks(definition: &mut Map<String, Value>, instance: &str, place: &Place) -> Result<(), ApiError> {
    let disks = list(definition, "disks");
    if disks.is_empty() {
        return Err(ApiError::required("resource.disks", "No disks are specified."));
    }
    if disks[0].get("boot") != Some(&json!(true)) {
        let why = "Boot disk must be the first disk attached to the instance.";
        return Err(ApiError::invalid_field("resource.disks[0].boot", "false", why));
    }
    for (index, disk) in disks.iter_mut().enumerate() {
        disk_source(disk, index, instance, place)?;
        let Some(disk) = disk.as_object_mut() else { continue };
        // Input only: the API does not give it back.
        let parameters = disk.remove("initializeParams").unwrap_or_default();
        let size = parameters.get("diskSizeGb").cloned().unwrap_or(json!("10"));
        default(disk, "diskSizeGb", size);
        default(disk, "deviceName", json!(format!("persistent-disk-{index}")));
        default(disk, "autoDelete", json!(false));
        default(disk, "boot", json!(false));
        default(disk, "interface", json!("SCSI"));
        default(disk, "mode", json!("READ_WRITE"));
        default(disk, "type", json!("PERSISTENT"));
        disk.insert("index".into(), json!(index));
        disk.insert("kind".into(), json!("compute#attachedDisk"));
    }
    Ok(())
}

/// A disk exists already, or is made from an image or a snapshot (the boot disk), or empty.
fn disk_source(disk: &mut Value, index: usize, instance: &str, place: &Place) -> Result<(), ApiError> {
    if disk.get("source").is_some() {
        return Ok(());
    }
    let parameters = disk.get("initializeParams").cloned().unwrap_or_default();
    let field = format!("resource.disks[{index}].initializeParams.sourceImage");
    match parameters.get("sourceImage").and_then(Value::as_str) {
        Some(image) if !is_image(image) => {
            return Err(ApiError::invalid_field(&field, image, "The URL is malformed."))
        }
        None if index == 0 && parameters.get("sourceSnapshot").is_none() => {
            let why = "Boot disk must have a source specified: source or initializeParams.sourceImage.";
            return Err(ApiError::required(&format!("resource.disks[{index}]"), why));
        }
        _ => {}
    }
    let own_name = if index == 0 { instance.to_owned() } else { format!("{instance}-{index}") };
    let name = parameters.get("diskName").and_then(Value::as_str).unwrap_or(&own_name);
    disk["source"] = json!(format!("{}/zones/{}/disks/{name}", place.project_url, place.zone));
    Ok(())
}

fn is_image(url: &str) -> bool {
    let path = resource_path(url);
    let parts: Vec<_> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        ["global", "images", _]
            | ["global", "images", "family", _]
            | ["projects", _, "global", "images", _]
            | ["projects", _, "global", "images", "family", _]
    )
}

fn network_interfaces(definition: &mut Map<String, Value>, place: &Place) -> Result<(), ApiError> {
    let region = zones::region_of(place.zone)?;
    let interfaces = list(definition, "networkInterfaces");
    if interfaces.is_empty() {
        let why = "At least one network interface is required.";
        return Err(ApiError::required("resource.networkInterfaces", why));
    }
    for (index, interface) in interfaces.iter_mut().enumerate() {
        access_configs(interface, index)?;
        let Some(interface) = interface.as_object_mut() else { continue };
        let url = place.project_url;
        default(interface, "network", json!(format!("{url}/global/networks/default")));
        default(interface, "subnetwork", json!(format!("{url}/regions/{region}/subnetworks/default")));
        default(interface, "stackType", json!("IPV4_ONLY"));
        for name in ["network", "subnetwork"] {
            let path = interface[name].as_str().map(resource_path).unwrap_or_default().to_owned();
            let path = path.strip_prefix(&format!("projects/{}/", place.project)).unwrap_or(&path).to_owned();
            if !path.starts_with("projects/") {
                interface.insert(name.into(), json!(format!("{url}/{path}")));
            }
        }
        interface.insert("name".into(), json!(format!("nic{index}")));
        interface.insert("kind".into(), json!("compute#networkInterface"));
        let fingerprint = fingerprint(&Value::Object(interface.clone()));
        interface.insert("fingerprint".into(), fingerprint);
    }
    Ok(())
}

fn access_configs(interface: &mut Value, index: usize) -> Result<(), ApiError> {
    let Some(configs) = interface.get_mut("accessConfigs").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    if configs.len() > 1 {
        let field = format!("resource.networkInterfaces[{index}].accessConfigs");
        return Err(ApiError::invalid_field(&field, "", "At most one access config currently supported."));
    }
    for config in configs.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(address) = config.get("natIP").and_then(Value::as_str) {
            let field = format!("resource.networkInterfaces[{index}].accessConfigs[0].natIP");
            let why = format!("The specified external IP address '{address}' was not found.");
            return Err(ApiError::invalid_field(&field, address, &why));
        }
        config.insert("kind".into(), json!("compute#accessConfig"));
        default(config, "name", json!("external-nat"));
        default(config, "type", json!("ONE_TO_ONE_NAT"));
        default(config, "networkTier", json!("PREMIUM"));
    }
    Ok(())
}

fn list<'a>(definition: &'a mut Map<String, Value>, name: &str) -> &'a mut Vec<Value> {
    match definition.entry(name).or_insert_with(|| json!([])) {
        Value::Array(elements) => elements,
        _ => unreachable!("the schema has a list at {name}"),
    }
}

fn default(object: &mut Map<String, Value>, name: &str, value: Value) {
    object.entry(name).or_insert(value);
}
