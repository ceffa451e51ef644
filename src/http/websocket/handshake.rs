//! The opening handshake with a VM (RFC 6455, section 4.1).

use base64ct::{Base64, Encoding};
use sha1::{Digest, Sha1};

use crate::http::http1::Malformed;

/// A handshake under way.
pub(crate) struct Handshake {
    /// The key, which the VM must prove to have read.
    key: String,
    /// The subprotocols that the client offers.
    offered: Vec<String>,
}

/// The headers of a handshake. Each of the two connections has its own handshake, and extensions
/// concern only the client and the runtime.
const HANDSHAKE_HEADERS: [&str; 4] =
    ["sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-version"];

/// Returns whether a request with this `Upgrade` header is one for a WebSocket.
pub(crate) fn is_websocket_upgrade(method: &str, upgrade: Option<&str>) -> bool {
    method == "GET" && upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

/// Removes the headers of the handshake, except for the subprotocol.
pub(crate) fn strip_handshake_headers(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let is_stripped = |name: &str| HANDSHAKE_HEADERS.iter().any(|other| name.eq_ignore_ascii_case(other));
    headers.into_iter().filter(|(name, _)| !is_stripped(name)).collect()
}

impl Handshake {
    /// Starts a handshake with a random `nonce`. Returns it with the request headers, in which the
    /// client's own handshake is replaced.
    pub fn new(headers: Vec<(String, String)>, nonce: [u8; 16]) -> (Self, Vec<(String, String)>) {
        let key = Base64::encode_string(&nonce);
        let offered = tokens(&headers, "sec-websocket-protocol").map(str::to_owned).collect();
        let own = [("upgrade", "websocket"), ("sec-websocket-version", "13"), ("sec-websocket-key", &key)];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = strip_handshake_headers(headers).into_iter().chain(own).collect();
        (Self { key, offered }, headers)
    }

    /// Checks the headers of a response 101.
    ///
    /// # Errors
    /// The VM agrees to something that was not requested, so its frames could mean anything.
    pub fn check(&self, headers: &[(String, String)]) -> Result<(), Malformed> {
        let wrong =
            |what: String| Err(Malformed(format!("the VM's WebSocket handshake is not valid: {what}")));
        let is = |name, expected: &str| {
            let mut values = tokens(headers, name);
            values.any(|value| value.eq_ignore_ascii_case(expected))
        };
        if !is("upgrade", "websocket") || !is("connection", "upgrade") {
            return wrong("it does not switch to a WebSocket".to_owned());
        }
        let mut accepts = tokens(headers, "sec-websocket-accept");
        if accepts.next() != Some(accept(&self.key).as_str()) || accepts.next().is_some() {
            return wrong("Sec-WebSocket-Accept does not match the key".to_owned());
        }
        if let Some(extension) = tokens(headers, "sec-websocket-extensions").next() {
            return wrong(format!("it uses the extension {extension:?}, which was not offered"));
        }
        let mut protocols = tokens(headers, "sec-websocket-protocol");
        match (protocols.next(), protocols.next()) {
            (None, _) => Ok(()),
            (Some(one), None) if self.offered.iter().any(|offered| offered == one) => Ok(()),
            (Some(other), _) => wrong(format!("it speaks {other:?}, which was not offered alone")),
        }
    }
}

/// Returns a server's proof that it read the key (RFC 6455, section 4.2.2).
fn accept(key: &str) -> String {
    let digest =
        Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    Base64::encode_string(&digest)
}

/// Returns the elements of a list header.
fn tokens<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    let matching = headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name));
    matching.flat_map(|(_, value)| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The nonce of RFC 6455, section 1.3.
    const NONCE: [u8; 16] = *b"the sample nonce";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    #[test]
    fn the_client_s_own_handshake_is_replaced() {
        let asked = headers(&[
            ("origin", "https://app.example.com"),
            ("sec-websocket-key", "another"),
            ("Sec-WebSocket-Version", "13"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("sec-websocket-protocol", "chat, other"),
        ]);
        let (_, sent) = Handshake::new(asked, NONCE);
        assert_eq!(
            sent,
            headers(&[
                ("origin", "https://app.example.com"),
                ("sec-websocket-protocol", "chat, other"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ])
        );
    }

    #[test]
    fn what_the_vm_agrees_to_must_have_been_asked_for() {
        let (handshake, _) = Handshake::new(headers(&[("sec-websocket-protocol", "chat, other")]), NONCE);
        let right = [("Upgrade", "WebSocket"), ("Connection", "keep-alive, Upgrade")];
        let accept = ("Sec-WebSocket-Accept", ACCEPT);
        for (more, fault) in [
            (vec![accept], None),
            (vec![accept, ("sec-websocket-protocol", "other")], None),
            (vec![], Some("Sec-WebSocket-Accept")),
            (vec![("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=")], Some("Sec-WebSocket-Accept")),
            (vec![accept, accept], Some("Sec-WebSocket-Accept")),
            (vec![accept, ("sec-websocket-protocol", "third")], Some("third")),
            (vec![accept, ("sec-websocket-protocol", "chat, other")], Some("chat")),
            (vec![accept, ("sec-websocket-extensions", "permessage-deflate")], Some("permessage-deflate")),
        ] {
            let response: Vec<_> = right.iter().copied().chain(more).collect();
            let checked = handshake.check(&headers(&response));
            match fault {
                None => assert_eq!(checked, Ok(()), "{response:?}"),
                Some(fault) => assert!(checked.is_err_and(|error| error.0.contains(fault)), "{response:?}"),
            }
        }
        assert!(handshake.check(&headers(&[accept])).is_err());
        assert!(handshake.check(&headers(&[("upgrade", "h2c"), ("connection", "upgrade"), accept])).is_err());
    }

    #[test]
    fn a_websocket_is_asked_for_by_its_name() {
        for (method, upgrade, expected) in [
            ("GET", Some("websocket"), true),
            ("GET", Some("WebSocket"), true),
            ("GET", Some("h2c"), false),
            ("GET", None, false),
            ("POST", Some("websocket"), false),
        ] {
            assert_eq!(is_websocket_upgrade(method, upgrade), expected, "{method} {upgrade:?}");
        }
    }
}
