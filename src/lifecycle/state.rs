//! The states of a VM. Each holds only what it needs.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::Failure;
use super::limits::Limits;
use super::running::Up;
use super::sleep::Sleep;
use super::start::Start;
use crate::compute::{Mutation, RequestId};
use crate::time::Timestamp;
use crate::vm::{Address, OnDrift, OnIdle, StartKind, Vm, VmState};

/// How many cold starts of a kind are remembered.
pub(super) const KEPT_COLD_STARTS: usize = 10;

/// The state of a VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The VM is down, as far as is known.
    Down(DownKind),
    /// The VM is on its way up.
    Starting(Start),
    /// The VM serves.
    Running(Up),
    /// The VM is on its way down.
    Sleeping(Sleep),
    /// The last start failed.
    Failed {
        /// Since when something may be running that the start has left: it is brought down after the idle time.
        may_run_since: Option<Timestamp>,
        /// A change that was asked for, and of which it is not known what has become. The next start asks again for
        /// the same, so that it cannot be made twice.
        unresolved: Option<(Mutation, RequestId)>,
    },
}

/// In which way a VM is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownKind {
    /// There is no instance.
    Absent,
    /// It is stopped.
    Stopped,
    /// It is suspended.
    Suspended,
}

impl DownKind {
    /// How the VM comes up from there.
    pub(super) fn start_kind(self) -> StartKind {
        match self {
            DownKind::Absent => StartKind::Create,
            DownKind::Stopped => StartKind::Start,
            DownKind::Suspended => StartKind::Resume,
        }
    }

    pub(super) fn vm_state(self) -> VmState {
        match self {
            DownKind::Absent => VmState::Absent,
            DownKind::Stopped => VmState::Stopped,
            DownKind::Suspended => VmState::Suspended,
        }
    }
}

/// What the configuration says about a VM's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The server's port.
    pub port: u16,
    /// Which of the instance's addresses the server is reached at.
    #[serde(default)]
    pub address: Address,
    /// How long a start may take.
    pub startup_timeout: Duration,
    /// After how long without activity the VM goes down, and how. `None`: never.
    pub on_idle: Option<(Duration, Mutation)>,
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
    #[serde(default)]
    pub ready_push: bool,
}

impl Policy {
    /// The policy of a configured VM.
    pub fn of(vm: &Vm) -> Self {
        let mutation = match vm.on_idle {
            OnIdle::Stop => Some(Mutation::Stop),
            OnIdle::Suspend => Some(Mutation::Suspend),
            OnIdle::Delete => Some(Mutation::Delete),
            OnIdle::Never => None,
        };
        // An isolate reports activity once per touch interval, so what is known may be older than the truth
        // by that much.
        let idle_timeout = vm.idle_timeout + vm.touch_interval();
        Self {
            port: vm.port,
            address: vm.instance.address,
            startup_timeout: vm.startup_timeout,
            on_idle: mutation.map(|mutation| (idle_timeout, mutation)),
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
    pub(super) fn way_down(&self) -> Mutation {
        self.on_idle.map_or(Mutation::Stop, |(_, mutation)| mutation)
    }

    pub(super) fn first_zone(&self) -> String {
        self.zones.first().cloned().unwrap_or_default()
    }

    pub(super) fn zone_after(&self, zone: &str) -> Option<String> {
        self.zones.iter().skip_while(|candidate| *candidate != zone).nth(1).cloned()
    }
}

/// A failure, and how many there were in a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Trouble {
    pub failure: Failure,
    pub streak: u32,
    /// The address of a VM that runs while its server does not answer.
    pub silent: Option<IpAddr>,
}
