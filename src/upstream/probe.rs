//! Asking the VM itself: does its server answer yet, and is it busy?

use std::net::SocketAddr;
use std::time::Duration;

use worker::Env;

use super::error::ForwardError;
use super::socket;
use crate::lifecycle::{Endpoint, ProbeResult};
use crate::platform::fetch::Fetcher;
use crate::vm::{Origin, Vm};

/// How long a probe may take to connect: a port that nobody listens on yet may leave it hanging.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);

/// How long the health path may take to answer: the first page of a small machine is slow.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a VM may take to say whether it is busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks for the health path once.
pub(crate) async fn probe(vm: &Vm, env: &Env, endpoint: &Endpoint) -> ProbeResult {
    match get(vm, env, endpoint, vm.health_path(), PROBE_TIMEOUT).await {
        Ok(200..=299) => ProbeResult::Healthy,
        Err(ForwardError::NotSent(_)) => ProbeResult::Unreachable,
        Ok(_) | Err(_) => ProbeResult::Unhealthy,
    }
}

/// Asks the VM whether it is busy: any 2xx but 204 says so.
pub(crate) async fn is_busy(vm: &Vm, env: &Env, endpoint: &Endpoint) -> bool {
    let Some(path) = &vm.busy_path else { return false };
    matches!(get(vm, env, endpoint, path, BUSY_TIMEOUT).await, Ok(200..=203 | 205..=299))
}

async fn get(
    vm: &Vm,
    env: &Env,
    endpoint: &Endpoint,
    path: &str,
    limit: Duration,
) -> Result<u16, ForwardError> {
    match Origin::of(vm, endpoint) {
        Ok(Origin::Socket { ip, port }) => {
            let named = vm.host_header.as_ref().or(vm.host.as_ref());
            let address = SocketAddr::new(ip, port);
            let host = named.cloned().unwrap_or_else(|| address.to_string());
            socket::probe(address, path, &host, CONNECT_TIMEOUT, limit).await
        }
        Ok(Origin::Fetch { base, binding }) => {
            let fetcher = Fetcher::of(env, binding.as_deref()).map_err(ForwardError::NotSent)?;
            let headers = [("user-agent", crate::USER_AGENT)];
            let answered = fetcher.exchange("GET", &format!("{base}{path}"), &headers, None, limit).await;
            answered.map(|answer| answer.status).map_err(ForwardError::NotSent)
        }
        Err(problem) => Err(ForwardError::NotSent(problem)),
    }
}
