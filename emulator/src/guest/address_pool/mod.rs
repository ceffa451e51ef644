//! Addresses for the instances: one each, in 127.0.0.0/8, and ::1 for those with IPv6.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::compute::host_addresses::{AddressRequest, HostAddresses, Ipv4Request};

/// Hands out addresses that can be bound, never the same twice in a row.
#[derive(Debug)]
pub struct AddressPool {
    port: u16,
    pool: Pool,
}

/// The IPv4 addresses there are.
#[derive(Debug)]
enum Pool {
    /// An address each, all with the same port.
    Loopback { network: [u8; 3], last: u8 },
    /// Some systems (macOS) have only 127.0.0.1: a port each.
    Ports,
}

/// Why instances can have no address.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Ports below 1024 are for root on most systems.
    #[error(
        "may not listen on port {0} for the instances; choose another with --instance-port, such as 8080"
    )]
    Forbidden(u16),
    /// Something listens on that port at every address.
    #[error("port {0} is taken, so the instances cannot have it; choose another with --instance-port")]
    Taken(u16),
    /// Something else.
    #[error("cannot listen on port {0} for the instances (see --instance-port): {1}")]
    Other(u16, io::Error),
}

impl AddressPool {
    /// The addresses of an emulator whose API is at `api_port`: the port is the middle of the address, so
    /// that several emulators on one machine do not meet.
    ///
    /// # Errors
    /// The instances' port cannot be had.
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

    /// The port of all instances that have an address to themselves.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether instances share one address.
    pub fn is_single_address(&self) -> bool {
        matches!(self.pool, Pool::Ports)
    }

    /// Which address came last, for an emulator that goes on where this one ends.
    pub fn last(&self) -> u8 {
        match self.pool {
            Pool::Loopback { last, .. } => last,
            Pool::Ports => 0,
        }
    }

    /// Goes on after this address.
    pub fn continue_after(&mut self, address: u8) {
        if let Pool::Loopback { last, .. } = &mut self.pool {
            *last = address;
        }
    }

    /// Addresses for a machine that comes up.
    ///
    /// # Errors
    /// All are taken, or the system refuses.
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

    /// The next IPv4 address that is free now, and not taken by somebody who does not listen yet.
    ///
    /// # Errors
    /// All are taken, or the system refuses.
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

    /// There is one IPv6 loopback address: the first machine has it with the usual port, others with a port
    /// of their own.
    fn next_v6(&self, taken: &HashSet<SocketAddr>) -> io::Result<SocketAddr> {
        let usual = SocketAddr::from((Ipv6Addr::LOCALHOST, self.port));
        if !taken.contains(&usual) && TcpListener::bind(usual).is_ok() {
            return Ok(usual);
        }
        TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?.local_addr()
    }
}

/// Whether machines can have IPv6 addresses here.
pub fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}
