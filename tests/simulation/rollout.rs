//! Rollouts: a new version of the Worker, and with it a configuration, reaches the object and each
//! isolate at a time of its own. Meanwhile older and newer configurations arrive in messages.

use std::time::Duration;

use vmproxy::time::Timestamp;

use super::configuration::Configuration;
use super::event_queue::WorldEvent;
use super::host::Sent;
use super::random::Random;
use super::scenario::Scenario;
use super::world::World;

/// The maximum time that a version takes to reach the object and all isolates.
const LONGEST_LAG: Duration = Duration::from_secs(3 * 60);

pub struct Rollout {
    /// The delay of new versions in each isolate. The object shares its machine with another
    /// isolate.
    lags: Vec<Duration>,
    object_lag: Duration,
    /// `true` if the VM is in the Worker's code: the object gets its configuration from messages
    /// alone.
    pub is_of_its_own: bool,
    /// The time from which the VM is no longer configured.
    pub removed_from: Option<Timestamp>,
}

impl Rollout {
    pub fn draw(random: &mut Random, isolates: usize, begin: Timestamp, calm_from: Timestamp) -> Self {
        let longest = if random.chance(500) { LONGEST_LAG } else { Duration::ZERO };
        let is_of_its_own = random.chance(200);
        let is_removed = !is_of_its_own && random.chance(100);
        let removed_from = begin + random.between(Duration::from_secs(60), calm_from.since(begin));
        Self {
            lags: (0..isolates).map(|_| random.between(Duration::ZERO, longest)).collect(),
            object_lag: random.between(Duration::ZERO, longest),
            is_of_its_own,
            removed_from: is_removed.then_some(removed_from),
        }
    }

    fn is_removed(&self, lag: Duration, now: Timestamp) -> bool {
        self.removed_from.is_some_and(|from| from + lag <= now)
    }

    /// Returns the time from which no version has the VM.
    pub fn is_gone_from(&self) -> Option<Timestamp> {
        Some(self.removed_from? + LONGEST_LAG)
    }
}

impl Scenario {
    /// Returns the number of the configuration in an isolate's version of the Worker.
    pub fn configured_in(&self, isolate: usize, now: Timestamp) -> usize {
        self.configured_late(self.rollout.lags[isolate], now)
    }

    pub fn configuration_in(&self, isolate: usize, now: Timestamp) -> &Configuration {
        &self.configurations[self.configured_in(isolate, now)]
    }

    /// Returns whether an isolate's version of the Worker no longer has the VM.
    pub fn is_removed_in(&self, isolate: usize, now: Timestamp) -> bool {
        self.rollout.is_removed(self.rollout.lags[isolate], now)
    }

    /// Returns the configuration of the VM in an object that is loaded now.
    pub fn own(&self, now: Timestamp) -> Own {
        match &self.rollout {
            rollout if rollout.is_of_its_own => Own::Unknown,
            rollout if rollout.is_removed(rollout.object_lag, now) => Own::Removed,
            rollout => Own::Configured(self.configured_late(rollout.object_lag, now)),
        }
    }

    fn configured_late(&self, lag: Duration, now: Timestamp) -> usize {
        self.configurations
            .iter()
            .rposition(|c| c.from == self.begin || c.from + lag <= now)
            .unwrap_or_default()
    }
}

/// The configuration of the VM in the object's own version of the Worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    Unknown,
    Removed,
    Configured(usize),
}

impl World {
    /// Plans the deployment of each version to the object, which is lost for that.
    pub fn plan_deployments(&mut self) {
        let (rollout, now) = (&self.scenario.rollout, self.now);
        let changes = self.scenario.configurations.iter().skip(1).map(|configuration| configuration.from);
        let all: Vec<_> = changes.chain(rollout.removed_from).map(|at| at + rollout.object_lag).collect();
        for at in all {
            self.plan_in(at.since(now), WorldEvent::Deployment);
        }
    }

    pub fn deploy(&mut self) {
        self.note(|| "a version of the Worker is deployed".to_owned());
        self.lose_object();
    }

    /// Returns the isolate that sends a message. The first isolate sends the operator's.
    pub fn sender(&self, sent: &Sent) -> usize {
        match sent {
            Sent::Touch { isolate } => *isolate,
            Sent::Wake { request: Some(request), .. } => {
                self.clients.requests.get(request).map_or(0, |request| request.isolate)
            }
            Sent::Wake { request: None, .. }
            | Sent::TakeDown(_)
            | Sent::Status
            | Sent::Follow
            | Sent::Ready { .. } => 0,
        }
    }
}
