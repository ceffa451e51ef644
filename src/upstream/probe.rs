//! Requests that the Durable Object sends to a VM: is its server ready, and is it busy?

use std::net::SocketAddr;
use std::time::Duration;

use worker::Env;

use super::error::{ForwardError, ForwardErrorKind};
use super::{fetch, socket};
use crate::lifecycle::{Endpoint, ProbeResult};
use crate::vm::{Origin, Vm};

/// The time for a probe to connect: a port that nobody listens on yet may leave it hanging.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);

/// The time for the health path to respond: the first page of a small machine is slow.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for a VM to report whether it is busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests the health path once.
pub(crate) async fn probe(vm: &Vm, env: &Env, endpoint: &Endpoint) -> ProbeResult {
    match get(vm, env, endpoint, vm.health_path(), PROBE_TIMEOUT).await {
        Ok(200..=299) => ProbeResult::Healthy,
        Err(ForwardError { kind: ForwardErrorKind::Connect | ForwardErrorKind::Internal, .. }) => {
            ProbeResult::Unreachable
        }
        Ok(_) | Err(_) => ProbeResult::Unhealthy,
    }
}

/// Returns whether the VM is busy: it responds with 2xx other than 204.
pub(crate) async fn is_busy(vm: &Vm, env: &Env, endpoint: &Endpoint) -> bool {
    let Some(path) = &vm.busy_path else { return false };
    matches!(get(vm, env, endpoint, path, BUSY_TIMEOUT).await, Ok(200..=203 | 205..=299))
}

/// Requests a path of the VM. Returns the status.
async fn get(
    vm: &Vm,
    env: &Env,
    endpoint: &Endpoint,
    path: &str,
    limit: Duration,
) -> Result<u16, ForwardError> {
    match Origin::of(vm, endpoint).map_err(ForwardError::internal)? {
        Origin::Socket { ip, port } => {
            let configured = vm.host_header.as_ref().or(vm.host.as_ref());
            let address = SocketAddr::new(ip, port);
            let host = configured.cloned().unwrap_or_else(|| address.to_string());
            socket::get(address, path, &host, CONNECT_TIMEOUT, limit).await
        }
        Origin::Fetch { base, .. } => {
            let fetcher =
                fetch::fetcher_of(vm, env).map_err(|error| ForwardError::internal(error.to_string()))?;
            fetch::get(&fetcher, &format!("{base}{path}"), limit).await
        }
    }
}
