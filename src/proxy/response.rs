//! Redirects to the VM's own address, which a client cannot reach or must not keep. Pure.

use super::route::RequestUrl;
use crate::vm::Vm;

/// The public form of a `Location` that lies at the VM's own address, `base` (scheme and authority); `None` if it
/// lies elsewhere and is handed on as it is.
pub(super) fn public_location(location: &str, base: &str, vm: &Vm, url: &RequestUrl<'_>) -> Option<String> {
    let (scheme, rest) = location.split_once("://")?;
    let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let own = base.split_once("://")?;
    let is_own = scheme.eq_ignore_ascii_case(own.0)
        && without_default_port(scheme, authority).eq_ignore_ascii_case(without_default_port(own.0, own.1));
    if !is_own {
        return None;
    }
    // What was taken off on the way there is put back.
    let prefix = if vm.strip_prefix { vm.path.trim_end_matches('/') } else { "" };
    let slash = if target.starts_with('/') { "" } else { "/" };
    Some(format!("{}://{}{prefix}{slash}{target}", url.scheme, url.authority))
}

fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    authority.strip_suffix(port).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vms_own_address_becomes_the_public_one() {
        let url = RequestUrl::parse("https://app.example.com/app/x");
        let public = |location: &str, base: &str, strip_prefix: bool| {
            let vm = Vm { path: "/app/".into(), strip_prefix, ..Vm::default() };
            public_location(location, base, &vm, &url)
        };
        for (location, base, expected) in [
            ("http://203.0.113.7:8080/login?next=/", "http://203.0.113.7:8080", Some("/login?next=/")),
            ("http://203.0.113.7/", "http://203.0.113.7:80", Some("/")),
            ("http://203.0.113.7:80", "http://203.0.113.7", Some("/")),
            ("HTTPS://VM.example.com:443?a#b", "https://vm.example.com", Some("/?a#b")),
            ("http://[2001:db8::7]:80/", "http://[2001:db8::7]:80", Some("/")),
            ("/login", "http://203.0.113.7:80", None),
            ("//203.0.113.7/login", "http://203.0.113.7:80", None),
            ("http://203.0.113.7:8081/", "http://203.0.113.7:80", None),
            ("http://203.0.113.70/", "http://203.0.113.7:80", None),
            ("https://203.0.113.7/", "http://203.0.113.7:80", None),
            ("https://accounts.example.com/", "https://vm.example.com", None),
        ] {
            let plain = expected.map(|rest| format!("https://app.example.com{rest}"));
            assert_eq!(public(location, base, false), plain, "{location}");
            let prefixed = expected.map(|rest| format!("https://app.example.com/app{rest}"));
            assert_eq!(public(location, base, true), prefixed, "{location}");
        }
    }
}
