//! The guests of the instances: an address each, and a server that really listens there.

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
    /// The root of the emulator's own URLs.
    endpoint: String,
    log: Log,
}

struct Guest {
    machine: Machine,
    /// The demo server's memory, kept while the machine is suspended.
    memory: Arc<Memory>,
    server: Option<Server>,
}

impl Guests {
    /// Creates the guests of an emulator. A `command` replaces the demo server.
    pub fn new(address_pool: AddressPool, command: Option<String>, endpoint: String, log: Log) -> Self {
        Self { address_pool: Mutex::new(address_pool), guests: Mutex::default(), command, endpoint, log }
    }

    /// Returns the pool of addresses for machines.
    pub fn address_pool(&self) -> MutexGuard<'_, AddressPool> {
        self.address_pool.lock().unwrap()
    }

    /// Boots a machine. Its server listens after the duration `after`.
    pub fn boot(&self, instance: &Instance, addresses: HostAddresses, after: Duration) {
        let mut guest = Guest::of(instance, &self.endpoint);
        guest.serve(self, addresses, after, ReadyPush::of(instance));
        self.guests.lock().unwrap().insert(instance.id, guest);
    }

    /// Resumes a suspended machine with its memory, which only a restart of the emulator loses.
    pub fn resume(&self, instance: &Instance, addresses: HostAddresses) {
        let mut guests = self.guests.lock().unwrap();
        let guest = guests.entry(instance.id).or_insert_with(|| Guest::of(instance, &self.endpoint));
        // A resumed machine does not boot, so it pushes nothing.
        guest.serve(self, addresses, Duration::ZERO, None);
    }

    /// Stops a machine's server and ends all its connections.
    pub fn stop_server(&self, instance: u64) {
        if let Some(guest) = self.guests.lock().unwrap().get_mut(&instance) {
            guest.server = None;
        }
    }

    /// Makes a machine's server accept connections and never respond. `None` means that the machine
    /// is gone.
    pub fn hang(&self, instance: u64, addresses: HostAddresses) -> Option<HangApplied> {
        self.replace(instance, addresses, Hang::Accepting)
    }

    /// Makes a machine neither accept nor refuse connections. `None` means that the machine is
    /// gone.
    pub fn swallow(&self, instance: u64, addresses: HostAddresses) -> Option<HangApplied> {
        self.replace(instance, addresses, Hang::Swallowing)
    }

    /// Removes a machine.
    pub fn remove(&self, instance: u64) {
        self.guests.lock().unwrap().remove(&instance);
    }

    /// Removes all machines.
    pub fn clear(&self) {
        self.guests.lock().unwrap().clear();
    }

    /// Returns the time since which a machine's server listens. `None` means that it does not
    /// listen.
    pub fn listening_since(&self, instance: u64) -> Option<SystemTime> {
        self.guests.lock().unwrap().get(&instance)?.server.as_ref()?.listening_since()
    }

    fn replace(&self, instance: u64, addresses: HostAddresses, hang: Hang) -> Option<HangApplied> {
        let mut guests = self.guests.lock().unwrap();
        let guest = guests.get_mut(&instance)?;
        // The old server ends first, because both need the same address.
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

    fn serve(&mut self, guests: &Guests, addresses: HostAddresses, after: Duration, push: Option<ReadyPush>) {
        let program = match &guests.command {
            Some(command) => Program::Command(command.clone()),
            None => Program::Demo(self.memory.clone(), push),
        };
        self.server = Some(Server::start(self.machine.clone(), addresses, program, after, guests.log));
    }
}
