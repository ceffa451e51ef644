//! What the configuration says about a VM's life.

use std::time::Duration;

use super::limits::Limits;
use crate::compute::TakeDown;
use crate::vm::{Address, OnDrift, OnIdle, Vm};

/// What the configuration says about a VM's life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The server's port.
    pub port: u16,
    /// Which of the instance's addresses the server is reached at.
    pub address: Address,
    /// How long a start may take.
    pub startup_timeout: Duration,
    /// After how long without activity the VM goes down, and how. `None`: never.
    pub on_idle: Option<(Duration, TakeDown)>,
    /// How long after the last activity the VM goes down although it says that it is busy. `None`: it is not asked.
    pub busy_limit: Option<Duration>,
    /// How long the VM stays suspended before it is stopped.
    pub deep_sleep_after: Option<Duration>,
    /// The zones in which the instance may be created, the preferred one first.
    pub zones: Vec<String>,
    /// Whether a standard VM is created when no zone has room for a Spot VM.
    pub spot_fallback: bool,
    /// Whether an instance that differs from the configuration is brought in line at its next start.
    pub applies_drift: bool,
    /// How much the VM may be used.
    pub limits: Limits,
    /// Whether the VM is told how it may say that it is ready.
    pub ready_push: bool,
}

impl Policy {
    /// The policy of a configured VM.
    pub fn of(vm: &Vm) -> Self {
        let take_down = match vm.on_idle {
            OnIdle::Stop => Some(TakeDown::Stop),
            OnIdle::Suspend => Some(TakeDown::Suspend),
            OnIdle::Delete => Some(TakeDown::Delete),
            OnIdle::Never => None,
        };
        // An isolate reports activity once per touch interval, so what is known may be older than the truth
        // by that much.
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

    /// How the VM goes down when it has to.
    pub(super) fn way_down(&self) -> TakeDown {
        self.on_idle.map_or(TakeDown::Stop, |(_, take_down)| take_down)
    }

    pub(super) fn first_zone(&self) -> String {
        self.zones.first().cloned().unwrap_or_default()
    }

    pub(super) fn zone_after(&self, zone: &str) -> Option<String> {
        self.zones.iter().skip_while(|candidate| *candidate != zone).nth(1).cloned()
    }
}
