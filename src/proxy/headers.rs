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

/// What Cloudflare vouches for about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// The client's address (`CF-Connecting-IP`).
    pub address: Option<String>,
    /// `https` or `http`.
    pub scheme: String,
    /// The host that the client asked for, with its port if it is not the scheme's own.
    pub host: String,
}

impl Client {
    /// The headers that tell the VM of the client.
    pub fn forwarded(&self) -> Vec<(String, String)> {
        let mut headers = vec![
            ("x-forwarded-proto".to_owned(), self.scheme.clone()),
            ("x-forwarded-host".to_owned(), self.host.clone()),
        ];
        if let Some(address) = &self.address {
            headers.push(("x-forwarded-for".to_owned(), address.clone()));
        }
        headers
    }
}

/// The names of the headers in `headers` that are not handed on from the client to the VM.
pub(crate) fn withheld_from_vm(headers: &[(String, String)]) -> Vec<String> {
    let named = named_by_connection(headers);
    let names = headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    names
        .filter(|name| {
            let name = name.as_str();
            HOP_BY_HOP.contains(&name) || FORWARDED.contains(&name) || named.iter().any(|n| n == name)
        })
        .collect()
}

/// The request headers for the VM: the client's without those withheld, and without `Host` and
/// `Content-Length`, which go with the connection; then what is known of the client.
pub(crate) fn for_vm(headers: Vec<(String, String)>, client: &Client) -> Vec<(String, String)> {
    let withheld = withheld_from_vm(&headers);
    let kept = headers.into_iter().filter(|(name, _)| {
        let name = name.to_ascii_lowercase();
        name != "host" && name != "content-length" && !withheld.contains(&name)
    });
    kept.chain(client.forwarded()).collect()
}

/// The response headers for the client.
pub(crate) fn for_client(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let named = named_by_connection(&headers);
    let handed_on = |name: &str| {
        let name = name.to_ascii_lowercase();
        !HOP_BY_HOP.contains(&name.as_str()) && !named.contains(&name)
    };
    headers.into_iter().filter(|(name, _)| handed_on(name)).collect()
}

/// The headers that the `Connection` header names as its own.
fn named_by_connection(headers: &[(String, String)]) -> Vec<String> {
    let connection = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let names = connection.flat_map(|(_, value)| value.split(','));
    names.map(|name| name.trim().to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn client() -> Client {
        Client {
            address: Some("198.51.100.4".to_owned()),
            scheme: "https".to_owned(),
            host: "app.example.com".to_owned(),
        }
    }

    #[test]
    fn what_belongs_to_the_connection_is_not_handed_on() {
        let given = headers(&[
            ("host", "app.example.com"),
            ("accept", "*/*"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("cf-ray", "abc"),
        ]);
        let expected = headers(&[
            ("accept", "*/*"),
            ("cf-ray", "abc"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.example.com"),
            ("x-forwarded-for", "198.51.100.4"),
        ]);
        assert_eq!(for_vm(given, &client()), expected);
    }

    #[test]
    fn a_clients_own_word_on_where_it_comes_from_is_dropped() {
        let given = headers(&[
            ("x-forwarded-for", "1.2.3.4"),
            ("X-Forwarded-Proto", "gopher"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
        ]);
        let sent = for_vm(given, &client());
        assert!(sent.iter().all(|(_, value)| !value.contains("1.2.3.4") && value != "gopher"), "{sent:?}");
    }

    #[test]
    fn cookies_stay_apart_on_the_way_back() {
        let given = headers(&[
            ("Set-Cookie", "a=1"),
            ("Connection", "X-Hop"),
            ("X-Hop", "1"),
            ("Set-Cookie", "b=2"),
            ("Transfer-Encoding", "chunked"),
        ]);
        assert_eq!(for_client(given), headers(&[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]));
    }
}
