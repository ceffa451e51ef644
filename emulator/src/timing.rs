//! How long the phases of an instance's life take.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Milliseconds spent in each phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args, Serialize, Deserialize)]
pub struct Timing {
    /// PROVISIONING, before an address is known
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub provision_ms: u64,
    /// STAGING, the address already shown
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub stage_ms: u64,
    /// from RUNNING until the instance's server listens
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    pub boot_ms: u64,
    /// STOPPING, also on the way to deletion
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
    /// The same with some values replaced.
    ///
    /// # Errors
    /// A key that is unknown, or a value that is not a number of milliseconds.
    pub(crate) fn updated(&self, changes: &Map<String, Value>) -> Result<Self, String> {
        let mut timing = serde_json::to_value(self).map_err(|error| error.to_string())?;
        for (name, value) in changes {
            let Some(known) = timing.get_mut(name) else {
                return Err(format!("unknown timing {name:?}; known are {}", names(self)));
            };
            if !value.is_u64() {
                return Err(format!("{name} must be a whole number of milliseconds, not {value}"));
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

    /// A change of what an instance is, rather than of its state: short beside the others.
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
