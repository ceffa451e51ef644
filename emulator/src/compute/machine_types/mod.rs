//! Machine types: <https://cloud.google.com/compute/docs/machine-resource>.

mod table;
#[cfg(test)]
mod tests;

use serde_json::{json, Value};

use self::table::{ARM, CUSTOM, IRREGULAR, ROWS, SHARED_CORE};
use super::place::{resource_path, Place};
use crate::error::ApiError;

/// The hardware of a machine type.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineType {
    pub name: String,
    cpus: u32,
    memory_mb: u32,
}

/// Returns the URL of an instance's machine type.
///
/// # Errors
/// Returns an error if the type is missing, unknown, or of another zone.
pub fn url(given: Option<&str>, place: &Place) -> Result<String, ApiError> {
    let field = "resource.machineType";
    let Some(given) = given else {
        return Err(ApiError::required(field, "Machine type must be given."));
    };
    let refuse = |why: &str| Err(ApiError::invalid_field(field, given, why));
    let path = resource_path(given);
    let parts: Vec<_> = path.split('/').collect();
    let (zone, name) = match parts.as_slice() {
        ["zones", zone, "machineTypes", name] | ["projects", _, "zones", zone, "machineTypes", name] => {
            (*zone, *name)
        }
        _ => return refuse("The URL is malformed."),
    };
    if zone != place.zone {
        return refuse(&format!("The machine type must be in the instance's zone, '{}'.", place.zone));
    }
    match find(name) {
        Some(_) => Ok(format!("{}/zones/{zone}/machineTypes/{name}", place.project_url)),
        None => refuse(&format!("Machine type with name '{name}' does not exist in zone '{zone}'.")),
    }
}

/// Finds a machine type by name, predefined or custom.
pub fn find(name: &str) -> Option<MachineType> {
    predefined().find(|known| known.name == name).or_else(|| custom(name))
}

/// Returns all predefined machine types in the order of their names.
pub fn all() -> Vec<MachineType> {
    let mut all: Vec<_> = predefined().collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

impl MachineType {
    /// Returns the number of vCPUs.
    pub fn cpus(&self) -> u32 {
        self.cpus
    }

    /// Returns the resource as the API shows it. Every zone has every type.
    pub fn resource(&self, place: &Place) -> Value {
        let shared = SHARED_CORE.contains(&self.name.as_str());
        let (disks, gigabytes) = if shared { (16, 3072) } else { (128, 263_168) };
        let arm = ARM.iter().any(|series| self.name.starts_with(series));
        json!({
            "kind": "compute#machineType",
            "id": self.id().to_string(),
            "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
            "name": self.name,
            "description": format!("{} vCPUs, {} GB RAM", self.cpus, f64::from(self.memory_mb) / 1024.0),
            "guestCpus": self.cpus,
            "memoryMb": self.memory_mb,
            "isSharedCpu": shared,
            "architecture": if arm { "ARM64" } else { "X86_64" },
            "imageSpaceGb": 0,
            "maximumPersistentDisks": disks,
            "maximumPersistentDisksSizeGb": gigabytes.to_string(),
            // A name, where other resources have a URL.
            "zone": place.zone,
            "selfLink": format!("{}/zones/{}/machineTypes/{}", place.project_url, place.zone, self.name),
        })
    }

    /// Returns an id, which is different for most names and the same at each start.
    fn id(&self) -> u32 {
        self.name.bytes().fold(1000, |id: u32, byte| id.wrapping_mul(31).wrapping_add(byte.into()))
    }
}

fn predefined() -> impl Iterator<Item = MachineType> {
    let rows = ROWS.iter().flat_map(|(names, gib, sizes)| {
        sizes.iter().map(move |cpus| MachineType {
            name: names.replace("{}", &cpus.to_string()),
            cpus: *cpus,
            memory_mb: memory(names, gib * f64::from(*cpus)),
        })
    });
    let odd = IRREGULAR.iter().map(|(name, cpus, gib)| MachineType {
        name: (*name).to_owned(),
        cpus: *cpus,
        memory_mb: (gib * 1024.0) as u32,
    });
    rows.chain(odd)
}

/// Returns the memory in MiB. The sizes of N1 have fractions of a GiB; all others are rounded down
/// to a whole GiB.
fn memory(names: &str, gib: f64) -> u32 {
    match names.starts_with("n1-") {
        true => (gib * 1024.0).round() as u32,
        false => gib.floor() as u32 * 1024,
    }
}

/// Parses the name of a custom type: `e2-custom-2-4096`, or `custom-2-4096` for N1, with `-ext` at
/// the end for extended memory.
/// <https://cloud.google.com/compute/docs/instances/creating-instance-with-custom-machine-type>
fn custom(name: &str) -> Option<MachineType> {
    let (series, size) =
        name.strip_prefix("custom-").map(|size| ("n1", size)).or_else(|| name.split_once("-custom-"))?;
    let (cpus, memory) = size.strip_suffix("-ext").unwrap_or(size).split_once('-')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let cpus: u32 = match (series, cpus) {
        ("e2", "micro" | "small" | "medium") => 2,
        _ => number(cpus)?,
    };
    let memory_mb: u32 = number(memory)?;
    // "1 vCPU or an even number", and memory in steps of 256 MB.
    let exists = CUSTOM.contains(&series)
        && (cpus == 1 || cpus > 0 && cpus.is_multiple_of(2))
        && memory_mb > 0
        && memory_mb.is_multiple_of(256);
    exists.then(|| MachineType { name: name.to_owned(), cpus, memory_mb })
}
