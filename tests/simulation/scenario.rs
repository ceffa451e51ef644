//! The part of a run that the seed decides in advance: the VM, its traffic, and the faults.

use std::time::Duration;

use vmproxy::time::Timestamp;

use super::configuration::Configuration;
use super::monthly_limit::HOUR;
use super::random::Random;
use super::rollout::Rollout;

/// The faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    // On the way to Compute Engine.
    LostCall,
    LostAnswer,
    SlowAnswer,
    Unreadable,
    TokenUnavailable,
    KeyRefused,
    // In Compute Engine.
    Throttled,
    ServerError,
    ErrorAfterEffect,
    Forbidden,
    NotReady,
    SuspendRefused,
    SlowOperation,
    FailedOperation,
    StockOut,
    Preemption,
    Repair,
    // By people.
    Human,
    Operator,
    // In the VM's server.
    SlowBoot,
    HungServer,
    SlowServer,
    Crash,
    NoConnection,
    // Of the object and its messages.
    LostMessage,
    Eviction,
    LossBeforePersist,
    LossBeforeActions,
    LossAmongActions,
    LossBeforeAlarm,
    LateAlarm,
    DoubleAlarm,
    LostRecord,
    // Of ready pushes.
    EarlyWord,
    LateWord,
    SecondWord,
    StrangersWord,
}

impl Fault {
    pub const ALL: [Fault; 37] = [
        Fault::LostCall,
        Fault::LostAnswer,
        Fault::SlowAnswer,
        Fault::Unreadable,
        Fault::TokenUnavailable,
        Fault::KeyRefused,
        Fault::Throttled,
        Fault::ServerError,
        Fault::ErrorAfterEffect,
        Fault::Forbidden,
        Fault::NotReady,
        Fault::SuspendRefused,
        Fault::SlowOperation,
        Fault::FailedOperation,
        Fault::StockOut,
        Fault::Preemption,
        Fault::Repair,
        Fault::Human,
        Fault::Operator,
        Fault::SlowBoot,
        Fault::HungServer,
        Fault::SlowServer,
        Fault::Crash,
        Fault::NoConnection,
        Fault::LostMessage,
        Fault::Eviction,
        Fault::LossBeforePersist,
        Fault::LossBeforeActions,
        Fault::LossAmongActions,
        Fault::LossBeforeAlarm,
        Fault::LateAlarm,
        Fault::DoubleAlarm,
        Fault::LostRecord,
        Fault::EarlyWord,
        Fault::LateWord,
        Fault::SecondWord,
        Fault::StrangersWord,
    ];

    /// Returns whether the fault strikes by itself, and not at an action of someone.
    pub fn comes_by_itself(self) -> bool {
        matches!(
            self,
            Fault::Preemption
                | Fault::Repair
                | Fault::Human
                | Fault::Operator
                | Fault::Crash
                | Fault::Eviction
                | Fault::StrangersWord
        )
    }

    /// Returns whether the fault loses the object between two outputs, of which there are many.
    fn loses_the_object(self) -> bool {
        matches!(
            self,
            Fault::LossBeforePersist
                | Fault::LossBeforeActions
                | Fault::LossAmongActions
                | Fault::LossBeforeAlarm
        )
    }

    /// Returns whether the fault may strike in every case for some time.
    fn may_be_total(self) -> bool {
        matches!(
            self,
            Fault::LostCall
                | Fault::TokenUnavailable
                | Fault::KeyRefused
                | Fault::Throttled
                | Fault::ServerError
                | Fault::Forbidden
                | Fault::SuspendRefused
                | Fault::FailedOperation
                | Fault::StockOut
                | Fault::HungServer
        )
    }
}

/// The period and the probability of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Strength {
    pub fault: Fault,
    pub from: Timestamp,
    pub to: Timestamp,
    /// The probability per mille.
    pub permille: u64,
    /// The approximate interval, if the fault strikes by itself.
    pub apart: Duration,
}

/// The behaviour of clients for a period.
#[derive(Clone, Copy, Debug)]
pub enum Traffic {
    Silence,
    Steady { apart: Duration },
    Bursts { size: u64, apart: Duration },
}

pub struct Scenario {
    pub begin: Timestamp,
    /// The end of the month in which the run begins.
    pub month_turns_at: Timestamp,
    /// The running time of this month before the run.
    pub ran_before: Duration,
    pub rollout: Rollout,
    /// The successive configurations.
    pub configurations: Vec<Configuration>,
    /// The probability per mille that the VM is busy, until the faults end.
    busy_permille: u64,
    /// `true` if a zone without capacity for Spot VMs has capacity for standard VMs.
    pub has_room_for_standard_vms: bool,
    pub isolates: usize,
    /// `true` if the platform deletes the instance at a preemption.
    pub preempted_for_good: bool,
    /// The traffic, each until this time. The last one lasts.
    pub traffic: Vec<(Timestamp, Traffic)>,
    pub strengths: Vec<Strength>,
    /// The end of the last fault.
    pub calm_from: Timestamp,
    /// The time from which everything must work.
    pub settled_from: Timestamp,
    /// `true` if there is traffic at the end.
    pub wanted_at_end: bool,
    pub end: Timestamp,
}

/// 2023-12-01T00:00:00Z.
const DECEMBER: Timestamp = Timestamp::from_millis(1_701_388_800_000);

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

impl Scenario {
    pub fn draw(random: &mut Random) -> Self {
        let before_the_turn =
            if random.chance(300) { random.between(5 * MINUTE, 40 * MINUTE) } else { 14 * 24 * HOUR };
        let begin = Timestamp::from_millis(DECEMBER.as_millis() - before_the_turn.as_millis() as u64);
        let mut configurations = vec![Configuration::draw(random, begin)];
        let calm_from = begin + random.between(5 * MINUTE, 25 * MINUTE);
        for _ in 0..random.pick(&[0, 0, 1, 3]) {
            let last = configurations.last().expect("there is a first");
            let at = last.from + random.between(10 * SECOND, 10 * MINUTE);
            if at < calm_from {
                configurations.push(last.changed(random, at));
            }
        }
        for (number, configuration) in configurations.iter_mut().enumerate() {
            configuration.vm.path = format!("/{number}");
        }
        let startup_timeout = configurations[0].vm.startup_timeout;
        let all = || configurations.iter().map(|configuration| &configuration.vm);
        let idle_timeout = all().map(|vm| vm.idle_timeout).max().unwrap_or_default();
        let deep_sleep_after = all().filter_map(|vm| vm.deep_sleep_after).max().unwrap_or_default();
        // A request may have to wait for a slow stop, a start that fails, a pause, and a start.
        let settled_from = calm_from + 2 * startup_timeout + idle_timeout + 9 * MINUTE;
        let isolates = usize::try_from(1 + random.below(4)).expect("small");
        let rollout = Rollout::draw(random, isolates, begin, calm_from);
        // An object reads its own configuration at least once an hour after it was last loaded, and
        // a late ready push may load it until the faults end.
        let gone_from = rollout.is_gone_from().map_or(begin, |from| from.max(calm_from) + HOUR + 5 * MINUTE);
        let end = (settled_from + idle_timeout).max(gone_from) + deep_sleep_after + 3 * MINUTE;
        let wanted_at_end = random.chance(500) && rollout.removed_from.is_none();
        let is_limited = configurations[0].vm.max_hours_per_month.is_some();
        let ran_before = if is_limited { HOUR - random.between(MINUTE, 20 * MINUTE) } else { Duration::ZERO };
        let mut traffic = Vec::new();
        let mut at = begin;
        while at < calm_from {
            at = at + random.between(10 * SECOND, 6 * MINUTE);
            traffic.push((at.min(calm_from), Traffic::draw(random)));
        }
        let apart = random.between(SECOND, 20 * SECOND);
        traffic.push((end, if wanted_at_end { Traffic::Steady { apart } } else { Traffic::Silence }));
        // A seed has few or many kinds of faults, each with its own period and probability.
        let share = random.pick(&[0, 60, 200, 500]);
        let mut strengths = Vec::new();
        for fault in Fault::ALL {
            if random.chance(share) {
                strengths.push(Strength::draw(fault, random, begin, calm_from));
            }
        }
        Self {
            busy_permille: random.pick(&[0, 300, 1000]),
            has_room_for_standard_vms: random.chance(500),
            isolates,
            begin,
            month_turns_at: DECEMBER,
            ran_before,
            rollout,
            preempted_for_good: random.chance(300),
            traffic,
            strengths,
            calm_from,
            settled_from,
            wanted_at_end,
            end,
            configurations,
        }
    }

    pub fn busy_permille(&self, now: Timestamp) -> u64 {
        if now < self.calm_from {
            self.busy_permille
        } else {
            0
        }
    }

    /// Returns the startup timeout, which is the same in all configurations.
    pub fn startup_timeout(&self) -> Duration {
        self.configurations[0].vm.startup_timeout
    }

    /// Returns the newest configuration of the Worker.
    pub fn configuration(&self, now: Timestamp) -> &Configuration {
        let newest = self.configurations.iter().rfind(|configuration| configuration.from <= now);
        newest.unwrap_or(&self.configurations[0])
    }

    /// Returns the probability per mille of a fault at this time.
    pub fn permille(&self, fault: Fault, now: Timestamp) -> u64 {
        let strength = self.strengths.iter().find(|strength| strength.fault == fault);
        strength.map_or(0, |s| if (s.from..s.to).contains(&now) { s.permille } else { 0 })
    }

    pub fn traffic(&self, now: Timestamp) -> (Timestamp, Traffic) {
        let present = self.traffic.iter().find(|(until, _)| now < *until);
        present.copied().unwrap_or((self.end, Traffic::Silence))
    }
}

impl Traffic {
    fn draw(random: &mut Random) -> Self {
        match random.below(4) {
            0 => Traffic::Silence,
            1 => Traffic::Bursts { size: 2 + random.below(30), apart: random.between(SECOND, 2 * MINUTE) },
            2 => Traffic::Steady { apart: random.between(SECOND, 8 * SECOND) },
            _ => Traffic::Steady { apart: random.between(5 * SECOND, 3 * MINUTE) },
        }
    }
}

impl Strength {
    fn draw(fault: Fault, random: &mut Random, begin: Timestamp, calm_from: Timestamp) -> Self {
        let total = fault.may_be_total() && random.chance(300);
        let length = calm_from.since(begin);
        let (from, to) = if total || random.chance(500) {
            let from = begin + random.between(Duration::ZERO, length);
            (from, from + random.between(10 * SECOND, 12 * MINUTE))
        } else {
            (begin, calm_from)
        };
        let permille = match fault {
            _ if total => 1000,
            Fault::LostRecord => 300,
            _ if fault.loses_the_object() => random.pick(&[1, 5, 30]),
            _ => random.pick(&[5, 20, 100, 300, 700]),
        };
        let apart = random.between(10 * SECOND, 6 * MINUTE);
        Self { fault, from, to: to.min(calm_from), permille, apart }
    }
}
