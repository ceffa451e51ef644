//! The headers of a request for the VM.

use std::borrow::Cow;

use super::lines::HeaderLines;
use super::{named_by_connection, FORWARDED, HOP_BY_HOP};
use crate::http::http1::Field;

/// The client of a request, as the VM is to see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client<'r> {
    /// The client's address, by Cloudflare's own header `CF-Connecting-IP`.
    pub address: Option<&'r str>,
    /// `https` or `http`.
    pub scheme: &'r str,
    /// The host of the request, with its port if that is not the scheme's default.
    pub host: &'r str,
    /// `true` if the forwarding headers of the request are trusted, and extended.
    pub is_trusted: bool,
}

impl Client<'_> {
    /// Returns the headers that describe the client to the VM: the usual ones, and that of RFC
    /// 7239.
    pub fn forwarded<'a>(&'a self, headers: &'a HeaderLines) -> Vec<(&'static str, Cow<'a, str>)> {
        let given = |name: &str| if self.is_trusted { headers.get(name) } else { None };
        let added = |name: &str, value: Cow<'a, str>| match given(name) {
            Some(earlier) => [earlier, ", ", &value].concat().into(),
            None => value,
        };
        let first = |name: &str, value| Cow::Borrowed(given(name).unwrap_or(value));
        let mut set = Vec::with_capacity(4);
        set.push(("x-forwarded-proto", first("x-forwarded-proto", self.scheme)));
        set.push(("x-forwarded-host", first("x-forwarded-host", self.host)));
        // A host with a port, and an IPv6 address, are not tokens, and so are quoted (RFC 7239,
        // sections 4 and 6).
        let (before, address, after) = match self.address {
            None => ("", "", ""),
            Some(address) if address.contains(':') => ("for=\"[", address, "]\";"),
            Some(address) => ("for=", address, ";"),
        };
        if self.address.is_some() {
            set.push(("x-forwarded-for", added("x-forwarded-for", address.into())));
        }
        let element = [before, address, after, "host=\"", self.host, "\";proto=", self.scheme].concat();
        set.push(("forwarded", added("forwarded", element.into())));
        set
    }
}

/// Returns the request headers for the VM, without `Host` and `Content-Length`, which belong to the
/// connection.
pub(crate) fn upstream_headers<'h>(headers: &'h HeaderLines, client: &'h Client<'_>) -> Vec<Field<'h>> {
    let named: Vec<&str> = named_by_connection(headers.get("connection")).collect();
    let set = client.forwarded(headers);
    let is_kept = |name: &str| {
        let is_named = named.iter().any(|other| other.eq_ignore_ascii_case(name));
        let is_of_connection = HOP_BY_HOP.contains(&name) || is_named;
        let is_dropped = !client.is_trusted && FORWARDED.contains(&name);
        let is_replaced = set.iter().any(|(other, _)| *other == name);
        !is_of_connection && !is_dropped && !is_replaced && name != "host" && name != "content-length"
    };
    let mut all = Vec::with_capacity(headers.fields.len() + set.len());
    all.extend(
        headers.iter().filter(|(name, _)| is_kept(name)).map(|(name, value)| (name.into(), value.into())),
    );
    all.extend(set.into_iter().map(|(name, value)| (name.into(), value)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Client<'_> =
        Client { address: Some("198.51.100.4"), scheme: "https", host: "app.example.com", is_trusted: false };

    fn request(list: &[(&str, &str)]) -> HeaderLines {
        let lines: Vec<String> = list.iter().map(|(name, value)| format!("{name},{value}")).collect();
        HeaderLines::from_lines(lines.join("\n"))
    }

    fn sent(list: &[(&str, &str)], client: &Client<'_>) -> Vec<(String, String)> {
        let headers = request(list);
        let sent = upstream_headers(&headers, client);
        sent.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_belongs_to_the_connection_is_not_handed_on() {
        let given = [
            ("host", "app.example.com"),
            ("accept", "*/*"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("cf-ray", "abc"),
        ];
        let expected = pairs(&[
            ("accept", "*/*"),
            ("cf-ray", "abc"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.example.com"),
            ("x-forwarded-for", "198.51.100.4"),
            ("forwarded", "for=198.51.100.4;host=\"app.example.com\";proto=https"),
        ]);
        assert_eq!(sent(&given, &CLIENT), expected);
    }

    #[test]
    fn a_clients_own_word_on_where_it_comes_from_is_dropped() {
        let given = [
            ("connection", "x-forwarded-for"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-host", "gopher"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
        ];
        for client in [CLIENT, Client { address: None, ..CLIENT }] {
            let sent = sent(&given, &client);
            assert!(
                sent.iter().all(|(_, value)| !value.contains("1.2.3.4") && value != "gopher"),
                "{sent:?}"
            );
        }
    }

    #[test]
    fn a_trusted_proxys_word_is_added_to() {
        let given = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "www.example.com"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
        ];
        let expected = pairs(&[
            ("x-real-ip", "1.2.3.4"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "www.example.com"),
            ("x-forwarded-for", "1.2.3.4, 198.51.100.4"),
            ("forwarded", "for=1.2.3.4, for=198.51.100.4;host=\"app.example.com\";proto=https"),
        ]);
        assert_eq!(sent(&given, &Client { is_trusted: true, ..CLIENT }), expected);
    }

    #[test]
    fn an_ipv6_address_is_quoted() {
        let client = Client { address: Some("2001:db8::7"), host: "app.example.com:8443", ..CLIENT };
        let sent = sent(&[], &client);
        let expected = "for=\"[2001:db8::7]\";host=\"app.example.com:8443\";proto=https";
        assert_eq!(sent.last(), pairs(&[("forwarded", expected)]).first());
    }
}
