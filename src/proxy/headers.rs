//! Which headers are handed on, in either direction. Pure.

/// Headers that speak of one connection, not of the message (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
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

/// Headers that say where a request came from. A client's own are dropped: anybody can write them.
const FORWARDED: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// All of them: what is not handed on from a client, unless it is trusted or asks for a WebSocket.
pub(super) const WITHHELD: [&str; 14] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

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

/// What becomes of a request's headers on the way to the VM.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changes<'r> {
    /// Headers that are not handed on.
    pub removed: Vec<&'r str>,
    /// Headers that are set, whether they were there or not.
    pub set: Vec<(&'static str, String)>,
}

impl<'r> Changes<'r> {
    /// For this request of this client.
    pub fn of(headers: &'r HeaderLines, client: &Client<'_>) -> Self {
        let named: Vec<&str> = named_by_connection(headers.get("connection")).collect();
        let set = client.forwarded(headers);
        let is_withheld = |name: &str| {
            let is_named = named.iter().any(|other| other.eq_ignore_ascii_case(name));
            let is_of_connection = HOP_BY_HOP.contains(&name) || is_named;
            is_of_connection || (!client.is_trusted && FORWARDED.contains(&name))
        };
        let names = headers.iter().map(|(name, _)| name);
        let removed = names.filter(|name| is_withheld(name) && set.iter().all(|(other, _)| other != name));
        Self { removed: removed.collect(), set }
    }

    /// All headers for the VM but `Host` and `Content-Length`, which go with the connection.
    pub fn applied(self, headers: &'r HeaderLines) -> impl Iterator<Item = (&'r str, String)> {
        let Self { removed, set } = self;
        let is_kept = |name: &str| {
            let is_changed = removed.contains(&name) || set.iter().any(|(other, _)| *other == name);
            !is_changed && name != "host" && name != "content-length"
        };
        let kept = headers.iter().filter(|(name, _)| is_kept(name));
        let mut all: Vec<_> = kept.map(|(name, value)| (name, value.to_owned())).collect();
        all.extend(set);
        all.into_iter()
    }
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
        let headers = request(list);
        let changes = Changes::of(&headers, client);
        changes.applied(&headers).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn all_that_is_withheld_is_of_the_connection_or_tells_of_the_client() {
        assert_eq!(WITHHELD.to_vec(), [HOP_BY_HOP.as_slice(), FORWARDED.as_slice()].concat());
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
    fn only_what_is_there_is_removed() {
        let headers = request(&[("accept", "*/*"), ("x-real-ip", "1.2.3.4"), ("x-forwarded-for", "1.2.3.4")]);
        let Changes { removed, set } = Changes::of(&headers, &CLIENT);
        assert_eq!(removed, ["x-real-ip"]);
        assert!(set.iter().any(|(name, value)| *name == "x-forwarded-for" && value == "198.51.100.4"));
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
