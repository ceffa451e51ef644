//! The `origin` template, which determines the URL and the transport by which a VM is reached.
//!
//! Cloudflare's edge refuses `fetch()` to a bare IP address (403, error 1003), although it works in
//! a local workerd. Therefore the host in the URL decides: an IP address is reached over a TCP
//! socket, a name by `fetch()`. A VPC network's binding has its own `fetch()`, which accepts both.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::Uri;

use super::{Endpoint, Vm};

/// The destination of requests for a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// HTTP/1.1 over a TCP socket to this address.
    Socket {
        /// The VM's address.
        ip: IpAddr,
        /// The VM's port.
        port: u16,
    },
    /// `fetch()` of this URL.
    Fetch {
        /// The scheme and the authority, such as `https://vm.example.com:8443`.
        base: String,
        /// The binding whose `fetch()` is used. `None` means the Worker's own.
        binding: Option<String>,
    },
}

impl Origin {
    /// Returns the origin of a VM whose address is known.
    ///
    /// # Errors
    /// Returns what is wrong with the template, and what is allowed.
    pub fn of(vm: &Vm, endpoint: &Endpoint) -> Result<Self, String> {
        resolve(&vm.origin, endpoint.ip, endpoint.port, vm.vpc.as_deref())
    }

    /// Returns the scheme and the authority, such as `http://203.0.113.7:80`.
    pub fn base(&self) -> Cow<'_, str> {
        match self {
            Origin::Socket { ip, port } => format!("http://{}", SocketAddr::new(*ip, *port)).into(),
            Origin::Fetch { base, .. } => base.into(),
        }
    }

    /// Returns the binding whose `fetch()` is used. `None` means the Worker's own, or a socket.
    pub fn binding(&self) -> Option<&str> {
        match self {
            Origin::Socket { .. } => None,
            Origin::Fetch { binding, .. } => binding.as_deref(),
        }
    }

    /// Checks the VM's template, and returns an origin of the kind that it leads to.
    ///
    /// # Errors
    /// The same as of [`Origin::of`].
    pub fn check(vm: &Vm) -> Result<Self, String> {
        // Any address is valid for the check: only the form of the URL matters.
        resolve(&vm.origin, IpAddr::V4(Ipv4Addr::UNSPECIFIED), 80, vm.vpc.as_deref())
    }
}

fn resolve(template: &str, ip: IpAddr, port: u16, binding: Option<&str>) -> Result<Origin, String> {
    let text = if template.contains('{') { fill_in(template, ip, port) } else { template.to_owned() };
    if text.contains(['{', '}']) {
        return Err(format!(
            "{template:?} has an unknown placeholder; expected {{ip}}, {{ip-dashed}} or {{port}}"
        ));
    }
    let url: Uri = text.parse().map_err(|error| format!("{template:?} is not a URL: {error}"))?;
    let scheme = url.scheme_str();
    if !matches!(scheme, Some("http" | "https")) {
        return Err(format!("{template:?} must begin with http:// or https://"));
    }
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && !text.contains(['@', '#']);
    if !is_bare {
        return Err(format!(
            "{template:?} must be a scheme, a host and an optional port, without path, query or user"
        ));
    }
    let host = url.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    if address.is_ok() && scheme == Some("https") {
        return Err(format!(
            "{template:?} uses HTTPS with an IP address, whose certificate a Worker cannot verify: \
             use http, or a host name such as \"https://{{ip-dashed}}.vm.example.com\""
        ));
    }
    match (address, binding) {
        (Ok(ip), None) => Ok(Origin::Socket { ip, port: url.port_u16().unwrap_or(80) }),
        (_, binding) => {
            let base = text.trim_end_matches('/').to_owned();
            Ok(Origin::Fetch { base, binding: binding.map(str::to_owned) })
        }
    }
}

fn fill_in(template: &str, ip: IpAddr, port: u16) -> String {
    let (text, dashed) = match ip {
        IpAddr::V4(ip) => (ip.to_string(), ip.to_string().replace('.', "-")),
        // All eight groups are written out: a label of a host name neither begins nor ends with a
        // dash.
        IpAddr::V6(ip) => (format!("[{ip}]"), ip.segments().map(|group| format!("{group:x}")).join("-")),
    };
    template.replace("{ip}", &text).replace("{ip-dashed}", &dashed).replace("{port}", &port.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: Endpoint =
        Endpoint { ip: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)), port: 8080, generation: 1 };

    fn vm(template: &str) -> Vm {
        Vm { origin: template.to_owned(), ..Vm::default() }
    }

    fn by_name(base: &str) -> Origin {
        Origin::Fetch { base: base.to_owned(), binding: None }
    }

    #[test]
    fn an_address_is_reached_over_a_socket() {
        for (template, address) in [
            ("http://{ip}:{port}", "203.0.113.7:8080"),
            ("http://{ip}", "203.0.113.7:80"),
            ("http://198.51.100.1:81/", "198.51.100.1:81"),
        ] {
            let address: SocketAddr = address.parse().unwrap();
            let expected = Origin::Socket { ip: address.ip(), port: address.port() };
            assert_eq!(Origin::of(&vm(template), &ENDPOINT), Ok(expected), "{template}");
        }
    }

    #[test]
    fn a_name_is_reached_by_fetch() {
        for (template, base) in [
            ("https://{ip-dashed}.vm.example.com:{port}", "https://203-0-113-7.vm.example.com:8080"),
            ("https://vm.example.com/", "https://vm.example.com"),
        ] {
            assert_eq!(Origin::of(&vm(template), &ENDPOINT), Ok(by_name(base)), "{template}");
        }
    }

    #[test]
    fn a_vpc_network_reaches_both() {
        for (template, base) in [
            ("http://{ip}:{port}", "http://203.0.113.7:8080"),
            ("https://vm.internal", "https://vm.internal"),
        ] {
            let vm = Vm { vpc: Some("NET".to_owned()), ..vm(template) };
            let expected = Origin::Fetch { base: base.to_owned(), binding: Some("NET".to_owned()) };
            assert_eq!(Origin::of(&vm, &ENDPOINT), Ok(expected), "{template}");
        }
    }

    #[test]
    fn ipv6_addresses_get_their_brackets() {
        let ip: IpAddr = "2001:db8::7".parse().unwrap();
        let endpoint = Endpoint { ip, port: 80, generation: 1 };
        let vm = vm("http://{ip}:{port}");
        assert_eq!(Origin::of(&vm, &endpoint), Ok(Origin::Socket { ip, port: 80 }));
        let vm = Vm { vpc: Some("NET".to_owned()), ..vm };
        let expected =
            Origin::Fetch { base: "http://[2001:db8::7]:80".to_owned(), binding: Some("NET".to_owned()) };
        assert_eq!(Origin::of(&vm, &endpoint), Ok(expected));
    }

    #[test]
    fn ipv6_addresses_are_dashed_in_full() {
        for (ip, dashed) in [("2001:db8::7", "2001-db8-0-0-0-0-0-7"), ("::1", "0-0-0-0-0-0-0-1")] {
            let endpoint = Endpoint { ip: ip.parse().unwrap(), port: 8080, generation: 1 };
            let vm = vm("https://{ip-dashed}.vm.example.com:{port}");
            let expected = by_name(&format!("https://{dashed}.vm.example.com:8080"));
            assert_eq!(Origin::of(&vm, &endpoint), Ok(expected));
        }
    }

    #[test]
    fn templates_that_cannot_work_are_refused_with_the_reason() {
        for (template, reason) in [
            ("https://{ip}", "cannot verify"),
            ("https://{ip}:8443", "cannot verify"),
            ("ftp://{ip}", "http:// or https://"),
            ("{ip}:80", "http:// or https://"),
            ("http://", "not a URL"),
            ("http://{addr}", "placeholder"),
            ("http://{ip}/app", "without path"),
            ("http://u@{ip}/", "user"),
        ] {
            let error = Origin::check(&vm(template)).expect_err(template);
            assert!(error.contains(reason) && error.contains(&format!("{template:?}")), "{error}");
        }
    }
}
