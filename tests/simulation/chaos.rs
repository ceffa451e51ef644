//! The faults that strike by themselves: of the platform, of people, and losses of the object.

use std::time::Duration;

use vmproxy::compute::{BringUp, Change, InstanceStatus, TakeDown};

use super::compute::{Actor, Instance, Task, Zone};
use super::event_queue::{About, WorldEvent};
use super::host::Sent;
use super::scenario::Fault;
use super::server::Server;
use super::world::World;

impl World {
    /// Plans the first strike of each fault that strikes by itself.
    pub fn plan_strikes(&mut self) {
        for strength in self.scenario.strengths.clone() {
            if strength.fault.comes_by_itself() {
                let after = self.random.between(Duration::ZERO, strength.apart);
                self.plan_in(strength.from.since(self.now) + after, WorldEvent::Strike(strength.fault));
            }
        }
    }

    pub fn strike(&mut self, fault: Fault) {
        let Some(strength) = self.scenario.strengths.iter().copied().find(|s| s.fault == fault) else {
            return;
        };
        if self.now >= strength.to {
            return;
        }
        let after = self.random.between(strength.apart / 2, strength.apart * 3 / 2);
        self.plan_in(after, WorldEvent::Strike(fault));
        let struck = match fault {
            Fault::Preemption => self.take_away(),
            Fault::Repair => self.befall_what_runs(Task::Repair),
            Fault::Human => self.meddle(),
            Fault::Operator => {
                self.operate();
                true
            }
            Fault::Crash => {
                self.crash_server();
                true
            }
            Fault::StrangersWord => {
                self.stranger_says_ready();
                true
            }
            Fault::Eviction => {
                let there = self.object.memory.is_some();
                self.lose_object();
                there
            }
            _ => false,
        };
        if struck {
            self.note(|| format!("struck: {fault:?}"));
            self.coverage.fault(fault);
        }
    }

    /// Begins an operation of the platform on an instance that runs. Returns whether there is one.
    fn befall_what_runs(&mut self, task: Task) -> bool {
        let runs = |(zone, instance): (&Zone, &Instance)| {
            (instance.status == InstanceStatus::Running).then_some(*zone)
        };
        let running: Vec<Zone> = self.compute.instances.iter().filter_map(runs).collect();
        if running.is_empty() {
            return false;
        }
        let zone = self.random.pick(&running);
        self.begin(Actor::Platform, self.about(zone), task, None).is_ok()
    }

    fn take_away(&mut self) -> bool {
        let for_good = self.scenario.preempted_for_good;
        let change = if for_good { TakeDown::Delete } else { TakeDown::Stop };
        self.befall_what_runs(Task::Change(change.into()))
    }

    fn about(&self, zone: Zone) -> About {
        About { zone, settings: self.scenario.configuration(self.now).settings, token: None }
    }

    /// Changes the instance by hand. Returns whether that was possible.
    fn meddle(&mut self) -> bool {
        let there: Vec<Zone> = self.compute.instances.keys().copied().collect();
        let configured = self.scenario.configuration(self.now).zones.clone();
        let zone = self.random.pick(if there.is_empty() { &configured } else { &there });
        let status = self.compute.instances.get(&zone).map(|instance| instance.status.clone());
        let choices: &[Change] = match status {
            None => &[Change::Up(BringUp::Insert)],
            Some(InstanceStatus::Running) => &[
                Change::Down(TakeDown::Stop),
                Change::Down(TakeDown::Suspend),
                Change::Down(TakeDown::Delete),
            ],
            Some(InstanceStatus::Suspended) => &[Change::Up(BringUp::Resume), Change::Down(TakeDown::Delete)],
            Some(_) => &[Change::Up(BringUp::Start), Change::Down(TakeDown::Delete)],
        };
        let change = self.random.pick(choices);
        self.begin(Actor::Human, self.about(zone), Task::Change(change), None).is_ok()
    }

    /// Uses the admin API.
    fn operate(&mut self) {
        if self.scenario.is_removed_in(0, self.now) {
            return;
        }
        let message = match self.random.below(6) {
            0 => Sent::TakeDown(TakeDown::Stop),
            1 => Sent::TakeDown(TakeDown::Suspend),
            2 => Sent::TakeDown(TakeDown::Delete),
            3 => Sent::Status,
            _ => Sent::Wake { request: None, unreachable: None, force: true },
        };
        self.send(message);
    }

    /// Ends the faults, and repairs the lasting damage.
    pub fn calm(&mut self) {
        self.note(|| "calm".to_owned());
        let servers = self.compute.instances.values().map(|instance| (instance.run, instance.server));
        for (run, server) in servers.collect::<Vec<_>>() {
            match server {
                Server::Hung | Server::Slow | Server::Crashed => self.server_up(run),
                Server::Booting => self.plan_in(Duration::from_secs(5), WorldEvent::ServerUp { run }),
                Server::Off | Server::Warming | Server::Up => {}
            }
        }
    }
}
