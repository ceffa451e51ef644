//! Addresses for the instances: one each, in 127.0.0.0/8.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// Hands out addresses that can be bound, never the same twice in a row.
#[derive(Debug)]
pub enum Addresses {
    /// An address each, all with the same port.
    Loopback { network: [u8; 3], last: u8, port: u16 },
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

impl Addresses {
    /// The addresses of an emulator whose API is at `api_port`: the port is the middle of the address, so
    /// that several emulators on one machine do not meet.
    ///
    /// # Errors
    /// The instances' port cannot be had.
    pub fn of_emulator(api_port: u16, port: u16) -> Result<Self, AddressError> {
        let [high, low] = api_port.to_be_bytes();
        let mut addresses = Self::Loopback { network: [127, high, low], last: 0, port };
        match addresses.next() {
            Ok(_) => Ok(addresses),
            Err(error) => match error.kind() {
                ErrorKind::AddrNotAvailable => Ok(Self::Ports),
                ErrorKind::PermissionDenied => Err(AddressError::Forbidden(port)),
                ErrorKind::AddrInUse => Err(AddressError::Taken(port)),
                _ => Err(AddressError::Other(port, error)),
            },
        }
    }

    /// The next address that is free now.
    ///
    /// # Errors
    /// All are taken, or the system refuses.
    pub fn next(&mut self) -> io::Result<SocketAddr> {
        match self {
            Self::Ports => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr(),
            Self::Loopback { network: [a, b, c], last, port } => {
                for _ in 1..=254 {
                    *last = *last % 254 + 1;
                    let address = SocketAddr::new(IpAddr::from([*a, *b, *c, *last]), *port);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_comes_twice_in_a_row() {
        let mut addresses = Addresses::Loopback { network: [127, 99, 98], last: 253, port: 18_081 };
        let seen: Vec<_> = (0..3).map(|_| addresses.next().unwrap().ip().to_string()).collect();
        assert_eq!(seen, ["127.99.98.254", "127.99.98.1", "127.99.98.2"]);
    }

    #[test]
    fn an_address_in_use_is_passed_over() {
        let _taken = TcpListener::bind(("127.99.97.1", 18_081)).unwrap();
        let mut addresses = Addresses::Loopback { network: [127, 99, 97], last: 0, port: 18_081 };
        assert_eq!(addresses.next().unwrap().ip().to_string(), "127.99.97.2");
    }
}
