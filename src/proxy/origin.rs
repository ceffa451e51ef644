//! The `origin` template: which URL, and so which transport, reaches a VM.
//!
//! `fetch()` to a bare IP address is refused by Cloudflare's edge (403, error 1003), although it works in a
//! local workerd. So the host that the template gives decides: an IP address is spoken to over a TCP socket,
//! a name by `fetch()`.

use std::net::IpAddr;

use http::Uri;

use crate::lifecycle::Endpoint;

/// Where requests for a VM go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// HTTP/1.1 over a TCP socket to this address.
    Socket {
        /// The VM's address.
        ip: IpAddr,
        /// The VM's port.
        port: u16,
    },
    /// `fetch()` of this scheme and authority, as `https://vm.example.com:8443`.
    Name(String),
}

impl Origin {
    /// Checks a template, and says what is wrong with it.
    ///
    /// # Errors
    /// The text names the template and what is allowed.
    pub fn parse(template: &str) -> Result<(), String> {
        // Any address will do: only its being an address matters here.
        resolve(template, IpAddr::from([192, 0, 2, 1]), 80).map(drop)
    }

    /// The origin of a VM whose address is known.
    ///
    /// # Errors
    /// As [`Origin::parse`].
    pub fn of(template: &str, endpoint: &Endpoint) -> Result<Self, String> {
        resolve(template, endpoint.ip, endpoint.port)
    }
}

fn resolve(template: &str, ip: IpAddr, port: u16) -> Result<Origin, String> {
    let ip_text = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let dashed = ip.to_string().replace(['.', ':'], "-");
    let text = template
        .replace("{ip}", &ip_text)
        .replace("{ip-dashed}", &dashed)
        .replace("{port}", &port.to_string());
    if text.contains(['{', '}']) {
        return Err(format!("{template:?} has a placeholder that is not {{ip}}, {{ip-dashed}} or {{port}}"));
    }
    let url: Uri = text.parse().map_err(|error| format!("{template:?} is not a URL: {error}"))?;
    let scheme = url.scheme_str();
    if !matches!(scheme, Some("http" | "https")) {
        return Err(format!("{template:?} must begin with http:// or https://"));
    }
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && !text.contains(['@', '#']);
    if !is_bare {
        return Err(format!("{template:?} must be a scheme, a host and a port, no path, query or user"));
    }
    let host = url.host().unwrap_or_default();
    let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() else {
        return Ok(Origin::Name(text.trim_end_matches('/').to_owned()));
    };
    if scheme == Some("https") {
        return Err(format!(
            "{template:?} is HTTPS to an IP address, whose certificate a Worker cannot check: \
             use http, or a name as in \"https://{{ip-dashed}}.vm.example.com\""
        ));
    }
    Ok(Origin::Socket { ip: address, port: url.port_u16().unwrap_or(80) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(template: &str) -> Result<Origin, String> {
        Origin::of(template, &Endpoint { ip: IpAddr::from([203, 0, 113, 7]), port: 8080, generation: 1 })
    }

    #[test]
    fn an_address_is_reached_over_a_socket() {
        let ip = IpAddr::from([203, 0, 113, 7]);
        assert_eq!(origin("http://{ip}:{port}"), Ok(Origin::Socket { ip, port: 8080 }));
        assert_eq!(origin("http://{ip}"), Ok(Origin::Socket { ip, port: 80 }));
        assert_eq!(
            origin("http://198.51.100.1:81/"),
            Ok(Origin::Socket { ip: IpAddr::from([198, 51, 100, 1]), port: 81 })
        );
    }

    #[test]
    fn a_name_is_reached_by_fetch() {
        assert_eq!(
            origin("https://{ip-dashed}.vm.example.com:{port}"),
            Ok(Origin::Name("https://203-0-113-7.vm.example.com:8080".to_owned()))
        );
        assert_eq!(origin("https://vm.example.com/"), Ok(Origin::Name("https://vm.example.com".to_owned())));
    }

    #[test]
    fn ipv6_addresses_get_their_brackets() {
        let ip: IpAddr = "2001:db8::7".parse().unwrap();
        let endpoint = Endpoint { ip, port: 80, generation: 1 };
        assert_eq!(Origin::of("http://{ip}:{port}", &endpoint), Ok(Origin::Socket { ip, port: 80 }));
    }

    #[test]
    fn templates_that_cannot_work_are_refused_with_the_reason() {
        for (template, reason) in [
            ("https://{ip}", "cannot check"),
            ("https://{ip}:8443", "cannot check"),
            ("ftp://{ip}", "http:// or https://"),
            ("{ip}:80", "http:// or https://"),
            ("http://", "not a URL"),
            ("http://{addr}", "placeholder"),
            ("http://{ip}/app", "no path"),
            ("http://u@{ip}/", "user"),
        ] {
            let error = Origin::parse(template).expect_err(template);
            assert!(error.contains(reason) && error.contains(&format!("{template:?}")), "{error}");
        }
    }
}
