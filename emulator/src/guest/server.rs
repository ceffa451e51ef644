//! A guest's server: it ends, with its connections and processes, when dropped.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::demo::{self, Memory};
use super::exec;
use super::listening::Listening;
use super::machine::Machine;
use super::ready_push::ReadyPush;
use crate::compute::host_addresses::HostAddresses;
use crate::http::serve;
use crate::log::Log;

/// What the server is.
pub enum Program {
    /// The built-in one, and whom it tells that it is ready.
    Demo(Arc<Memory>, Option<ReadyPush>),
    /// A shell command, the user's.
    Command(String),
}

/// How a machine says nothing.
#[derive(Debug, Clone, Copy)]
pub enum Hang {
    /// It accepts connections and never answers.
    Accepting,
    /// It does not even take them.
    Swallowing,
}

/// A server that is coming up, or is up, or has ended by itself.
pub struct Server {
    task: JoinHandle<()>,
    listening: Listening,
    /// WebSockets outlive the connection that they began as.
    _life: DropGuard,
}

/// Ends when a machine says nothing at any of its addresses.
pub struct HangApplied(mpsc::Receiver<()>);

impl HangApplied {
    /// Waits for it.
    pub async fn wait(mut self) {
        // Nothing is sent: each address lets go of its end.
        self.0.recv().await;
    }
}

impl Server {
    /// Serves at all addresses, after a time.
    pub fn start(
        machine: Machine,
        addresses: HostAddresses,
        program: Program,
        after: Duration,
        log: Log,
    ) -> Self {
        Self::spawn(|listening, life| async move {
            tokio::time::sleep(after).await;
            match program {
                Program::Demo(memory, listener) => {
                    let bound = join_all(addresses.all().map(|address| bind(address, BACKLOG))).await;
                    let listens = bound.iter().all(Option::is_some);
                    listening.set(listens);
                    let serving = addresses.all().zip(bound).filter_map(|(address, listener)| {
                        let app = demo::router(machine.clone(), memory.clone(), address, life.clone());
                        Some(serve(listener?, app))
                    });
                    let told = async {
                        if let Some(listener) = listener.filter(|_| listens) {
                            listener.send(log).await;
                        }
                    };
                    tokio::join!(join_all(serving), told);
                }
                Program::Command(command) => exec::run(&command, &machine, addresses, &listening, log).await,
            }
        })
    }

    /// Says nothing.
    pub fn hanging(addresses: HostAddresses, hang: Hang) -> (Self, HangApplied) {
        let (applied, waiter) = mpsc::channel(1);
        let server = Self::spawn(|listening, _| async move {
            let waiting = match hang {
                Hang::Accepting => BACKLOG,
                Hang::Swallowing => 0,
            };
            let quiet = addresses.all().map(|address| {
                let (listening, applied) = (listening.clone(), applied.clone());
                async move {
                    let Some(listener) = bind(address, waiting).await else { return };
                    if matches!(hang, Hang::Swallowing) {
                        return fill_backlog(address, applied).await;
                    }
                    listening.set(true);
                    drop(applied);
                    let mut held = Vec::new();
                    while let Ok((connection, _)) = listener.accept().await {
                        held.push(connection);
                    }
                }
            });
            let quiet = join_all(quiet);
            drop(applied);
            quiet.await;
        });
        (server, HangApplied(waiter))
    }

    /// Since when it listens, if it does.
    pub fn listening_since(&self) -> Option<SystemTime> {
        self.listening.since()
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

/// How many connections wait for a server that accepts them.
const BACKLOG: u32 = 1024;

/// The last server at this address may not have let go of it yet.
async fn bind(address: SocketAddr, waiting: u32) -> Option<TcpListener> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match listen(address, waiting) {
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

fn listen(address: SocketAddr, waiting: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(waiting)
}

/// Takes all places of a queue from which nobody accepts, and whichever becomes free: Linux drops the SYNs
/// that come then, as if there were no machine.
async fn fill_backlog(address: SocketAddr, applied: mpsc::Sender<()>) {
    const LONGER_THAN_A_HANDSHAKE: Duration = Duration::from_millis(250);
    let (mut held, mut applied) = (Vec::new(), Some(applied));
    loop {
        match timeout(LONGER_THAN_A_HANDSHAKE, TcpStream::connect(address)).await {
            Ok(Ok(connection)) => held.push(connection),
            Ok(Err(_)) => tokio::time::sleep(LONGER_THAN_A_HANDSHAKE).await,
            Err(_) => drop(applied.take()),
        }
    }
}
