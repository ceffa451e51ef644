//! What runs inside the instances: an address, and a server that really listens there.

pub mod address_pool;
mod demo;
mod exec;
mod listening;
mod machine;
mod ready_push;
mod server;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use self::address_pool::AddressPool;
use self::demo::Memory;
use self::machine::Machine;
use self::ready_push::ReadyPush;
use self::server::{Hang, HangApplied, Program, Server};
use crate::compute::host_addresses::HostAddresses;
use crate::compute::instance::Instance;
use crate::log::Log;

/// All guests, by the id of their instance.
pub struct Guests {
    address_pool: Mutex<AddressPool>,
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
    pub fn new(address_pool: AddressPool, command: Option<String>, endpoint: String, log: Log) -> Self {
        Self { address_pool: Mutex::new(address_pool), guests: Mutex::default(), command, endpoint, log }
    }

    /// The addresses that machines can have.
    pub fn address_pool(&self) -> MutexGuard<'_, AddressPool> {
        self.address_pool.lock().unwrap()
    }

    /// A machine comes up; its server listens after this time.
    pub fn boot(&self, instance: &Instance, addresses: HostAddresses, after: Duration) {
        let mut guest = Guest::of(instance, &self.endpoint);
        guest.serve(self, addresses, after, ReadyPush::of(instance));
        self.guests.lock().unwrap().insert(instance.id, guest);
    }

    /// A suspended machine goes on, with the memory it had. Only the emulator's own restart loses it.
    pub fn resume(&self, instance: &Instance, addresses: HostAddresses) {
        let mut guests = self.guests.lock().unwrap();
        let guest = guests.entry(instance.id).or_insert_with(|| Guest::of(instance, &self.endpoint));
        // Nothing boots that would tell anybody.
        guest.serve(self, addresses, Duration::ZERO, None);
    }

    /// The server ends with all its connections.
    pub fn stop_server(&self, instance: u64) {
        if let Some(guest) = self.guests.lock().unwrap().get_mut(&instance) {
            guest.server = None;
        }
    }

    /// The server goes on accepting connections and never answers.
    pub fn hang(&self, instance: u64, addresses: HostAddresses) -> Option<HangApplied> {
        self.replace(instance, addresses, Hang::Accepting)
    }

    /// Nobody answers those who connect, not even to refuse them.
    pub fn swallow(&self, instance: u64, addresses: HostAddresses) -> Option<HangApplied> {
        self.replace(instance, addresses, Hang::Swallowing)
    }

    /// The machine is gone.
    pub fn remove(&self, instance: u64) {
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

    fn replace(&self, instance: u64, addresses: HostAddresses, hang: Hang) -> Option<HangApplied> {
        let mut guests = self.guests.lock().unwrap();
        let guest = guests.get_mut(&instance)?;
        // The old one first: both want the same address.
        guest.server = None;
        let (server, applied) = Server::hanging(addresses, hang);
        guest.server = Some(server);
        Some(applied)
    }
}

impl Guest {
    fn of(instance: &Instance, endpoint: &str) -> Self {
        Self { machine: Machine::of(instance, endpoint), memory: Arc::default(), server: None }
    }

    fn serve(
        &mut self,
        guests: &Guests,
        addresses: HostAddresses,
        after: Duration,
        listener: Option<ReadyPush>,
    ) {
        let program = match &guests.command {
            Some(command) => Program::Command(command.clone()),
            None => Program::Demo(self.memory.clone(), listener),
        };
        self.server = Some(Server::start(self.machine.clone(), addresses, program, after, guests.log));
    }
}
