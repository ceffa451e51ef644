//! What the project cannot have: more than its quotas, and machines that are out of stock.

use serde_json::{Map, Value};

use super::World;
use crate::compute::instance::Instance;
use crate::compute::operation_error::OperationError;
use crate::compute::quotas::{self, Amounts};
use crate::compute::zones;

impl World {
    /// What a region's instances, disks and addresses take of its quotas.
    pub fn used(&self, region: &str) -> Amounts {
        let mut used = Amounts::new();
        for instance in self.instances().filter(|instance| instance.region() == region) {
            quotas::add(&mut used, quotas::of_existence());
            if instance.state.holds_hardware() {
                quotas::add(&mut used, self.quotas.of_hardware(instance));
            }
        }
        for resource in self.resources.values() {
            match resource.path.split('/').collect::<Vec<_>>().as_slice() {
                ["regions", here, "addresses", _] if *here == region => {
                    quotas::add(&mut used, quotas::of_address());
                }
                ["zones", zone, "disks", _] if zones::region_of(zone) == Ok(region) => {
                    quotas::add(&mut used, quotas::of_disk(&resource.body));
                }
                _ => {}
            }
        }
        used
    }

    /// Why an instance that exists cannot come up.
    pub(super) fn lacking(&self, instance: &Instance) -> Option<OperationError> {
        self.lacking_quota(instance.region(), &self.quotas.of_hardware(instance))
            .or_else(|| self.lacking_stock(instance))
    }

    /// Why a new instance cannot come up with its new disks.
    pub(super) fn lacking_for_new(
        &self,
        instance: &Instance,
        disks: &[Map<String, Value>],
    ) -> Option<OperationError> {
        let mut more = self.quotas.of_hardware(instance);
        quotas::add(&mut more, quotas::of_existence());
        for disk in disks {
            quotas::add(&mut more, quotas::of_disk(disk));
        }
        self.lacking_quota(instance.region(), &more).or_else(|| self.lacking_stock(instance))
    }

    pub(super) fn lacking_quota(&self, region: &str, more: &Amounts) -> Option<OperationError> {
        let (metric, limit) = self.quotas.exceeded(region, &self.used(region), more)?;
        Some(OperationError::quota_exceeded(metric, limit, region))
    }

    fn lacking_stock(&self, instance: &Instance) -> Option<OperationError> {
        let met = self.stockouts.iter().any(|stockout| stockout.meets(instance));
        met.then(|| OperationError::stockout(&instance.zone, instance.machine_type()))
    }
}
