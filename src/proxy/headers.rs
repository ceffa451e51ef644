//! Which headers are handed on, in either direction. Pure.

/// Headers that speak of one connection, not of the message (RFC 9110, section 7.6.1).
pub(super) const HOP_BY_HOP: [&str; 9] = [
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
pub(super) const FORWARDED: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// The headers of a request that say what becomes of it and where it came from; the rest need not be looked at where
/// the runtime hands them on.
pub(super) const TELLING: [&str; 8] = [
    "cf-connecting-ip",
    "connection",
    "forwarded",
    "host",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// The headers of a message, as the runtime has them: their names in lower case, repeated ones joined by commas.
pub(crate) struct HeaderLines(String);

impl HeaderLines {
    /// Takes a line per header, `name,value`: one text is many times cheaper to get from the runtime than a list.
    pub fn from_lines(lines: String) -> Self {
        Self(lines)
    }

    /// The value of a header.
    pub fn get(&self, wanted: &str) -> Option<&str> {
        self.iter().find_map(|(name, value)| (name == wanted).then_some(value))
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        // A name has no comma, and neither has a line break (RFC 9110, section 5).
        self.0.split('\n').filter_map(|line| line.split_once(','))
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
    pub fn forwarded(&self, headers: &HeaderLines) -> Vec<(&'static str, String)> {
        let told = |name: &str| headers.get(name).filter(|_| self.is_trusted);
        let added = |name: &str, value: &str| match told(name) {
            Some(earlier) => format!("{earlier}, {value}"),
            None => value.to_owned(),
        };
        let first = |name: &str, value: &str| told(name).unwrap_or(value).to_owned();
        let mut set = vec![
            ("x-forwarded-proto", first("x-forwarded-proto", self.scheme)),
            ("x-forwarded-host", first("x-forwarded-host", self.host)),
        ];
        // A host with a port, and an IPv6 address, are no tokens: they are quoted (RFC 7239, sections 4 and 6).
        let mut element = format!("host=\"{}\";proto={}", self.host, self.scheme);
        if let Some(address) = self.address {
            set.push(("x-forwarded-for", added("x-forwarded-for", address)));
            let node = if address.contains(':') { format!("\"[{address}]\"") } else { address.to_owned() };
            element = format!("for={node};{element}");
        }
        set.push(("forwarded", added("forwarded", &element)));
        set
    }
}

/// The request headers for the VM, but for `Host` and `Content-Length`, which go with the connection.
pub(super) fn for_vm(headers: &HeaderLines, client: &Client<'_>) -> Vec<(String, String)> {
    let named: Vec<&str> = named_by_connection(headers.get("connection")).collect();
    let set = client.forwarded(headers);
    let is_kept = |name: &str| {
        let is_named = named.iter().any(|other| other.eq_ignore_ascii_case(name));
        let is_of_connection = HOP_BY_HOP.contains(&name) || is_named;
        let is_dropped = !client.is_trusted && FORWARDED.contains(&name);
        let is_replaced = set.iter().any(|(other, _)| *other == name);
        !is_of_connection && !is_dropped && !is_replaced && name != "host" && name != "content-length"
    };
    let kept = headers.iter().filter(|(name, _)| is_kept(name));
    let mut all: Vec<_> = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    all.extend(set.into_iter().map(|(name, value)| (name.to_owned(), value)));
    all
}

/// The response headers for the client.
pub(crate) fn for_client(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let connection = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let named: Vec<String> = connection
        .flat_map(|(_, value)| named_by_connection(Some(value)))
        .map(str::to_ascii_lowercase)
        .collect();
    let handed_on = |name: &str| {
        let name = name.to_ascii_lowercase();
        !HOP_BY_HOP.contains(&name.as_str()) && !named.contains(&name)
    };
    headers.into_iter().filter(|(name, _)| handed_on(name)).collect()
}

/// The headers that the `Connection` header names as its own.
pub(super) fn named_by_connection(connection: Option<&str>) -> impl Iterator<Item = &str> {
    connection.unwrap_or_default().split(',').map(str::trim)
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
        for_vm(&request(list), client)
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
