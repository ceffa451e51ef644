//! The part of the configuration that the lifecycle needs.

use std::time::Duration;

use super::limits::Limits;
use crate::compute::TakeDown;
use crate::vm::{Address, OnDrift, OnIdle, Vm};

/// The part of the configuration that the lifecycle needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The server's port.
    pub port: u16,
    /// The kind of address at which the server is reached.
    pub address: Address,
    /// The time limit for a start.
    pub startup_timeout: Duration,
    /// The idle timeout, and the change that takes the VM down after it. `None` means never.
    pub on_idle: Option<(Duration, TakeDown)>,
    /// The time after the last activity at which the VM goes down even if it reports that it is
    /// busy. `None` means that it gets no busy checks.
    pub busy_limit: Option<Duration>,
    /// The time that the VM stays suspended before it is stopped. `None` means no limit.
    pub deep_sleep_after: Option<Duration>,
    /// The zones in which the instance may be created, the preferred one first.
    pub zones: Vec<String>,
    /// `true` if a standard VM is created if no zone has capacity for a Spot VM.
    pub spot_fallback: bool,
    /// `true` if drift is corrected at the next start.
    pub applies_drift: bool,
    /// The limits on the VM's use.
    pub limits: Limits,
    /// `true` if the VM gets a ready token, with which it reports that it is ready.
    pub ready_push: bool,
}

impl Policy {
    /// Returns the policy of a configured VM.
    pub fn of(vm: &Vm) -> Self {
        let take_down = match vm.on_idle {
            OnIdle::Stop => Some(TakeDown::Stop),
            OnIdle::Suspend => Some(TakeDown::Suspend),
            OnIdle::Delete => Some(TakeDown::Delete),
            OnIdle::Never => None,
        };
        // An isolate reports activity once per touch interval, so the last known activity may be
        // older than the actual one by that interval.
        let idle_timeout = vm.idle_timeout + vm.touch_interval();
        Self {
            port: vm.port,
            address: vm.instance.address,
            startup_timeout: vm.startup_timeout,
            on_idle: take_down.map(|take_down| (idle_timeout, take_down)),
            busy_limit: vm.busy_path.as_ref().map(|_| vm.busy_limit),
            deep_sleep_after: vm.deep_sleep_after,
            zones: vm.instance.all_zones().into_iter().map(str::to_owned).collect(),
            spot_fallback: vm.instance.spot_fallback && !vm.instance.not_preemptible,
            applies_drift: vm.on_drift == OnDrift::Apply,
            limits: Limits {
                starts_per_hour: vm.max_starts_per_hour,
                hours_per_month: vm.max_hours_per_month,
                wakes_per_hour: vm.wake.wakes_per_hour,
            },
            ready_push: vm.ready_push.is_some(),
        }
    }

    /// Returns the change that takes the VM down when it must go down.
    pub(super) fn take_down(&self) -> TakeDown {
        self.on_idle.map_or(TakeDown::Stop, |(_, take_down)| take_down)
    }

    pub(super) fn first_zone(&self) -> String {
        self.zones.first().cloned().unwrap_or_default()
    }

    pub(super) fn zone_after(&self, zone: &str) -> Option<String> {
        self.zones.iter().skip_while(|candidate| *candidate != zone).nth(1).cloned()
    }
}
