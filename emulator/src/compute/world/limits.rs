//! The limits of the project: quotas and stockouts.

use serde_json::{Map, Value};

use super::World;
use crate::compute::instance::Instance;
use crate::compute::operation_error::OperationError;
use crate::compute::quotas::{self, Amounts};
use crate::compute::zones;

impl World {
    /// Returns the quota usage of a region's instances, disks and addresses.
    pub fn usage(&self, region: &str) -> Amounts {
        let mut usage = Amounts::new();
        for instance in self.instances().filter(|instance| instance.region() == region) {
            quotas::add(&mut usage, quotas::instance_usage());
            if instance.state.holds_hardware() {
                quotas::add(&mut usage, self.quotas.hardware_usage(instance));
            }
        }
        for resource in self.resources.values() {
            match resource.path.split('/').collect::<Vec<_>>().as_slice() {
                ["regions", here, "addresses", _] if *here == region => {
                    quotas::add(&mut usage, quotas::address_usage());
                }
                ["zones", zone, "disks", _] if zones::region_of(zone) == Ok(region) => {
                    quotas::add(&mut usage, quotas::disk_usage(&resource.body));
                }
                _ => {}
            }
        }
        usage
    }

    /// Returns the error if an existing instance lacks a quota or a machine. `None` means that it
    /// can start.
    pub(super) fn missing_resource(&self, instance: &Instance) -> Option<OperationError> {
        self.missing_quota(instance.region(), &self.quotas.hardware_usage(instance))
            .or_else(|| self.missing_stock(instance))
    }

    /// Returns the error if a new instance or one of its new disks lacks a quota or a machine.
    /// `None` means that it can start.
    pub(super) fn missing_resource_for_new(
        &self,
        instance: &Instance,
        disks: &[Map<String, Value>],
    ) -> Option<OperationError> {
        let mut more = self.quotas.hardware_usage(instance);
        quotas::add(&mut more, quotas::instance_usage());
        for disk in disks {
            quotas::add(&mut more, quotas::disk_usage(disk));
        }
        self.missing_quota(instance.region(), &more).or_else(|| self.missing_stock(instance))
    }

    pub(super) fn missing_quota(&self, region: &str, more: &Amounts) -> Option<OperationError> {
        let (metric, limit) = self.quotas.exceeded(region, &self.usage(region), more)?;
        Some(OperationError::quota_exceeded(metric, limit, region))
    }

    fn missing_stock(&self, instance: &Instance) -> Option<OperationError> {
        let met = self.stockouts.iter().any(|stockout| stockout.applies_to(instance));
        met.then(|| OperationError::stockout(&instance.zone, instance.machine_type()))
    }
}
