//! The health probe: does the VM's server answer yet?

use std::time::Duration;

use super::origin::Origin;
use super::{socket_origin, ForwardError};
use crate::lifecycle::{Endpoint, ProbeResult};
use crate::platform::fetch::exchange;
use crate::vm::Vm;

/// How long a probe may take: a port that nobody listens on yet may leave it hanging.
const PROBE_TIMEOUT: Duration = Duration::from_millis(1500);

/// Asks for the health path once.
pub(crate) async fn probe(vm: &Vm, endpoint: &Endpoint) -> ProbeResult {
    let path = vm.health_path();
    let answered = match Origin::of(&vm.origin, endpoint) {
        Ok(Origin::Socket { ip, port }) => {
            let host = vm.host.clone().unwrap_or_else(|| std::net::SocketAddr::new(ip, port).to_string());
            socket_origin::probe(ip, port, path, &host, PROBE_TIMEOUT).await
        }
        Ok(Origin::Name(base)) => {
            let headers = [("user-agent", crate::USER_AGENT)];
            let answered = exchange("GET", &format!("{base}{path}"), &headers, None, PROBE_TIMEOUT).await;
            answered.map(|(status, _)| status).map_err(ForwardError::NotSent)
        }
        Err(problem) => Err(ForwardError::NotSent(problem)),
    };
    match answered {
        Ok(200..=299) => ProbeResult::Healthy,
        Ok(_) | Err(ForwardError::NoAnswer(_)) => ProbeResult::Unhealthy,
        Err(ForwardError::NotSent(_)) => ProbeResult::Unreachable,
    }
}
