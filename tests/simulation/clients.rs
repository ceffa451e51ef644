//! The clients, and the isolates that serve them: each isolate caches the endpoint like
//! `src/proxy/endpoints.rs`, and serves like `src/proxy/serve.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use vmproxy::lifecycle::Outcome;
use vmproxy::time::Timestamp;
use vmproxy::Endpoint;

use super::event_queue::WorldEvent;
use super::host::Sent;
use super::scenario::{Fault, Traffic};
use super::server::Server;
use super::world::World;

/// The endpoint that an isolate has cached, and the time of its last touch.
#[derive(Clone, Copy, Debug, Default)]
struct Isolate {
    known: Option<(Endpoint, Timestamp)>,
    touched_at: Timestamp,
}

#[derive(Default)]
pub struct Clients {
    isolates: Vec<Isolate>,
    pub requests: BTreeMap<u64, Request>,
    count: u64,
}

pub struct Request {
    pub isolate: usize,
    arrived: Timestamp,
    /// `true` if it was forwarded before and could not connect.
    second: bool,
    /// The duration of its response.
    streams_for: Duration,
    /// The endpoint that its response is streamed from, and the end of the stream.
    streams: Option<(Endpoint, Timestamp)>,
}

impl World {
    /// Sends the next request of a client.
    pub fn demand(&mut self) {
        let (until, traffic) = self.scenario.traffic(self.now);
        let jittered = |world: &mut World, apart: Duration| world.random.between(apart / 2, apart * 3 / 2);
        let (requests, next) = match traffic {
            Traffic::Silence => (0, until.since(self.now)),
            Traffic::Steady { apart } => (1, jittered(self, apart)),
            Traffic::Bursts { size, apart } => (size, jittered(self, apart)),
        };
        for _ in 0..requests {
            self.clients.count += 1;
            let request = self.clients.count;
            let isolate = usize::try_from(self.random.below(self.scenario.isolates as u64)).expect("small");
            let streams = self.now < self.scenario.calm_from && self.random.chance(20);
            let longest = Duration::from_secs(if streams { 400 } else { 0 });
            let streams_for = self.random.between(Duration::ZERO, longest);
            let new = Request { isolate, arrived: self.now, second: false, streams_for, streams: None };
            self.clients.requests.insert(request, new);
            self.serve(request);
        }
        self.plan_in(next.max(Duration::from_millis(1)), WorldEvent::Demand);
    }

    /// Serves a request that is sent for the first time or again.
    pub fn serve(&mut self, request: u64) {
        self.observed.last_use = self.now;
        let Some(isolate) = self.clients.requests.get(&request).map(|request| request.isolate) else {
            return;
        };
        if self.scenario.is_removed_in(isolate, self.now) {
            self.clients.requests.remove(&request);
            return;
        }
        let trusted = 2 * self.touch_interval(isolate);
        match self.isolate(isolate).known.filter(|(_, reported_at)| self.now.since(*reported_at) < trusted) {
            Some((endpoint, reported_at)) => {
                self.touch(isolate);
                self.forward(request, endpoint, reported_at);
            }
            None => self.wake(request, None),
        }
    }

    fn isolate(&mut self, isolate: usize) -> &mut Isolate {
        let isolates = self.scenario.isolates;
        self.clients.isolates.resize(isolates, Isolate::default());
        &mut self.clients.isolates[isolate]
    }

    /// Returns the same as `Vm::touch_interval`.
    pub fn touch_interval(&self, isolate: usize) -> Duration {
        let idle_timeout = self.scenario.configuration_in(isolate, self.now).vm.idle_timeout;
        (idle_timeout / 10).clamp(Duration::from_millis(100), Duration::from_secs(5))
    }

    fn wake(&mut self, request: u64, unreachable: Option<u64>) {
        self.send(Sent::Wake { request: Some(request), unreachable, force: false });
    }

    /// Reports activity if a touch interval has passed.
    fn touch(&mut self, isolate: usize) {
        let (now, interval) = (self.now, self.touch_interval(isolate));
        let reporter = self.isolate(isolate);
        if now.since(reporter.touched_at) >= interval {
            reporter.touched_at = now;
            self.send(Sent::Touch { isolate });
        }
    }

    pub fn send(&mut self, sent: Sent) {
        if self.strikes(Fault::LostMessage) {
            return self.lost(&sent);
        }
        let takes = self.random.between(Duration::from_millis(1), Duration::from_millis(80));
        self.plan_in(takes, WorldEvent::Message(sent));
    }

    /// Handles the reply to a touch. `None` means that the VM does not serve.
    pub fn reported(&mut self, isolate: usize, endpoint: Option<Endpoint>) {
        let now = self.now;
        let reporter = self.isolate(isolate);
        reporter.known = endpoint.map(|endpoint| (endpoint, now));
        if endpoint.is_some() {
            reporter.touched_at = now;
        }
    }

    /// Handles the object's reply to a request.
    pub fn replied(&mut self, request: u64, outcome: &Outcome) {
        self.observed.last_use = self.now;
        let Some(isolate) = self.clients.requests.get(&request).map(|request| request.isolate) else {
            return;
        };
        match outcome {
            Outcome::Ready { endpoint, .. } => {
                let (endpoint, now) = (*endpoint, self.now);
                *self.isolate(isolate) = Isolate { known: Some((endpoint, now)), touched_at: now };
                self.forward(request, endpoint, now);
            }
            Outcome::Failed(failure) => {
                let kind = format!("{:?}", failure.kind);
                let for_hours = failure.message.contains("max_hours_per_month");
                let kind = if for_hours { "OverHours".to_owned() } else { kind };
                let for_wakes = failure.message.contains("wakes_per_hour");
                let kind = if for_wakes { "OverWakes".to_owned() } else { kind };
                self.observed.turned_away = for_wakes;
                self.coverage.count("refused", &kind);
                self.end(request, false, &kind);
            }
        }
    }

    fn forward(&mut self, request: u64, endpoint: Endpoint, reported_at: Timestamp) {
        let Some(isolate) = self.clients.requests.get(&request).map(|request| request.isolate) else {
            return;
        };
        let interval = self.touch_interval(isolate);
        self.check_forward(endpoint, reported_at, interval);
        let server = self.server_at(endpoint.ip);
        let lost = server.listens() && self.strikes(Fault::NoConnection);
        if lost || !server.listens() {
            let takes = self.random.between(Duration::from_millis(5), Duration::from_secs(3));
            return self.plan_in(takes, WorldEvent::NotConnected { request, endpoint });
        }
        if server != Server::Up {
            return self.end(request, false, "no response");
        }
        let now = self.now;
        let Some(forwarded) = self.clients.requests.get_mut(&request) else { return };
        let streams_until = now + forwarded.streams_for;
        if streams_until == now {
            return self.end(request, true, "served");
        }
        forwarded.streams = Some((endpoint, streams_until));
        self.plan_in(interval + Duration::from_millis(1), WorldEvent::Beat { request });
    }

    pub fn not_connected(&mut self, request: u64, endpoint: Endpoint) {
        self.observed.last_use = self.now;
        let Some(failed) = self.clients.requests.get_mut(&request) else { return };
        let isolate = failed.isolate;
        if std::mem::replace(&mut failed.second, true) {
            return self.end(request, false, "not connected twice");
        }
        self.isolate(isolate).known = None;
        self.wake(request, Some(endpoint.generation));
    }

    /// Continues a streamed response as long as the VM is up.
    pub fn beat(&mut self, request: u64) {
        let Some(streaming) = self.clients.requests.get(&request) else { return };
        let isolate = streaming.isolate;
        let goes_on = streaming
            .streams
            .is_some_and(|(endpoint, until)| self.now < until && self.server_at(endpoint.ip) == Server::Up);
        if !goes_on {
            return self.end(request, true, "streamed");
        }
        self.observed.last_use = self.now;
        self.touch(isolate);
        self.plan_in(self.touch_interval(isolate) + Duration::from_millis(1), WorldEvent::Beat { request });
    }

    /// Repeats a request whose object or reply was lost, after a pause.
    pub fn ask_again(&mut self, request: u64) {
        self.observed.last_use = self.now;
        if self.clients.requests.contains_key(&request) {
            let pause = self.random.between(Duration::from_millis(100), Duration::from_secs(4));
            self.plan_in(pause, WorldEvent::Sent { request });
        }
    }

    fn end(&mut self, request: u64, served: bool, how: &str) {
        self.note(|| format!("request {request}: {how}"));
        self.coverage.count("requests", if served { "served" } else { "not served" });
        if let Some(ended) = self.clients.requests.remove(&request) {
            self.check_end(ended.arrived, served, how);
        }
    }
}
