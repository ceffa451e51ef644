//! The quotas of a region: <https://cloud.google.com/compute/resource-usage>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use super::instance::Instance;
use super::{machine_types, zones};
use crate::discovery::COMPUTE;

const PREEMPTIBLE_CPUS: &str = "PREEMPTIBLE_CPUS";

/// The limits of each region, by metric. A metric without an entry has no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas(BTreeMap<String, BTreeMap<String, u64>>);

/// Amounts by metric.
pub type Amounts = BTreeMap<String, u64>;

impl Quotas {
    /// Sets limits, such as `{"us-central1": {"CPUS": 8}}`. `None` removes a limit.
    ///
    /// # Errors
    /// Returns a message if a region or a metric is unknown.
    pub fn set(&mut self, changes: BTreeMap<String, BTreeMap<String, Option<u64>>>) -> Result<(), String> {
        for (region, metrics) in &changes {
            if !zones::regions().any(|known| known == region) {
                return Err(format!("unknown region {region:?}"));
            }
            for metric in metrics.keys() {
                if !is_counted(metric) {
                    return Err(format!(
                        "unknown metric {metric:?}; expected one of INSTANCES, IN_USE_ADDRESSES, \
                         STATIC_ADDRESSES, DISKS_TOTAL_GB, SSD_TOTAL_GB, CPUS, \
                         PREEMPTIBLE_CPUS, or a series such as N2_CPUS"
                    ));
                }
            }
        }
        for (region, metrics) in changes {
            let limits = self.0.entry(region).or_default();
            for (metric, limit) in metrics {
                match limit {
                    Some(limit) => _ = limits.insert(metric, limit),
                    None => _ = limits.remove(&metric),
                }
            }
        }
        self.0.retain(|_, limits| !limits.is_empty());
        Ok(())
    }

    /// Returns the `quotas` field of a region's resource.
    pub fn resource(&self, region: &str, usage: &Amounts) -> Value {
        let limits = self.0.get(region).into_iter().flatten();
        let quota = |(metric, limit): (&String, &u64)| {
            json!({
                "metric": metric,
                "limit": *limit as f64,
                "usage": usage.get(metric).copied().unwrap_or_default() as f64,
            })
        };
        limits.map(quota).collect()
    }

    /// Returns the first limit that `more` would exceed, with its metric.
    pub fn exceeded(&self, region: &str, usage: &Amounts, more: &Amounts) -> Option<(&str, u64)> {
        let over = |metric: &String, limit: u64| {
            let amount = |of: &Amounts| of.get(metric).copied().unwrap_or_default();
            amount(more) > 0 && amount(usage) + amount(more) > limit
        };
        let limits = self.0.get(region)?;
        limits
            .iter()
            .find(|(metric, limit)| over(metric, **limit))
            .map(|(metric, limit)| (metric.as_str(), *limit))
    }

    /// Returns the usage of an instance while it holds hardware.
    pub fn hardware_usage(&self, instance: &Instance) -> Amounts {
        let machine_type = instance.machine_type();
        let cpus = machine_types::find(machine_type).map_or(0, |known| known.cpus().into());
        let granted =
            self.0.get(instance.region()).is_some_and(|limits| limits.contains_key(PREEMPTIBLE_CPUS));
        // "If you don't have preemptible quota, preemptible VMs consume standard quota":
        // https://cloud.google.com/compute/docs/instances/preemptible#quota
        let metric = match instance.is_preemptible() && granted {
            true => PREEMPTIBLE_CPUS.to_owned(),
            false => cpu_metric(machine_type),
        };
        let mut amounts = Amounts::from([(metric, cpus)]);
        if instance.address_request().external_v4 {
            amounts.insert("IN_USE_ADDRESSES".into(), 1);
        }
        amounts
    }
}

/// Returns the usage of an instance as long as it exists.
pub fn instance_usage() -> Amounts {
    Amounts::from([("INSTANCES".into(), 1)])
}

/// Returns the usage of a static address.
pub fn address_usage() -> Amounts {
    Amounts::from([("STATIC_ADDRESSES".into(), 1)])
}

/// Returns the usage of a disk.
pub fn disk_usage(body: &serde_json::Map<String, Value>) -> Amounts {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let metric = match text("type").rsplit('/').next() {
        Some("pd-ssd" | "pd-balanced") => "SSD_TOTAL_GB",
        _ => "DISKS_TOTAL_GB",
    };
    Amounts::from([(metric.into(), text("sizeGb").parse().unwrap_or_default())])
}

/// Adds amounts to a sum.
pub fn add(sum: &mut Amounts, more: Amounts) {
    for (metric, amount) in more {
        *sum.entry(metric).or_default() += amount;
    }
}

/// Returns the metric of a machine type's processors: "E2 and N1 VMs share the CPUS quota", and
/// most other series have a metric of their own.
fn cpu_metric(machine_type: &str) -> String {
    let series = machine_type.split('-').next().unwrap_or_default().to_uppercase();
    let own = format!("{series}_CPUS");
    match series != "E2" && metrics().contains(&own) {
        true => own,
        false => "CPUS".into(),
    }
}

fn is_counted(metric: &str) -> bool {
    let others = ["INSTANCES", "IN_USE_ADDRESSES", "STATIC_ADDRESSES", "DISKS_TOTAL_GB", "SSD_TOTAL_GB"];
    let series = metric.strip_suffix("_CPUS").is_some_and(|series| cpu_metric(series) == metric);
    others.contains(&metric) || metric == "CPUS" || metric == PREEMPTIBLE_CPUS || series
}

fn metrics() -> &'static [String] {
    let metric = COMPUTE.schemas.get("Quota").and_then(|quota| quota.properties.get("metric"));
    metric.and_then(|metric| metric.values.as_deref()).unwrap_or_default()
}
