//! The network address of a VM's server.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The network address of a VM's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The VM's address.
    pub ip: IpAddr,
    /// The server's port.
    pub port: u16,
    /// A number that grows with each endpoint of the VM, so that a report about an old endpoint
    /// cannot be mistaken for one about the present endpoint.
    pub generation: u64,
}
