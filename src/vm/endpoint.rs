//! Where a VM's server is.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Where a VM's server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The VM's address.
    pub ip: IpAddr,
    /// The server's port.
    pub port: u16,
    /// Grows with each endpoint, so that news of an old one is not taken for news of the present one.
    pub generation: u64,
}
