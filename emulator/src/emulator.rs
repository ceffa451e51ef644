//! The state that all parts of the emulator share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use axum::extract;
use tokio::sync::watch;

use crate::auth::account::ServiceAccount;
use crate::auth::tokens::Tokens;
use crate::compute::world::World;
use crate::faults::Faults;
use crate::guest::address_pool::AddressPool;
use crate::guest::Guests;
use crate::log::Log;
use crate::options::Options;
use crate::rate_limit::RateLimit;
use crate::state::{Saved, Saving, StateError, StateFile};
use crate::timing::Timing;

/// The shared state, as HTTP handlers receive it.
pub type Shared = extract::State<Arc<Emulator>>;

/// A running emulator's shared state.
pub struct Emulator {
    pub(crate) options: Options,
    /// The root of all URLs, such as `http://127.0.0.1:8700`.
    pub(crate) endpoint: String,
    pub(crate) account: ServiceAccount,
    pub(crate) tokens: Tokens,
    pub(crate) guests: Guests,
    pub(crate) log: Log,
    world: Mutex<World>,
    /// Notified after every change of the world.
    changes: watch::Sender<()>,
    timing: Mutex<Timing>,
    /// `None` means that nothing is saved: there is no `--state`, or the emulator has ended.
    state: Mutex<Option<StateFile>>,
    faults: Mutex<Faults>,
    rate_limit: Mutex<RateLimit>,
    /// The time by which Google's clock is ahead of this machine's, in milliseconds.
    clock_offset: AtomicI64,
    calls: Mutex<BTreeMap<String, u64>>,
}

impl Emulator {
    /// Creates the shared state of an emulator that continues from `saved`.
    ///
    /// # Errors
    /// Returns an error if the saved key cannot be read.
    pub(crate) fn new(
        options: Options,
        endpoint: String,
        pool: AddressPool,
        state: Option<StateFile>,
        saved: Saved,
    ) -> Result<Self, rsa::pkcs8::Error> {
        let Saved { key, tokens, timing, last_address: _, world } = saved;
        let log = Log { quiet: options.quiet };
        Ok(Self {
            account: ServiceAccount::new(&options.project, &endpoint, key)?,
            tokens,
            guests: Guests::new(pool, options.exec.clone(), endpoint.clone(), log),
            log,
            world: Mutex::new(world),
            changes: watch::Sender::new(()),
            timing: Mutex::new(timing.unwrap_or(options.timing)),
            state: Mutex::new(state),
            faults: Mutex::default(),
            rate_limit: Mutex::default(),
            clock_offset: AtomicI64::default(),
            calls: Mutex::default(),
            endpoint,
            options,
        })
    }

    /// Changes the world, saves it, and notifies its watchers.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World, SystemTime) -> T) -> T {
        let result = change(&mut self.world.lock().unwrap(), SystemTime::now());
        self.save();
        self.changes.send_replace(());
        result
    }

    /// Saves the state. A failure is reported on standard error only.
    pub(crate) fn save(&self) {
        if let Err(error) = self.try_save() {
            eprintln!("gce-emulator: {error}");
        }
    }

    /// Writes the state file, if there is one.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(crate) fn try_save(&self) -> Result<(), StateError> {
        let state = self.state.lock().unwrap();
        let Some(file) = &*state else { return Ok(()) };
        let world = self.world.lock().unwrap();
        let timing = Some(*self.timing()).filter(|timing| *timing != self.options.timing);
        let last_address = self.guests.address_pool().last();
        let (key, tokens) = (&self.account.key, &self.tokens);
        file.write(&Saving::new(&self.endpoint, key, tokens, timing, last_address, &world))
    }

    /// Stops saving: the state file keeps its content for the next emulator.
    pub(crate) fn close_state(&self) {
        *self.state.lock().unwrap() = None;
    }

    /// Reads the world.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&self.world.lock().unwrap())
    }

    /// Returns a receiver that is notified of every later change of the world.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Returns the root of the URLs of the project's resources.
    pub(crate) fn project_url(&self) -> String {
        format!("{}/compute/v1/projects/{}", self.endpoint, self.options.project)
    }

    pub(crate) fn timing(&self) -> MutexGuard<'_, Timing> {
        self.timing.lock().unwrap()
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap()
    }

    pub(crate) fn rate_limit(&self) -> MutexGuard<'_, RateLimit> {
        self.rate_limit.lock().unwrap()
    }

    /// Returns the number of calls of each method.
    pub(crate) fn calls(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.calls.lock().unwrap()
    }

    /// Returns the time of Google's clock, by which tokens are issued and checked.
    pub(crate) fn google_now(&self) -> SystemTime {
        let offset = self.clock_offset();
        let by = Duration::from_millis(offset.unsigned_abs());
        if offset < 0 {
            SystemTime::now() - by
        } else {
            SystemTime::now() + by
        }
    }

    pub(crate) fn clock_offset(&self) -> i64 {
        self.clock_offset.load(Ordering::Relaxed)
    }

    pub(crate) fn set_clock_offset(&self, millis: i64) {
        self.clock_offset.store(millis, Ordering::Relaxed);
    }

    /// Returns to the state after a start; tokens stay valid.
    pub(crate) fn reset(&self) {
        self.faults().clear();
        self.calls().clear();
        *self.rate_limit() = RateLimit::default();
        self.set_clock_offset(0);
        *self.timing() = self.options.timing;
        self.change(|world, _| world.clear());
        self.guests.clear();
    }
}
