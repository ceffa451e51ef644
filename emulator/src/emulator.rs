//! The emulator as a whole: what its parts share, its start and its end.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::auth::account::{Key, ServiceAccount};
use crate::auth::tokens::Tokens;
use crate::compute::instance::State;
use crate::compute::world::World;
use crate::faults::Faults;
use crate::guest::addresses::{AddressError, Addresses};
use crate::guest::Guests;
use crate::lifecycle::carry_out;
use crate::log::Log;
use crate::rate_limit::RateLimit;
use crate::run_limit::limit_run;
use crate::serve::serve;
use crate::state::{Saved, Saving, StateError, StateFile};
use crate::{api, control, metadata, Options, Timing};

/// An emulator at work, shared by everything that serves it.
pub struct Emulator {
    pub(crate) options: Options,
    /// `http://127.0.0.1:8700`.
    pub(crate) endpoint: String,
    pub(crate) account: ServiceAccount,
    pub(crate) tokens: Tokens,
    pub(crate) guests: Guests,
    pub(crate) log: Log,
    world: Mutex<World>,
    /// Told of every change of the world, for those who wait.
    changes: watch::Sender<()>,
    timing: Mutex<Timing>,
    /// None without `--state`, and once the emulator ends.
    state: Mutex<Option<StateFile>>,
    faults: Mutex<Faults>,
    rate_limit: Mutex<RateLimit>,
    /// By how much Google's clock is ahead of this machine's, in milliseconds.
    clock_offset: AtomicI64,
    calls: Mutex<BTreeMap<String, u64>>,
}

/// Why the emulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The API's port cannot be had.
    #[error("cannot listen on {0}: {1}")]
    Listen(String, io::Error),
    /// The instances' port cannot be had.
    #[error(transparent)]
    Addresses(#[from] AddressError),
    /// There is no going on from the state file.
    #[error(transparent)]
    State(#[from] StateError),
    /// The service account's key could not be made.
    #[error("cannot make a key: {0}")]
    Key(String),
}

/// A running emulator; it ends when dropped.
pub struct Running {
    emulator: Arc<Emulator>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Emulator {
    /// Starts an emulator; it listens when this returns.
    ///
    /// # Errors
    /// A port cannot be had.
    pub async fn start(options: Options) -> Result<Running, StartError> {
        let wanted = (options.host.as_str(), options.port);
        let refused = |error| StartError::Listen(format!("{}:{}", wanted.0, wanted.1), error);
        let listener = TcpListener::bind(wanted).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let mut addresses = Addresses::of_emulator(address.port(), options.instance_port)?;
        let endpoint = endpoint(address);
        let log = Log { quiet: options.quiet };
        if addresses.are_ports() {
            log.line("only 127.0.0.1 can be bound here: the instances share it and have a port each");
        }
        let opened = options.state.as_ref().map(|path| StateFile::open(path, &options.project, &endpoint));
        let (state, saved) = opened.transpose()?.unzip();
        let Saved { key, tokens, timing, last_address, world } = match saved.flatten() {
            Some(saved) => saved,
            None => Saved::of_nothing(make_key().await?, World::new(&options.project, SystemTime::now())),
        };
        addresses.go_on_after(last_address);
        let account = ServiceAccount::new(&options.project, &endpoint, key);
        let emulator = Arc::new(Self {
            account: account.map_err(|error| StartError::Key(error.to_string()))?,
            tokens,
            guests: Guests::new(addresses, options.exec.clone(), endpoint.clone(), log),
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
        });
        emulator.save()?;
        emulator.go_on();
        let app = Router::new().merge(api::router()).merge(control::router()).merge(metadata::router());
        let app = app.with_state(emulator.clone());
        let server = tokio::spawn(serve(listener, app));
        Ok(Running { emulator, address, server })
    }

    /// Changes the world and wakes those who wait for a change.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World, SystemTime) -> T) -> T {
        let result = change(&mut self.world.lock().unwrap(), SystemTime::now());
        self.changed();
        self.changes.send_replace(());
        result
    }

    /// Something that is to survive is another.
    pub(crate) fn changed(&self) {
        if let Err(error) = self.save() {
            eprintln!("gce-emulator: {error}");
        }
    }

    /// Writes the state file, if there is to be one.
    fn save(&self) -> Result<(), StateError> {
        let state = self.state.lock().unwrap();
        let Some(file) = &*state else { return Ok(()) };
        let world = self.world.lock().unwrap();
        let timing = Some(*self.timing()).filter(|timing| *timing != self.options.timing);
        let last_address = self.guests.addresses().last();
        let (key, tokens) = (&self.account.key, &self.tokens);
        file.write(&Saving::new(&self.endpoint, key, tokens, timing, last_address, &world))
    }

    /// What an emulator before this one left: its machines run, and what was under way is carried on.
    fn go_on(self: &Arc<Self>) {
        let work = self.look(|world| {
            for instance in world.instances() {
                if let State::Running { reach, .. } = instance.state {
                    self.guests.boot(instance, reach, Duration::ZERO);
                    limit_run(self, instance);
                }
            }
            world.under_way().to_vec()
        });
        for work in work {
            carry_out(self, work);
        }
    }

    /// Looks at the world.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.world.lock().unwrap())
    }

    /// Sees every change from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// The root of the project's resources.
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

    /// How often each method was called.
    pub(crate) fn calls(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.calls.lock().unwrap()
    }

    /// The time as those see it who give out tokens and check them.
    pub(crate) fn googles_now(&self) -> SystemTime {
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

    /// As if just started; tokens stay valid.
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

impl Running {
    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The API's root: `http://127.0.0.1:8700`.
    pub fn endpoint(&self) -> &str {
        &self.emulator.endpoint
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
        // Its file is for the next emulator from now on.
        *self.emulator.state.lock().unwrap() = None;
        self.emulator.reset();
    }
}

/// An emulator that listens everywhere is reached at the loopback address.
fn endpoint(address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("http://127.0.0.1:{}", address.port()),
        false => format!("http://{address}"),
    }
}

async fn make_key() -> Result<Key, StartError> {
    match tokio::task::spawn_blocking(Key::generate).await {
        Ok(Ok(key)) => Ok(key),
        Ok(Err(error)) => Err(StartError::Key(error.to_string())),
        Err(error) => Err(StartError::Key(error.to_string())),
    }
}
