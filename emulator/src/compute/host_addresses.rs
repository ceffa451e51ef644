//! The addresses at which an instance can be reached, and their fields in the resource.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

/// The addresses at which a machine can be reached: IPv4, IPv6, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAddresses {
    pub v4: Option<SocketAddr>,
    pub v6: Option<SocketAddr>,
}

/// The kinds of addresses that an instance needs to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRequest {
    pub v4: Option<Ipv4Request>,
    pub v6: bool,
    /// `true` if the IPv4 address is external.
    pub external_v4: bool,
    /// `true` if the IPv6 address is external.
    pub external_v6: bool,
}

/// The IPv4 address that an instance needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv4Request {
    /// Any address, and another one at each start.
    Ephemeral,
    /// This address: a static external one, or the internal one of an instance without an external
    /// address.
    Fixed(IpAddr),
}

impl HostAddresses {
    /// Returns all addresses.
    pub fn all(self) -> impl Iterator<Item = SocketAddr> {
        self.v4.into_iter().chain(self.v6)
    }

    /// Returns the IPv4 address, or the IPv6 address if there is no other.
    pub fn first(self) -> Option<SocketAddr> {
        self.all().next()
    }

    /// Returns the external address. An instance with two has the IPv4 address preferred.
    pub fn external(self, request: AddressRequest) -> Option<SocketAddr> {
        let v4 = self.v4.filter(|_| request.external_v4);
        v4.or(self.v6.filter(|_| request.external_v6))
    }
}

impl AddressRequest {
    /// Returns the addresses that the instance's first interface needs.
    pub fn of(interface: Option<&Value>) -> Self {
        let part = |name: &str| interface.and_then(|interface| interface.get(name));
        let stack = part("stackType").and_then(Value::as_str).unwrap_or_default();
        let external_v4 = part("accessConfigs").and_then(|configs| configs.get(0));
        let external_v6 = part("ipv6AccessConfigs").and_then(|configs| configs.get(0));
        let fixed = match external_v4 {
            Some(config) => config.get("natIP"),
            None => part("networkIP"),
        };
        // An internal address of the user's own network cannot be bound here.
        let fixed = fixed.and_then(|ip| ip.as_str()?.parse::<IpAddr>().ok()).filter(IpAddr::is_loopback);
        let v4 = fixed.map_or(Ipv4Request::Ephemeral, Ipv4Request::Fixed);
        Self {
            v4: (stack != "IPV6_ONLY").then_some(v4),
            v6: matches!(stack, "IPV4_IPV6" | "IPV6_ONLY"),
            external_v4: external_v4.is_some(),
            external_v6: external_v6.is_some(),
        }
    }
}

/// Writes a machine's addresses to its first interface, which already has the internal IPv4
/// address.
pub fn write_addresses(addresses: HostAddresses, interface: &mut Value) {
    let config =
        |interface: &mut Value, name: &str| interface.get(name).is_some_and(|list| list.get(0).is_some());
    if let (Some(v4), true) = (addresses.v4, config(interface, "accessConfigs")) {
        interface["accessConfigs"][0]["natIP"] = json!(v4.ip());
    }
    let Some(v6) = addresses.v6 else { return };
    if config(interface, "ipv6AccessConfigs") {
        interface["ipv6AccessConfigs"][0]["externalIpv6"] = json!(v6.ip());
        interface["ipv6AccessConfigs"][0]["externalIpv6PrefixLength"] = json!(96);
    } else {
        interface["ipv6Address"] = json!(v6.ip());
        interface["internalIpv6PrefixLength"] = json!(96);
    }
}
