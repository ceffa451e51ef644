//! The start and the end of an emulator.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::auth::account::Key;
use crate::compute::instance::State;
use crate::compute::world::World;
use crate::emulator::Emulator;
use crate::guest::address_pool::{AddressError, AddressPool};
use crate::http::serve;
use crate::lifecycle::execute;
use crate::options::Options;
use crate::run_limit::enforce_run_limits;
use crate::state::{Saved, StateError, StateFile};
use crate::{api, control, metadata};

/// A running emulator. It ends when dropped.
pub struct Running {
    emulator: Arc<Emulator>,
    address: SocketAddr,
    tasks: JoinSet<()>,
}

/// An error that keeps the emulator from starting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The API's port cannot be bound.
    #[error("cannot listen on {0}: {1}")]
    Listen(String, io::Error),
    /// The instances' port cannot be bound.
    #[error(transparent)]
    Addresses(#[from] AddressError),
    /// The state file cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The service account's key cannot be made or read.
    #[error("cannot make the service account's key: {0}")]
    Key(String),
}

impl Emulator {
    /// Starts an emulator. It listens when this returns.
    ///
    /// # Errors
    /// Returns an error if a port cannot be bound, the state file cannot be used, or no key can be
    /// made.
    pub async fn start(options: Options) -> Result<Running, StartError> {
        let wanted = (options.host.as_str(), options.port);
        let refused = |error| StartError::Listen(format!("{}:{}", wanted.0, wanted.1), error);
        let listener = TcpListener::bind(wanted).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let mut pool = AddressPool::for_emulator(address.port(), options.instance_port)?;
        let endpoint = endpoint(address);
        let opened = options.state.as_ref().map(|path| StateFile::open(path, &options.project, &endpoint));
        let (state, saved) = opened.transpose()?.unzip();
        let saved = match saved.flatten() {
            Some(saved) => saved,
            None => Saved::fresh(make_key().await?, World::new(&options.project, SystemTime::now())),
        };
        pool.continue_after(saved.last_address);
        let shares_address = pool.is_single_address();
        let emulator = Self::new(options, endpoint, pool, state, saved);
        let emulator = Arc::new(emulator.map_err(|error| StartError::Key(error.to_string()))?);
        if shares_address {
            emulator.log.line("only 127.0.0.1 can be bound: the instances share it, each with its own port");
        }
        emulator.try_save()?;
        resume_saved(&emulator);
        let app = Router::new().merge(api::router()).merge(control::router()).merge(metadata::router());
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, app.with_state(emulator.clone())));
        tasks.spawn(enforce_run_limits(emulator.clone()));
        Ok(Running { emulator, address, tasks })
    }
}

impl Running {
    /// Returns the address on which the API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the API's root: `http://127.0.0.1:8700`.
    pub fn endpoint(&self) -> &str {
        &self.emulator.endpoint
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.abort_all();
        self.emulator.close_state();
        self.emulator.reset();
    }
}

/// Continues from the state file: running machines run again, and unfinished operations go on.
fn resume_saved(emulator: &Arc<Emulator>) {
    let work = emulator.read(|world| {
        for instance in world.instances() {
            if let State::Running { addresses, .. } = instance.state {
                emulator.guests.boot(instance, addresses, Duration::ZERO);
            }
        }
        world.pending_work().to_vec()
    });
    for work in work {
        execute(emulator, work);
    }
}

/// Returns the root of the API's URLs, with the loopback address if the emulator listens
/// everywhere.
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
