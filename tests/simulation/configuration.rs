//! The successive configurations of a VM.

use std::time::Duration;

use vmproxy::time::Timestamp;
use vmproxy::{Instance, OnDrift, OnIdle, Vm, WakePolicy};

use super::compute::{Settings, Zone};
use super::random::Random;
use super::schedule::Timetable;

const MINUTE: Duration = Duration::from_secs(60);

/// The number of zones.
const ZONES: usize = 4;

#[derive(Clone, Debug)]
pub struct Configuration {
    /// The time from which it is the configuration of the Worker.
    pub from: Timestamp,
    pub vm: Vm,
    /// The same zones as in `vm`.
    pub zones: Vec<Zone>,
    pub settings: Settings,
    pub timetable: Timetable,
}

impl Configuration {
    pub fn draw(random: &mut Random, from: Timestamp) -> Self {
        let on_idle =
            random.pick(&[OnIdle::Stop, OnIdle::Stop, OnIdle::Suspend, OnIdle::Delete, OnIdle::Never]);
        let several = random.chance(500);
        let zones = draw_zones(random, several);
        let settings = Settings::default();
        let vm = Vm {
            startup_timeout: random.between(MINUTE, 5 * MINUTE),
            idle_timeout: random.between(MINUTE / 2, 6 * MINUTE),
            on_idle,
            busy_path: random.chance(400).then(|| "/busy".to_owned()),
            busy_limit: random.between(MINUTE, 15 * MINUTE),
            deep_sleep_after: random.chance(500).then(|| random.between(MINUTE, 5 * MINUTE)),
            max_starts_per_hour: random
                .chance(100)
                .then(|| u32::try_from(2 + random.below(4)).expect("small")),
            max_hours_per_month: random.chance(150).then_some(1),
            on_drift: random.pick(&[OnDrift::Report, OnDrift::Apply]),
            ready_push: random.chance(500).then(|| "https://app.example.com".to_owned()),
            instance: Instance {
                name: "backend".into(),
                zones: zones.iter().copied().map(name).collect(),
                spot_fallback: random.chance(500),
                ..Instance::default()
            },
            ..Vm::default()
        };
        // Derived from a value that was drawn already, so that the other runs stay the same.
        let wakes_per_hour = vm.idle_timeout.as_millis().is_multiple_of(10).then_some(2);
        let vm = Vm { wake: WakePolicy { wakes_per_hour, ..WakePolicy::default() }, ..vm };
        Self { from, vm, zones, settings, timetable: Timetable::default() }.settled()
    }

    /// Returns a configuration that follows this one. The startup timeout stays the same.
    pub fn changed(&self, random: &mut Random, from: Timestamp) -> Self {
        let mut next = Self { from, ..self.clone() };
        match random.below(4) {
            0 => next.zones = draw_zones(random, self.zones.len() > 1),
            1 => {
                next.settings.machine_type += random.below(2);
                next.settings.tags += 1;
            }
            _ => {
                let fresh = Self::draw(random, from);
                next.vm.idle_timeout = fresh.vm.idle_timeout;
                next.vm.on_idle = fresh.vm.on_idle;
                next.vm.busy_path = fresh.vm.busy_path;
                next.vm.on_drift = fresh.vm.on_drift;
                next.vm.ready_push = fresh.vm.ready_push;
            }
        }
        next.settled()
    }

    fn settled(mut self) -> Self {
        self.vm.instance.zones = self.zones.iter().copied().map(name).collect();
        self.settings.configure(&mut self.vm.instance);
        self
    }
}

fn draw_zones(random: &mut Random, several: bool) -> Vec<Zone> {
    let first = usize::try_from(random.below(ZONES as u64)).expect("small");
    let count = if several { 2 + usize::try_from(random.below(2)).expect("small") } else { 1 };
    (0..count).map(|n| (first + n) % ZONES).collect()
}

pub fn name(zone: Zone) -> String {
    format!("zone-{zone}")
}

pub fn number(name: &str) -> Zone {
    name.strip_prefix("zone-").and_then(|number| number.parse().ok()).expect("a zone of this simulation")
}
