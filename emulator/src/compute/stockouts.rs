//! Stockouts: zones that have no machines left,
//! <https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability>.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::instance::Instance;
use super::{machine_types, zones};

/// Machines that are unavailable until the stockout is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stockout {
    /// `None` means every zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    /// `None` means every machine type.
    #[serde(skip_serializing_if = "Option::is_none")]
    machine_type: Option<String>,
    /// `SPOT` or `STANDARD`; `None` means both.
    #[serde(skip_serializing_if = "Option::is_none")]
    provisioning_model: Option<String>,
}

impl Stockout {
    /// Checks the rules that serde cannot check.
    ///
    /// # Errors
    /// Returns a message that names the unknown value.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self { zone: Some(zone), .. } if zones::region_of(zone).is_err() => {
                Err(format!("unknown zone {zone:?}"))
            }
            Self { machine_type: Some(name), .. } if machine_types::find(name).is_none() => {
                Err(format!("unknown machine type {name:?}"))
            }
            Self { provisioning_model: Some(model), .. } if model != "SPOT" && model != "STANDARD" => {
                Err(format!("provisioning_model must be SPOT or STANDARD, not {model:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Returns `true` if an instance is unavailable.
    pub fn applies_to(&self, instance: &Instance) -> bool {
        let model = instance.definition.get("scheduling").and_then(|s| s.get("provisioningModel"));
        let of =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        of(&self.zone, &instance.zone)
            && of(&self.machine_type, instance.machine_type())
            && of(&self.provisioning_model, model.and_then(Value::as_str).unwrap_or("STANDARD"))
    }
}
