//! The addresses of the instances: one each in 127.0.0.0/8, and ::1 for instances with IPv6.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::compute::host_addresses::{AddressRequest, HostAddresses, Ipv4Request};

/// Allocates addresses that can be bound, never the same one twice in a row.
#[derive(Debug)]
pub struct AddressPool {
    port: u16,
    pool: Pool,
}

/// The available IPv4 addresses.
#[derive(Debug)]
enum Pool {
    /// An address per instance, all with the same port.
    Loopback { network: [u8; 3], last: u8 },
    /// A port per instance: some systems (macOS) can bind only 127.0.0.1.
    Ports,
}

/// An error that keeps instances from having addresses.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Ports below 1024 need root on most systems.
    #[error(
        "no permission to listen on port {0} for the instances; choose another port with --instance-port, such as 8080"
    )]
    Forbidden(u16),
    /// Another program listens on the port at every address.
    #[error("port {0} for the instances is in use; choose another port with --instance-port")]
    Taken(u16),
    /// The system refuses the port for another reason.
    #[error("cannot listen on port {0} for the instances (see --instance-port): {1}")]
    Other(u16, io::Error),
}

impl AddressPool {
    /// Creates the pool of an emulator whose API listens on `api_port`. The port is the middle of
    /// the addresses, so that several emulators on one machine do not collide.
    ///
    /// # Errors
    /// Returns an error if the instances' port cannot be bound.
    pub fn for_emulator(api_port: u16, port: u16) -> Result<Self, AddressError> {
        let [high, low] = api_port.to_be_bytes();
        let mut pool = Self { port, pool: Pool::Loopback { network: [127, high, low], last: 0 } };
        match pool.next(&HashSet::new()) {
            Ok(_) => Ok(pool),
            Err(error) => match error.kind() {
                ErrorKind::AddrNotAvailable => Ok(Self { port, pool: Pool::Ports }),
                ErrorKind::PermissionDenied => Err(AddressError::Forbidden(port)),
                ErrorKind::AddrInUse => Err(AddressError::Taken(port)),
                _ => Err(AddressError::Other(port, error)),
            },
        }
    }

    /// Returns the port of all instances that have an address of their own.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns `true` if all instances share one address.
    pub fn is_single_address(&self) -> bool {
        matches!(self.pool, Pool::Ports)
    }

    /// Returns the last part of the address that was allocated last, for the state file.
    pub fn last(&self) -> u8 {
        match self.pool {
            Pool::Loopback { last, .. } => last,
            Pool::Ports => 0,
        }
    }

    /// Continues after an address from the state file.
    pub fn continue_after(&mut self, address: u8) {
        if let Pool::Loopback { last, .. } = &mut self.pool {
            *last = address;
        }
    }

    /// Allocates the addresses of a machine that starts.
    ///
    /// # Errors
    /// Returns an error if all addresses are taken, or the system refuses one.
    pub fn allocate(
        &mut self,
        request: AddressRequest,
        taken: &HashSet<SocketAddr>,
    ) -> io::Result<HostAddresses> {
        let v4 = match request.v4 {
            None => None,
            Some(Ipv4Request::Fixed(ip)) if !self.is_single_address() => Some(SocketAddr::new(ip, self.port)),
            Some(_) => Some(self.next(taken)?),
        };
        let v6 = if request.v6 { Some(self.next_v6(taken)?) } else { None };
        Ok(HostAddresses { v4, v6 })
    }

    /// Allocates an IPv4 address that is free at the moment and not in `taken`, whose owners may
    /// not listen yet.
    ///
    /// # Errors
    /// Returns an error if all addresses are taken, or the system refuses one.
    pub fn next(&mut self, taken: &HashSet<SocketAddr>) -> io::Result<SocketAddr> {
        match &mut self.pool {
            Pool::Ports => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr(),
            Pool::Loopback { network: [a, b, c], last } => {
                for _ in 1..=254 {
                    *last = *last % 254 + 1;
                    let address = SocketAddr::new(IpAddr::from([*a, *b, *c, *last]), self.port);
                    if taken.contains(&address) {
                        continue;
                    }
                    match TcpListener::bind(address) {
                        Ok(_) => return Ok(address),
                        Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                        Err(error) => return Err(error),
                    }
                }
                Err(ErrorKind::AddrInUse.into())
            }
        }
    }

    /// Allocates an IPv6 address. There is only one loopback address: the first machine gets the
    /// usual port, and others get a port of their own.
    fn next_v6(&self, taken: &HashSet<SocketAddr>) -> io::Result<SocketAddr> {
        let usual = SocketAddr::from((Ipv6Addr::LOCALHOST, self.port));
        if !taken.contains(&usual) && TcpListener::bind(usual).is_ok() {
            return Ok(usual);
        }
        TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?.local_addr()
    }
}

/// Returns `true` if this machine has IPv6 addresses.
pub fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}
