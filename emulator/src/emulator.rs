//! The emulator as a whole: what its parts share, its start and its end.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::auth::account::ServiceAccount;
use crate::auth::tokens::Tokens;
use crate::compute::world::World;
use crate::faults::Faults;
use crate::guest::addresses::{AddressError, Addresses};
use crate::guest::Guests;
use crate::log::Log;
use crate::serve::serve;
use crate::{api, control, Options, Timing};

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
    faults: Mutex<Faults>,
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
        let addresses = Addresses::of_emulator(address.port(), options.instance_port)?;
        let endpoint = endpoint(address);
        let log = Log { quiet: options.quiet };
        if matches!(addresses, Addresses::Ports) {
            log.line("only 127.0.0.1 can be bound here: the instances share it and have a port each");
        }
        let emulator = Arc::new(Self {
            account: make_account(&options.project, &endpoint).await?,
            tokens: Tokens::default(),
            guests: Guests::new(addresses, options.exec.clone(), log),
            log,
            world: Mutex::new(World::new(&options.project, SystemTime::now())),
            changes: watch::Sender::new(()),
            timing: Mutex::new(options.timing),
            faults: Mutex::default(),
            calls: Mutex::default(),
            endpoint,
            options,
        });
        let app = Router::new().merge(api::router()).merge(control::router()).with_state(emulator.clone());
        let server = tokio::spawn(serve(listener, app));
        Ok(Running { emulator, address, server })
    }

    /// Changes the world and wakes those who wait for a change.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World, SystemTime) -> T) -> T {
        let result = change(&mut self.world.lock().unwrap(), SystemTime::now());
        self.changes.send_replace(());
        result
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

    /// How often each method was called.
    pub(crate) fn calls(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.calls.lock().unwrap()
    }

    /// As if just started; tokens stay valid.
    pub(crate) fn reset(&self) {
        self.change(|world, _| world.clear());
        self.guests.clear();
        self.faults().clear();
        self.calls().clear();
        *self.timing() = self.options.timing;
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

async fn make_account(project: &str, endpoint: &str) -> Result<ServiceAccount, StartError> {
    let (project, endpoint) = (project.to_owned(), endpoint.to_owned());
    let made = tokio::task::spawn_blocking(move || ServiceAccount::generate(&project, &endpoint)).await;
    match made {
        Ok(Ok(account)) => Ok(account),
        Ok(Err(error)) => Err(StartError::Key(error.to_string())),
        Err(error) => Err(StartError::Key(error.to_string())),
    }
}
