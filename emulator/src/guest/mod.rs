//! What runs inside the instances: an address, and a server that really listens there.

pub mod addresses;
mod demo;
mod exec;
mod listening;
mod machine;
mod ready;
mod server;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use self::addresses::Addresses;
use self::demo::Memory;
use self::machine::Machine;
use self::ready::Listener;
use self::server::{Program, Server, Settling, Silence};
use crate::compute::instance::Instance;
use crate::compute::reach::Reach;
use crate::log::Log;

/// All guests, by the id of their instance.
pub struct Guests {
    addresses: Mutex<Addresses>,
    guests: Mutex<HashMap<u64, Guest>>,
    command: Option<String>,
    /// The emulator's own.
    endpoint: String,
    log: Log,
}

struct Guest {
    machine: Machine,
    /// Kept while the machine is suspended.
    memory: Arc<Memory>,
    server: Option<Server>,
}

impl Guests {
    /// `command` replaces the demo server.
    pub fn new(addresses: Addresses, command: Option<String>, endpoint: String, log: Log) -> Self {
        Self { addresses: Mutex::new(addresses), guests: Mutex::default(), command, endpoint, log }
    }

    /// The addresses that machines can have.
    pub fn addresses(&self) -> MutexGuard<'_, Addresses> {
        self.addresses.lock().unwrap()
    }

    /// A machine comes up; its server listens after this time.
    pub fn boot(&self, instance: &Instance, reach: Reach, after: Duration) {
        let mut guest = Guest::of(instance, &self.endpoint);
        guest.serve(self, reach, after, Listener::of(instance));
        self.guests.lock().unwrap().insert(instance.id, guest);
    }

    /// A suspended machine goes on, with the memory it had. Only the emulator's own restart loses it.
    pub fn resume(&self, instance: &Instance, reach: Reach) {
        let mut guests = self.guests.lock().unwrap();
        let guest = guests.entry(instance.id).or_insert_with(|| Guest::of(instance, &self.endpoint));
        // Nothing boots that would tell anybody.
        guest.serve(self, reach, Duration::ZERO, None);
    }

    /// The server ends with all its connections.
    pub fn cut(&self, instance: u64) {
        if let Some(guest) = self.guests.lock().unwrap().get_mut(&instance) {
            guest.server = None;
        }
    }

    /// The server goes on accepting connections and never answers.
    pub fn hang(&self, instance: u64, reach: Reach) -> Option<Settling> {
        self.replace(instance, reach, Silence::Accepting)
    }

    /// Nobody answers those who connect, not even to refuse them.
    pub fn swallow(&self, instance: u64, reach: Reach) -> Option<Settling> {
        self.replace(instance, reach, Silence::Swallowing)
    }

    /// The machine is gone.
    pub fn forget(&self, instance: u64) {
        self.guests.lock().unwrap().remove(&instance);
    }

    /// All machines are gone.
    pub fn clear(&self) {
        self.guests.lock().unwrap().clear();
    }

    /// Since when the server listens, if it does.
    pub fn listening_since(&self, instance: u64) -> Option<SystemTime> {
        self.guests.lock().unwrap().get(&instance)?.server.as_ref()?.listening_since()
    }

    fn replace(&self, instance: u64, reach: Reach, silence: Silence) -> Option<Settling> {
        let mut guests = self.guests.lock().unwrap();
        let guest = guests.get_mut(&instance)?;
        // The old one first: both want the same address.
        guest.server = None;
        let (server, settling) = Server::silent(reach, silence);
        guest.server = Some(server);
        Some(settling)
    }
}

impl Guest {
    fn of(instance: &Instance, endpoint: &str) -> Self {
        Self { machine: Machine::of(instance, endpoint), memory: Arc::default(), server: None }
    }

    fn serve(&mut self, guests: &Guests, reach: Reach, after: Duration, listener: Option<Listener>) {
        let program = match &guests.command {
            Some(command) => Program::Command(command.clone()),
            None => Program::Demo(self.memory.clone(), listener),
        };
        self.server = Some(Server::start(self.machine.clone(), reach, program, after, guests.log));
    }
}
