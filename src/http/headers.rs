//! Which headers are handed on, in either direction. Pure.

use std::borrow::Cow;
use std::ops::Range;

use crate::http::http1::Field;

/// Headers that speak of one connection, not of the message (RFC 9110, section 7.6.1).
pub(crate) const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that say where a request came from. Those of a client that is not trusted are dropped: anybody can write
/// them.
pub(crate) const FORWARDED: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// Those of them that each request gets, whatever it came with.
pub(crate) const REPLACED: [&str; 3] = ["forwarded", "x-forwarded-host", "x-forwarded-proto"];

/// The headers of a request that say what becomes of it and where it came from; the rest need not be looked at where
/// the runtime hands them on.
pub(crate) const TELLING: [&str; 4] = ["cf-connecting-ip", "connection", "host", "upgrade"];

/// The headers of a message, as the runtime has them: their names in lower case, repeated ones joined by commas.
pub(crate) struct HeaderLines {
    text: String,
    /// Where the name and the value of each are.
    fields: Vec<(Range<usize>, Range<usize>)>,
}

impl HeaderLines {
    /// Takes a line per header, `name,value`: one text is many times cheaper to get from the runtime than a list.
    pub fn from_lines(text: String) -> Self {
        let (mut fields, mut begin, mut comma) = (Vec::with_capacity(32), 0, None);
        let mut ends = |comma: Option<usize>, begin: usize, end: usize| {
            fields.extend(comma.map(|comma| (begin..comma, comma + 1..end)));
        };
        // A name has no comma, and neither has a line break (RFC 9110, section 5).
        for (at, byte) in text.bytes().enumerate() {
            if byte == b'\n' {
                ends(comma.take(), begin, at);
                begin = at + 1;
            } else if byte == b',' && comma.is_none() {
                comma = Some(at);
            }
        }
        ends(comma, begin, text.len());
        Self { text, fields }
    }

    /// The value of a header.
    pub fn get(&self, wanted: &str) -> Option<&str> {
        let is_wanted = |name: &Range<usize>| name.len() == wanted.len() && self.part(name) == wanted;
        self.fields.iter().find_map(|(name, value)| is_wanted(name).then(|| self.part(value)))
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (self.part(name), self.part(value)))
    }

    fn part(&self, at: &Range<usize>) -> &str {
        self.text.get(at.clone()).unwrap_or_default()
    }
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client<'r> {
    /// The client's address, which Cloudflare vouches for (`CF-Connecting-IP`).
    pub address: Option<&'r str>,
    /// `https` or `http`.
    pub scheme: &'r str,
    /// The host that the client asked for, with its port if it is not the scheme's own.
    pub host: &'r str,
    /// Whether what the request itself says of where it came from is believed and added to.
    pub is_trusted: bool,
}

impl Client<'_> {
    /// The headers that tell the VM of the client: the usual ones, and that of RFC 7239.
    pub fn forwarded<'a>(&'a self, headers: &'a HeaderLines) -> Vec<(&'static str, Cow<'a, str>)> {
        let told = |name: &str| if self.is_trusted { headers.get(name) } else { None };
        let added = |name: &str, value: Cow<'a, str>| match told(name) {
            Some(earlier) => [earlier, ", ", &value].concat().into(),
            None => value,
        };
        let first = |name: &str, value| Cow::Borrowed(told(name).unwrap_or(value));
        let mut set = Vec::with_capacity(4);
        set.push(("x-forwarded-proto", first("x-forwarded-proto", self.scheme)));
        set.push(("x-forwarded-host", first("x-forwarded-host", self.host)));
        // A host with a port, and an IPv6 address, are no tokens: they are quoted (RFC 7239, sections 4 and 6).
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

/// The request headers for the VM, but for `Host` and `Content-Length`, which go with the connection.
pub(crate) fn for_vm<'h>(headers: &'h HeaderLines, client: &'h Client<'_>) -> Vec<Field<'h>> {
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

/// The response headers for the client.
pub(crate) fn for_client(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let connection = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let named: Vec<String> =
        connection.flat_map(|(_, value)| named_by_connection(Some(value))).map(str::to_owned).collect();
    let handed_on = |name: &str| {
        let is_name = |other: &str| other.eq_ignore_ascii_case(name);
        !HOP_BY_HOP.iter().any(|other| is_name(other)) && !named.iter().any(|other| is_name(other))
    };
    headers.into_iter().filter(|(name, _)| handed_on(name)).collect()
}

/// The headers that the `Connection` header names as its own.
pub(crate) fn named_by_connection(connection: Option<&str>) -> impl Iterator<Item = &str> {
    connection.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty())
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
        let sent = for_vm(&headers, client);
        sent.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_with_commas_stay_whole() {
        let headers = request(&[("accept", "text/html, */*"), ("x-empty", ""), ("cookie", "a=1; b=2")]);
        assert_eq!(headers.get("accept"), Some("text/html, */*"));
        assert_eq!(headers.get("x-empty"), Some(""));
        assert_eq!(headers.get("x-none"), None);
        assert_eq!(headers.iter().count(), 3);
        assert_eq!(request(&[]).iter().count(), 0);
    }

    #[test]
    fn lines_that_are_no_headers_are_none() {
        for (lines, expected) in [
            ("", vec![]),
            ("\n\n", vec![]),
            ("no comma\na,1", vec![("a", "1")]),
            ("a,1\n", vec![("a", "1")]),
            ("a,\u{e9}\nb,\u{20ac}2", vec![("a", "\u{e9}"), ("b", "\u{20ac}2")]),
            (",nameless", vec![("", "nameless")]),
        ] {
            let headers = HeaderLines::from_lines(lines.to_owned());
            assert_eq!(headers.iter().collect::<Vec<_>>(), expected, "{lines:?}");
        }
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

    #[test]
    fn cookies_stay_apart_on_the_way_back() {
        let given = pairs(&[
            ("Set-Cookie", "a=1"),
            ("Connection", "X-Hop"),
            ("X-Hop", "1"),
            ("Set-Cookie", "b=2"),
            ("Transfer-Encoding", "chunked"),
        ]);
        assert_eq!(for_client(given), pairs(&[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]));
    }
}
