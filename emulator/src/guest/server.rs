//! The server of a guest. Dropping it ends its connections and processes.

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

/// The number of connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// The program that a server runs.
pub enum Program {
    /// The demo server, and the ready push that it sends when it listens.
    Demo(Arc<Memory>, Option<ReadyPush>),
    /// A user's shell command.
    Command(String),
}

/// A way in which a machine does not respond.
#[derive(Debug, Clone, Copy)]
pub enum Hang {
    /// The machine accepts connections and never responds.
    Accepting,
    /// The machine does not even accept connections.
    Swallowing,
}

/// A server that starts, listens, or has ended by itself.
pub struct Server {
    task: JoinHandle<()>,
    listening: Listening,
    /// WebSockets outlive the connection as which they began.
    _life: DropGuard,
}

/// Completes when a hang is in effect at all addresses of the machine.
pub struct HangApplied(mpsc::Receiver<()>);

impl HangApplied {
    /// Waits until the hang is in effect.
    pub async fn wait(mut self) {
        // Nothing is ever sent: each address drops its sender.
        self.0.recv().await;
    }
}

impl Server {
    /// Starts a server at all addresses, after the duration `after`.
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
                Program::Demo(memory, push) => {
                    let bound = join_all(addresses.all().map(|address| bind(address, BACKLOG))).await;
                    let listens = bound.iter().all(Option::is_some);
                    listening.set(listens);
                    let serving = addresses.all().zip(bound).filter_map(|(address, listener)| {
                        let app = demo::router(machine.clone(), memory.clone(), address, life.clone());
                        Some(serve(listener?, app))
                    });
                    let pushed = async {
                        if let Some(push) = push.filter(|_| listens) {
                            push.send(log).await;
                        }
                    };
                    tokio::join!(join_all(serving), pushed);
                }
                Program::Command(command) => exec::run(&command, &machine, addresses, &listening, log).await,
            }
        })
    }

    /// Starts a server that never responds.
    pub fn hanging(addresses: HostAddresses, hang: Hang) -> (Self, HangApplied) {
        let (applied, waiter) = mpsc::channel(1);
        let server = Self::spawn(|listening, _| async move {
            let backlog = match hang {
                Hang::Accepting => BACKLOG,
                Hang::Swallowing => 0,
            };
            let hanging = addresses.all().map(|address| {
                let (listening, applied) = (listening.clone(), applied.clone());
                async move {
                    let Some(listener) = bind(address, backlog).await else { return };
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
            let hanging = join_all(hanging);
            drop(applied);
            hanging.await;
        });
        (server, HangApplied(waiter))
    }

    /// Returns the time since which the server listens. `None` means that it does not listen.
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

/// Binds an address. The last server at the address may still hold it for a moment.
async fn bind(address: SocketAddr, backlog: u32) -> Option<TcpListener> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match listen(address, backlog) {
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

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

/// Fills the queue of a listener that never accepts, and refills each place that becomes free:
/// Linux drops the SYN packets of further connections, as if there were no machine.
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
