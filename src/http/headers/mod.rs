//! Which headers are forwarded, in either direction.

pub(crate) mod downstream;
pub(crate) mod lines;
pub(crate) mod upstream;

/// Headers of one connection, not of the message (RFC 9110, section 7.6.1).
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

/// Headers about the client. Those of a client that is not trusted are dropped: anybody can write
/// them.
pub(crate) const FORWARDED: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// The forwarding headers that every request to a VM gets, whatever headers it came with.
pub(crate) const REPLACED: [&str; 3] = ["forwarded", "x-forwarded-host", "x-forwarded-proto"];

/// The headers that the proxy reads of a request that `fetch()` forwards.
pub(crate) const INSPECTED: [&str; 4] = ["cf-connecting-ip", "connection", "host", "upgrade"];

/// Returns the names of the headers that belong to the connection, by its `Connection` header.
pub(crate) fn named_by_connection(connection: Option<&str>) -> impl Iterator<Item = &str> {
    connection.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty())
}
