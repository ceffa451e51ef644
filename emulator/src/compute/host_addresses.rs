//! The addresses of an instance, and what of them the resource shows.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

/// Where a machine is reached: an IPv4 address, an IPv6 address, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAddresses {
    pub v4: Option<SocketAddr>,
    pub v6: Option<SocketAddr>,
}

/// The addresses that an instance needs to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRequest {
    pub v4: Option<Ipv4Request>,
    pub v6: bool,
    /// Whether the IPv4 address is an external one.
    pub external_v4: bool,
    /// Whether the IPv6 address is an external one.
    pub external_v6: bool,
}

/// An IPv4 address that an instance needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv4Request {
    /// Any, another at each start.
    Ephemeral,
    /// This one: a static external one, or the internal one of an instance without an external one.
    Fixed(IpAddr),
}

impl HostAddresses {
    /// All addresses.
    pub fn all(self) -> impl Iterator<Item = SocketAddr> {
        self.v4.into_iter().chain(self.v6)
    }

    /// The IPv4 address, or the IPv6 address where it is the only one.
    pub fn first(self) -> Option<SocketAddr> {
        self.all().next()
    }

    /// The address that is reached from outside: of two, the IPv4 address.
    pub fn external(self, request: AddressRequest) -> Option<SocketAddr> {
        let v4 = self.v4.filter(|_| request.external_v4);
        v4.or(self.v6.filter(|_| request.external_v6))
    }
}

impl AddressRequest {
    /// What the instance's first interface asks for.
    pub fn of(interface: Option<&Value>) -> Self {
        let part = |name: &str| interface.and_then(|interface| interface.get(name));
        let stack = part("stackType").and_then(Value::as_str).unwrap_or_default();
        let external_v4 = part("accessConfigs").and_then(|configs| configs.get(0));
        let external_v6 = part("ipv6AccessConfigs").and_then(|configs| configs.get(0));
        let fixed = match external_v4 {
            Some(config) => config.get("natIP"),
            None => part("networkIP"),
        };
        // An internal address of somebody's own network cannot be listened on.
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

/// Writes a machine's addresses to its first interface; the internal IPv4 address is there already.
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
