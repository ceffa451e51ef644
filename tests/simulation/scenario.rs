//! What one seed decides beforehand: the VM, its traffic, and what goes wrong when.

use std::time::Duration;

use vmproxy::time::Timestamp;

use super::configuration::Configuration;
use super::monthly_limit::HOUR;
use super::random::Random;
use super::rollout::Rollout;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    // Of the way to Compute Engine.
    LostCall,
    LostAnswer,
    SlowAnswer,
    Unreadable,
    TokenUnavailable,
    KeyRefused,
    // Of Compute Engine.
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
    // Of people.
    Human,
    Operator,
    // Of the VM's server.
    SlowBoot,
    HungServer,
    SlowServer,
    Crash,
    NoConnection,
    // Of the object and the way to it.
    LostMessage,
    Eviction,
    LossBeforePersist,
    LossBeforeActions,
    LossAmongActions,
    LossBeforeAlarm,
    LateAlarm,
    DoubleAlarm,
    LostRecord,
    // Of who says that the VM is ready.
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

    /// Whether it comes by itself, and not with something that somebody does.
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

    /// Whether it is a loss of the object at one of its lines. There are many lines.
    fn loses_the_object(self) -> bool {
        matches!(
            self,
            Fault::LossBeforePersist
                | Fault::LossBeforeActions
                | Fault::LossAmongActions
                | Fault::LossBeforeAlarm
        )
    }

    /// Whether it may strike in every case for a while.
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

/// When and how often a fault strikes.
#[derive(Clone, Copy, Debug)]
pub struct Strength {
    pub fault: Fault,
    pub from: Timestamp,
    pub to: Timestamp,
    /// In how many of a thousand cases.
    pub permille: u64,
    /// About how far apart, if it comes by itself.
    pub apart: Duration,
}

/// How clients behave for a while.
#[derive(Clone, Copy, Debug)]
pub enum Traffic {
    Silence,
    Steady { apart: Duration },
    Bursts { size: u64, apart: Duration },
}

pub struct Scenario {
    pub begin: Timestamp,
    /// When the month ends in which it begins.
    pub month_turns_at: Timestamp,
    /// How long the VM ran this month before.
    pub ran_before: Duration,
    pub rollout: Rollout,
    /// The configurations, one after the other.
    pub configurations: Vec<Configuration>,
    /// In how many of a thousand cases the VM says that it is busy, until it is calm.
    busy_permille: u64,
    /// Whether a zone without room for Spot VMs has some for others.
    pub has_room_for_standard_vms: bool,
    pub isolates: usize,
    /// Whether the platform deletes the instance when it takes it away.
    pub preempted_for_good: bool,
    /// What clients do, each until then. The last one lasts.
    pub traffic: Vec<(Timestamp, Traffic)>,
    pub strengths: Vec<Strength>,
    /// When the last fault is over.
    pub calm_from: Timestamp,
    /// When everything must be as it should.
    pub settled_from: Timestamp,
    /// Whether there is demand at the end.
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
        // A request may have to sit out a slow stop, a start that fails, a pause, and a start.
        let settled_from = calm_from + 2 * startup_timeout + idle_timeout + 9 * MINUTE;
        let isolates = usize::try_from(1 + random.below(4)).expect("small");
        let rollout = Rollout::draw(random, isolates, begin, calm_from);
        // An object looks into its own configuration once an hour at least, counted from when it was last loaded: a late
        // word of the VM's may load it until all is calm.
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
        // A seed has few kinds of faults or many; each with its own time and strength.
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

    /// Every configuration has the same.
    pub fn startup_timeout(&self) -> Duration {
        self.configurations[0].vm.startup_timeout
    }

    /// The newest configuration of the Worker.
    pub fn configuration(&self, now: Timestamp) -> &Configuration {
        let newest = self.configurations.iter().rfind(|configuration| configuration.from <= now);
        newest.unwrap_or(&self.configurations[0])
    }

    /// In how many of a thousand cases a fault strikes now.
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
