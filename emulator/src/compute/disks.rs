//! The disks of instances: <https://cloud.google.com/compute/docs/reference/rest/v1/disks>.

use serde_json::{json, Map, Value};

use super::fingerprint::fingerprint;
use super::labels;
use super::object::{array_mut, set_default};
use super::place::{path_in_project, resource_path, Place};
use crate::error::ApiError;

/// Checks the disks in the body of `instances.insert` and fills in the API's defaults. Returns the
/// disks to create.
///
/// # Errors
/// Returns an error if Compute Engine would refuse a disk.
pub fn prepare_attached(
    definition: &mut Map<String, Value>,
    instance: &str,
    place: &Place,
) -> Result<Vec<Map<String, Value>>, ApiError> {
    let disks = array_mut(definition, "disks");
    if disks.is_empty() {
        return Err(ApiError::required("resource.disks", "No disks are specified."));
    }
    if disks[0].get("boot") != Some(&json!(true)) {
        let why = "Boot disk must be the first disk attached to the instance.";
        return Err(ApiError::invalid_field("resource.disks[0].boot", "false", why));
    }
    let mut made = Vec::new();
    for (index, disk) in disks.iter_mut().enumerate() {
        let Some(disk) = disk.as_object_mut() else { continue };
        match disk.get("source").and_then(Value::as_str) {
            Some(source) => {
                let path = existing_disk_path(source, index, place)?;
                disk.insert("source".into(), json!(format!("{}/{path}", place.project_url)));
            }
            None => made.push(new_disk(disk, index, instance, place)?),
        }
        set_default(disk, "deviceName", json!(format!("persistent-disk-{index}")));
        set_default(disk, "autoDelete", json!(false));
        set_default(disk, "boot", json!(false));
        set_default(disk, "interface", json!("SCSI"));
        set_default(disk, "mode", json!("READ_WRITE"));
        set_default(disk, "type", json!("PERSISTENT"));
        disk.insert("index".into(), json!(index));
        disk.insert("kind".into(), json!("compute#attachedDisk"));
    }
    Ok(made)
}

/// Checks the body of `disks.insert` and fills in the API's defaults.
///
/// # Errors
/// Returns an error if Compute Engine would refuse the disk.
pub fn definition(mut body: Map<String, Value>, place: &Place) -> Result<Map<String, Value>, ApiError> {
    if let Some(image) = body.get("sourceImage").and_then(Value::as_str) {
        let url = image_url(image, "resource.sourceImage", place)?;
        body.insert("sourceImage".into(), json!(url));
    }
    set_default(&mut body, "sizeGb", json!("10"));
    let kind = body.get("type").and_then(Value::as_str).unwrap_or("pd-standard").to_owned();
    body.insert("type".into(), json!(type_url(&kind, place)));
    set_default(&mut body, "physicalBlockSizeBytes", json!("4096"));
    labels::check(body.get("labels"))?;
    let labels = fingerprint(body.get("labels").unwrap_or(&Value::Null));
    body.insert("labelFingerprint".into(), labels);
    Ok(body)
}

/// Returns the path below the project of an existing disk.
fn existing_disk_path<'a>(source: &'a str, index: usize, place: &Place) -> Result<&'a str, ApiError> {
    let field = format!("resource.disks[{index}].source");
    let path = path_in_project(source, place.project, "compute.disks.use")?;
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["zones", zone, "disks", _] if *zone == place.zone => Ok(path),
        ["zones", _, "disks", _] => {
            let why = format!("The disk must be in the instance's zone, '{}'.", place.zone);
            Err(ApiError::invalid_field(&field, source, &why))
        }
        _ => Err(ApiError::invalid_field(&field, source, "The URL is malformed.")),
    }
}

/// Returns a disk to create: from an image or a snapshot, which a boot disk requires, or empty.
fn new_disk(
    attached: &mut Map<String, Value>,
    index: usize,
    instance: &str,
    place: &Place,
) -> Result<Map<String, Value>, ApiError> {
    // Input only: the API does not return it.
    let parameters = attached.remove("initializeParams").unwrap_or_default();
    let field = format!("resource.disks[{index}]");
    let mut disk = Map::new();
    match parameters.get("sourceImage").and_then(Value::as_str) {
        Some(image) => {
            let url = image_url(image, &format!("{field}.initializeParams.sourceImage"), place)?;
            disk.insert("sourceImage".into(), json!(url));
        }
        None if index == 0 && parameters.get("sourceSnapshot").is_none() => {
            let why = "Boot disk must have a source specified: source or initializeParams.sourceImage.";
            return Err(ApiError::required(&field, why));
        }
        None => {}
    }
    for name in ["sourceSnapshot", "labels", "description", "provisionedIops", "provisionedThroughput"] {
        if let Some(value) = parameters.get(name) {
            disk.insert(name.into(), value.clone());
        }
    }
    let size = attached.get("diskSizeGb").or(parameters.get("diskSizeGb")).cloned().unwrap_or(json!("10"));
    disk.insert("sizeGb".into(), size.clone());
    set_default(attached, "diskSizeGb", size);
    if let Some(kind) = parameters.get("diskType") {
        disk.insert("type".into(), kind.clone());
    }
    let own_name = if index == 0 { instance.to_owned() } else { format!("{instance}-{index}") };
    let name = parameters.get("diskName").and_then(Value::as_str).unwrap_or(&own_name);
    disk.insert("name".into(), json!(name));
    attached
        .insert("source".into(), json!(format!("{}/zones/{}/disks/{name}", place.project_url, place.zone)));
    definition(disk, place)
}

/// Returns the URL of a disk type. Templates name the type alone.
fn type_url(given: &str, place: &Place) -> String {
    let name = resource_path(given).rsplit('/').next().unwrap_or_default();
    format!("{}/zones/{}/diskTypes/{name}", place.project_url, place.zone)
}

fn image_url(given: &str, field: &str, place: &Place) -> Result<String, ApiError> {
    let path = resource_path(given);
    let root = place.project_url.split_once("/projects/").map_or("", |(root, _)| root);
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["global", "images", _] | ["global", "images", "family", _] => {
            Ok(format!("{}/{path}", place.project_url))
        }
        ["projects", _, "global", "images", _] | ["projects", _, "global", "images", "family", _] => {
            Ok(format!("{root}/{path}"))
        }
        _ => Err(ApiError::invalid_field(field, given, "The URL is malformed.")),
    }
}
