//! `--exec`: a user's command in the place of the demo server.

use std::io;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{kill_process_group, Pid, Signal};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::listening::Listening;
use super::machine::Machine;
use crate::compute::host_addresses::HostAddresses;
use crate::log::Log;

/// Runs the command until it ends. Dropping the future kills the command and all processes that it
/// has started.
pub async fn run(
    command: &str,
    machine: &Machine,
    addresses: HostAddresses,
    listening: &Listening,
    log: Log,
) {
    let Some(address) = addresses.first() else { return };
    let mut process = match Process::spawn(command, machine, addresses, address) {
        Ok(process) => process,
        Err(error) => return log.line(format_args!("{}: cannot run sh: {error}", machine.name)),
    };
    tokio::select! {
        ended = process.child.wait() => return log_exit(ended, machine, log),
        () = wait_until_listening(address) => listening.set(true),
    }
    log_exit(process.child.wait().await, machine, log);
    listening.set(false);
}

/// A shell command and all its child processes.
struct Process {
    child: Child,
    group: Option<Pid>,
}

impl Process {
    fn spawn(
        command: &str,
        machine: &Machine,
        addresses: HostAddresses,
        address: SocketAddr,
    ) -> io::Result<Self> {
        let v6 = addresses
            .v6
            .iter()
            .flat_map(|v6| [("IPV6", v6.ip().to_string()), ("IPV6_PORT", v6.port().to_string())]);
        let child = Command::new("sh")
            .args(["-c", command])
            .env("IP", address.ip().to_string())
            .env("PORT", address.port().to_string())
            .env("INSTANCE", &machine.name)
            .env("GCE_METADATA_HOST", &machine.metadata_host)
            .envs(v6)
            .stdin(Stdio::null())
            // The emulator's own standard output has a single line, for which programs wait.
            .stdout(io::stderr())
            .process_group(0)
            .spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, group })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // This fails if all processes have ended already, which is fine.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn wait_until_listening(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

fn log_exit(ended: io::Result<ExitStatus>, machine: &Machine, log: Log) {
    match ended {
        Ok(status) => log.line(format_args!("{}: the command ended: {status}", machine.name)),
        Err(error) => log.line(format_args!("{}: cannot wait for the command: {error}", machine.name)),
    }
}
