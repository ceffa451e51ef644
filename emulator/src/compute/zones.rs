//! The regions and zones: <https://cloud.google.com/compute/docs/regions-zones>.

use serde_json::{json, Value};

use crate::error::ApiError;

/// The regions, each with the letters of its zones.
const REGIONS: [(&str, &str); 42] = [
    ("africa-south1", "abc"),
    ("asia-east1", "abc"),
    ("asia-east2", "abc"),
    ("asia-northeast1", "abc"),
    ("asia-northeast2", "abc"),
    ("asia-northeast3", "abc"),
    ("asia-south1", "abc"),
    ("asia-south2", "abc"),
    ("asia-southeast1", "abc"),
    ("asia-southeast2", "abc"),
    ("australia-southeast1", "abc"),
    ("australia-southeast2", "abc"),
    ("europe-central2", "abc"),
    ("europe-north1", "abc"),
    ("europe-north2", "abc"),
    ("europe-southwest1", "abc"),
    ("europe-west1", "bcd"),
    ("europe-west10", "abc"),
    ("europe-west12", "abc"),
    ("europe-west2", "abc"),
    ("europe-west3", "abc"),
    ("europe-west4", "abc"),
    ("europe-west6", "abc"),
    ("europe-west8", "abc"),
    ("europe-west9", "abc"),
    ("me-central1", "abc"),
    ("me-central2", "abc"),
    ("me-west1", "abc"),
    ("northamerica-northeast1", "abc"),
    ("northamerica-northeast2", "abc"),
    ("northamerica-south1", "abc"),
    ("southamerica-east1", "abc"),
    ("southamerica-west1", "abc"),
    ("us-central1", "abcf"),
    ("us-east1", "bcd"),
    ("us-east4", "abc"),
    ("us-east5", "abc"),
    ("us-south1", "abc"),
    ("us-west1", "abc"),
    ("us-west2", "abc"),
    ("us-west3", "abc"),
    ("us-west4", "abc"),
];

/// Returns the region of a zone.
///
/// # Errors
/// Returns an error if the zone does not exist.
pub fn region_of(zone: &str) -> Result<&str, ApiError> {
    let exists = |region: &str, letter: &str| {
        REGIONS.iter().any(|(name, letters)| *name == region && letter.len() == 1 && letters.contains(letter))
    };
    match zone.rsplit_once('-') {
        Some((region, letter)) if exists(region, letter) => Ok(region),
        _ => Err(ApiError::invalid_field("zone", zone, "Unknown zone.")),
    }
}

/// Returns the names of all regions, in order.
pub fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().map(|(name, _)| *name)
}

/// Returns a region as the API shows it, with its quotas.
///
/// # Errors
/// Returns an error if the region does not exist.
pub fn region_resource(project_url: &str, region: &str, quotas: &Value) -> Result<Value, ApiError> {
    let Some((index, (_, letters))) = REGIONS.iter().enumerate().find(|(_, (name, _))| *name == region)
    else {
        return Err(ApiError::invalid_field("region", region, "Unknown region."));
    };
    let zones: Vec<_> = letters.chars().map(|zone| format!("{project_url}/zones/{region}-{zone}")).collect();
    Ok(json!({
        "kind": "compute#region",
        "id": (1000 + index).to_string(),
        "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
        "name": region,
        "description": region,
        "status": "UP",
        "zones": zones,
        "quotas": quotas,
        "selfLink": format!("{project_url}/regions/{region}"),
    }))
}

/// Returns the names of all zones, in order.
pub fn names() -> impl Iterator<Item = String> {
    REGIONS
        .iter()
        .flat_map(|(region, letters)| letters.chars().map(move |letter| format!("{region}-{letter}")))
}

/// Returns a zone as the API shows it.
///
/// # Errors
/// Returns an error if the zone does not exist.
pub fn resource(project_url: &str, zone: &str) -> Result<Value, ApiError> {
    let region = region_of(zone)?;
    let id = names().position(|name| name == zone).unwrap_or_default() + 2000;
    Ok(json!({
        "kind": "compute#zone",
        "id": id.to_string(),
        "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
        "name": zone,
        "description": zone,
        "status": "UP",
        "region": format!("{project_url}/regions/{region}"),
        "selfLink": format!("{project_url}/zones/{zone}"),
    }))
}
