//! A guest's server: it ends, with its connections and processes, when dropped.

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::demo::{self, Memory};
use super::exec;
use super::Machine;
use crate::log::Log;
use crate::serve::serve;

/// What the server is.
pub enum Program {
    /// The built-in one.
    Demo(Arc<Memory>),
    /// A shell command, the user's.
    Command(String),
}

/// A server that is coming up, or is up, or has ended by itself.
pub struct Server {
    task: JoinHandle<()>,
    listening: Listening,
    /// WebSockets outlive the connection that they began as.
    _life: DropGuard,
}

/// Since when a server listens.
#[derive(Clone, Default)]
pub struct Listening(Arc<Mutex<Option<SystemTime>>>);

impl Listening {
    /// It listens from now on, or no longer does.
    pub fn set(&self, listens: bool) {
        *self.0.lock().unwrap() = listens.then(SystemTime::now);
    }
}

impl Server {
    /// Serves at `address`, after a time.
    pub fn start(machine: Machine, address: SocketAddr, program: Program, after: Duration, log: Log) -> Self {
        Self::spawn(|listening, life| async move {
            tokio::time::sleep(after).await;
            match program {
                Program::Demo(memory) => {
                    let app = demo::router(machine, memory, address, life);
                    if let Some(listener) = bind(address).await {
                        listening.set(true);
                        serve(listener, app).await;
                    }
                }
                Program::Command(command) => exec::run(&command, &machine, address, &listening, log).await,
            }
        })
    }

    /// Accepts connections and says nothing.
    pub fn silent(address: SocketAddr) -> Self {
        Self::spawn(|listening, _| async move {
            let Some(listener) = bind(address).await else { return };
            listening.set(true);
            let mut held = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                held.push(connection);
            }
        })
    }

    /// Since when it listens, if it does.
    pub fn listening_since(&self) -> Option<SystemTime> {
        *self.listening.0.lock().unwrap()
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        program: impl FnOnce(Listening, CancellationToken) -> F,
    ) -> Self {
        let (listening, life) = (Listening::default(), CancellationToken::new());
        let task = tokio::spawn(program(listening.clone(), life.clone()));
        Self { task, listening, _life: life.drop_guard() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The last server at this address may not have let go of it yet.
async fn bind(address: SocketAddr) -> Option<TcpListener> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Some(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => {
                eprintln!("cannot listen on {address}: {error}");
                return None;
            }
        }
    }
}
