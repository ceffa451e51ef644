//! The duration of the phases of an instance's life.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The milliseconds that each phase takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Timing {
    /// PROVISIONING, before the address is known
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub provision_ms: u64,
    /// STAGING, with the address known
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub stage_ms: u64,
    /// from RUNNING until the instance's server listens
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    pub boot_ms: u64,
    /// STOPPING, also before a deletion
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    pub stop_ms: u64,
    /// SUSPENDING
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    pub suspend_ms: u64,
    /// from SUSPENDED to RUNNING
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub resume_ms: u64,
}

impl Timing {
    /// Returns a copy with some values replaced.
    ///
    /// # Errors
    /// Returns a message if a key is unknown or a value is not an integer.
    pub(crate) fn updated(&self, changes: &Map<String, Value>) -> Result<Self, String> {
        let mut timing = serde_json::to_value(self).map_err(|error| error.to_string())?;
        for (name, value) in changes {
            let Some(known) = timing.get_mut(name) else {
                return Err(format!("unknown timing {name:?}; expected one of {}", names(self)));
            };
            if !value.is_u64() {
                return Err(format!("{name} must be an integer number of milliseconds, not {value}"));
            }
            *known = value.clone();
        }
        serde_json::from_value(timing).map_err(|error| error.to_string())
    }

    pub(crate) fn provision(&self) -> Duration {
        Duration::from_millis(self.provision_ms)
    }

    pub(crate) fn stage(&self) -> Duration {
        Duration::from_millis(self.stage_ms)
    }

    pub(crate) fn boot(&self) -> Duration {
        Duration::from_millis(self.boot_ms)
    }

    pub(crate) fn stop(&self) -> Duration {
        Duration::from_millis(self.stop_ms)
    }

    pub(crate) fn suspend(&self) -> Duration {
        Duration::from_millis(self.suspend_ms)
    }

    /// The duration of a change that leaves the instance's state alone.
    pub(crate) fn edit(&self) -> Duration {
        self.stage() / 5
    }

    pub(crate) fn resume(&self) -> Duration {
        Duration::from_millis(self.resume_ms)
    }
}

fn names(timing: &Timing) -> String {
    let Ok(Value::Object(all)) = serde_json::to_value(timing) else {
        return String::new();
    };
    all.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}
