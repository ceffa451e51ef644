//! A model of the VM's server: the results of connections to an address.

use std::net::IpAddr;
use std::time::Duration;

use vmproxy::compute::InstanceStatus;
use vmproxy::lifecycle::ProbeResult;
use vmproxy::Endpoint;

use super::compute::{Instance, Zone};
use super::event_queue::WorldEvent;
use super::scenario::Fault;
use super::world::World;

/// The time limit of a probe.
const PROBE_TIMEOUT: Duration = Duration::from_millis(1500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// The machine does not run.
    Off,
    /// No server listens yet.
    Booting,
    /// The server listens, but does not respond with 2xx yet.
    Warming,
    Up,
    /// The server responds late.
    Slow,
    /// The server accepts connections and does not respond.
    Hung,
    /// No server listens any more.
    Crashed,
}

impl Server {
    pub fn listens(self) -> bool {
        matches!(self, Server::Warming | Server::Up | Server::Slow | Server::Hung)
    }
}

impl World {
    /// Returns the server at an address.
    pub fn server_at(&self, address: IpAddr) -> Server {
        let running = |i: &&Instance| i.status == InstanceStatus::Running;
        self.compute.at(address).filter(running).map_or(Server::Off, |instance| instance.server)
    }

    /// Plans the time at which the server of a new run comes up.
    pub fn boot(&mut self, zone: Zone, resumed: bool) {
        let Some(run) = self.compute.instances.get(&zone).map(|instance| instance.run) else { return };
        self.observe_boot(zone);
        let slowly = self.strikes(Fault::SlowBoot);
        let second = Duration::from_secs(1);
        let takes = match (resumed, slowly) {
            (true, false) => self.random.between(Duration::ZERO, second),
            (false, false) => self.random.between(second, 10 * second),
            (_, true) => self.random.between(20 * second, 400 * second),
        };
        self.plan_in(takes, WorldEvent::ServerUp { run });
        if self.strikes(Fault::EarlyWord) {
            self.says_ready(zone);
        }
    }

    pub fn server_up(&mut self, run: u64) {
        let Some((zone, instance)) = self.compute.of_run(run) else { return };
        let server = instance.server;
        let next = match server {
            Server::Booting if self.random.chance(600) => Server::Warming,
            Server::Booting | Server::Warming | Server::Crashed | Server::Hung | Server::Slow => {
                if self.strikes(Fault::HungServer) {
                    Server::Hung
                } else if self.strikes(Fault::SlowServer) {
                    Server::Slow
                } else {
                    Server::Up
                }
            }
            Server::Off | Server::Up => return,
        };
        if next == Server::Warming {
            let takes = self.random.between(Duration::ZERO, Duration::from_secs(5));
            self.plan_in(takes, WorldEvent::ServerUp { run });
        }
        self.set_server(zone, next);
        if next == Server::Up {
            self.says_ready(zone);
        }
    }

    /// Crashes the server, which mostly comes up again.
    pub fn crash_server(&mut self) {
        let up = self.compute.instances.iter().find(|(_, instance)| instance.server.listens());
        let Some((zone, run)) = up.map(|(zone, instance)| (*zone, instance.run)) else { return };
        self.set_server(zone, Server::Crashed);
        if self.random.chance(700) {
            let takes = self.random.between(Duration::from_secs(1), Duration::from_secs(90));
            self.plan_in(takes, WorldEvent::ServerUp { run });
        }
    }

    fn set_server(&mut self, zone: Zone, server: Server) {
        self.note(|| format!("server in zone {zone}: {server:?}"));
        if let Some(instance) = self.compute.instances.get_mut(&zone) {
            instance.server = server;
        }
    }

    /// Handles a busy check. Any result other than a report that it is busy means idle.
    pub fn busy_check_arrives(&mut self, check: u64, endpoint: Endpoint) {
        let lost = self.strikes(Fault::NoConnection);
        let busy = match self.server_at(endpoint.ip) {
            Server::Up | Server::Slow if !lost => self.random.chance(self.scenario.busy_permille(self.now)),
            _ => false,
        };
        let takes = self.random.between(Duration::from_millis(1), Duration::from_secs(9));
        self.plan_in(takes, WorldEvent::BusyChecked { check, endpoint, busy });
    }

    pub fn probe_arrives(&mut self, probe: u64, endpoint: Endpoint) {
        let quick = self.random.between(Duration::from_millis(1), Duration::from_millis(40));
        let server = self.server_at(endpoint.ip);
        let lost = server != Server::Off && self.strikes(Fault::NoConnection);
        let (result, takes) = match server {
            _ if lost => (ProbeResult::Unreachable, PROBE_TIMEOUT),
            // The connection times out, or is refused at once.
            Server::Off => (ProbeResult::Unreachable, PROBE_TIMEOUT),
            Server::Booting if self.random.chance(500) => (ProbeResult::Unreachable, PROBE_TIMEOUT),
            Server::Booting | Server::Crashed => (ProbeResult::Unreachable, quick),
            Server::Warming => (ProbeResult::Unhealthy, quick),
            Server::Up => (ProbeResult::Healthy, quick),
            Server::Slow if self.random.chance(700) => (ProbeResult::Unhealthy, PROBE_TIMEOUT),
            Server::Slow => (ProbeResult::Healthy, PROBE_TIMEOUT * 4 / 5),
            Server::Hung => (ProbeResult::Unhealthy, PROBE_TIMEOUT),
        };
        self.plan_in(takes, WorldEvent::Probed { probe, endpoint, result });
    }
}
