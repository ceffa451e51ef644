//! The head of a response, and the end of its body.

use std::fmt::Display;

use super::Malformed;

/// The longest head.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// The most headers.
const MAX_HEADERS: usize = 256;

/// The longest body with a `Content-Length`.
const MAX_LENGTH: u64 = 1 << 53;

const CONTENT_LENGTH: &str = "content-length";
const TRANSFER_ENCODING: &str = "transfer-encoding";

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    /// The minor version: the second 1 of HTTP/1.1.
    pub minor_version: u8,
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// The headers in their order.
    pub headers: Vec<(String, String)>,
    /// The length of the head in bytes.
    pub length: usize,
    /// `true` if no further head follows: an interim (1xx) response is followed by another, unless it
    /// switches protocols.
    pub is_final: bool,
}

/// A response without its body's bytes, for the client.
pub(crate) struct ResponseParts {
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// The headers, with at most one `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The end of the body.
    pub framing: Framing,
    /// `true` if the body is an event stream.
    pub is_event_stream: bool,
}

/// The rule by which the end of a response's body is found (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body.
    None,
    /// By `Content-Length`.
    Length(u64),
    /// By `Transfer-Encoding: chunked`.
    Chunked,
    /// By the end of the connection.
    Close,
}

impl ResponseHead {
    /// Reads the head at the beginning of `bytes`; `None` means that it is not complete yet.
    ///
    /// # Errors
    /// The bytes are not HTTP/1.x, or are ambiguous.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let malformed =
            |what: &dyn Display| Malformed(format!("the VM's response is not valid HTTP: {what}"));
        let begins_well = bytes.iter().zip(b"HTTP/").all(|(byte, expected)| byte == expected);
        if !begins_well {
            return Err(malformed(&"it does not begin with HTTP/"));
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(bytes).map_err(|error| malformed(&error))? {
            httparse::Status::Complete(length) => Some(length),
            httparse::Status::Partial => None,
        };
        let head = bytes.get(..length.unwrap_or(bytes.len())).unwrap_or_default();
        if head.len() > MAX_HEAD || length.is_none() && head.len() == MAX_HEAD {
            return Err(malformed(&format_args!("its head is longer than {MAX_HEAD} bytes")));
        }
        // httparse accepts a bare LF as the end of a line: parsers differ on it, which request
        // smuggling exploits.
        let mut lines = head.split(|&byte| byte == b'\n').rev().skip(1);
        if lines.any(|line| line.last() != Some(&b'\r')) {
            return Err(malformed(&"a line of its head does not end in CR LF"));
        }
        let Some(length) = length else { return Ok(None) };
        let status = response.code.unwrap_or_default();
        // Other codes have no meaning (RFC 9110, section 15), and the runtime rejects them.
        if !(100..600).contains(&status) {
            return Err(malformed(&format_args!("{status} is not a status code")));
        }
        let headers = response.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
        let reason = response.reason.unwrap_or_default().to_owned();
        Ok(Some(Self {
            minor_version: response.version.unwrap_or_default(),
            status,
            reason,
            headers,
            length,
            is_final: !(100..200).contains(&status) || status == 101,
        }))
    }

    /// Returns the parts of a final response to a request with this method.
    ///
    /// # Errors
    /// As [`framing`](ResponseHead::framing).
    pub fn into_parts(self, method: &str) -> Result<ResponseParts, Malformed> {
        let (framing, is_event_stream) = (self.framing(method)?, self.is_event_stream());
        let (status, reason) = (self.status, self.reason.clone());
        Ok(ResponseParts { status, reason, headers: self.into_headers(), framing, is_event_stream })
    }

    /// Returns how the body ends.
    ///
    /// # Errors
    /// The lengths contradict each other, or a coding is unknown: a wrong guess would let one
    /// response be taken for another.
    pub fn framing(&self, method: &str) -> Result<Framing, Malformed> {
        let codings: Vec<&str> = self.elements(TRANSFER_ENCODING).collect();
        let length = self.content_length()?;
        if length.is_some() && !codings.is_empty() {
            return Err(Malformed(
                "the VM's response has both Content-Length and Transfer-Encoding".to_owned(),
            ));
        }
        if self.minor_version == 0 && !codings.is_empty() {
            return Err(Malformed("the VM's response is HTTP/1.0 with a Transfer-Encoding".to_owned()));
        }
        if method == "HEAD" || matches!(self.status, 100..=199 | 204 | 205 | 304) {
            return Ok(Framing::None);
        }
        match (length, codings.as_slice()) {
            (Some(length), _) => Ok(Framing::Length(length)),
            (None, []) => Ok(Framing::Close),
            (None, [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
            (None, codings) => {
                Err(Malformed(format!("the VM's response has the transfer codings {codings:?}")))
            }
        }
    }

    /// Returns whether the body is an event stream (HTML standard, section 9.2), which is silent
    /// while nothing happens.
    pub fn is_event_stream(&self) -> bool {
        let media_types = self.elements("content-type").filter_map(|value| value.split(';').next());
        media_types.map(str::trim).any(|media_type| media_type.eq_ignore_ascii_case("text/event-stream"))
    }

    /// Returns the headers with one `Content-Length` in the place of several equal ones (RFC 9110,
    /// section 8.6), and with none if the response cannot have a body.
    pub fn into_headers(self) -> Vec<(String, String)> {
        let length = self.content_length().ok().flatten().filter(|_| !matches!(self.status, 204 | 205));
        let is_length = |name: &str| name.eq_ignore_ascii_case(CONTENT_LENGTH);
        let others = self.headers.into_iter().filter(|(name, _)| !is_length(name));
        others.chain(length.map(|length| (CONTENT_LENGTH.to_owned(), length.to_string()))).collect()
    }

    /// Returns the `Content-Length`; `None` means that there is none.
    fn content_length(&self) -> Result<Option<u64>, Malformed> {
        let mut lengths = self.elements(CONTENT_LENGTH);
        let Some(first) = lengths.next() else { return Ok(None) };
        if lengths.any(|other| other != first) {
            return Err(Malformed("the VM's response has several different Content-Lengths".to_owned()));
        }
        if first.is_empty() || !first.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed(format!("the VM's response has the Content-Length {first:?}")));
        }
        // JavaScript numbers are f64, and longer bodies do not occur.
        let length = first.parse().ok().filter(|length| *length <= MAX_LENGTH);
        length.map(Some).ok_or_else(|| Malformed(format!("the Content-Length {first} is too large")))
    }

    /// Returns the elements of a list header, from all of its lines.
    fn elements(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let lines = self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name));
        lines.flat_map(|(_, value)| value.split(',')).map(|element| element.trim_matches([' ', '\t']))
    }
}

/// Decodes a header's value. One that is not UTF-8 is ISO-8859-1 (RFC 9110, section 5.5).
fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ResponseHead {
        ResponseHead::read(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let text = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nbody";
        for end in 0..text.len() - 4 {
            assert_eq!(ResponseHead::read(&text.as_bytes()[..end]), Ok(None), "{end}");
        }
        let head = read(text);
        assert_eq!((head.status, head.reason.as_str(), head.length), (200, "OK", text.len() - 4));
        let cookies: Vec<_> = head.headers.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
    }

    #[test]
    fn a_body_ends_as_rfc_9112_says() {
        let table = [
            ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Framing::Length(5)),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", Framing::Length(5)),
            ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::Chunked),
            ("GET", "HTTP/1.1 200 OK\r\n\r\n", Framing::Close),
            ("GET", "HTTP/1.0 200 OK\r\n\r\n", Framing::Close),
            ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Framing::None),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\n", Framing::None),
            ("GET", "HTTP/1.1 205 Reset Content\r\n\r\n", Framing::None),
            ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", Framing::None),
        ];
        for (method, text, framing) in table {
            assert_eq!(read(text).framing(method), Ok(framing), "{text}");
        }
    }

    #[test]
    fn answers_that_could_be_read_in_two_ways_are_refused() {
        for headers in [
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: 5, 6",
            "Content-Length: +5",
            "Content-Length: -1",
            "Content-Length: ",
            "Content-Length: 99999999999999999999",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: identity",
        ] {
            let head = read(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n"));
            assert!(head.framing("GET").is_err(), "{headers}");
        }
    }

    #[test]
    fn a_stream_of_events_is_told_by_its_type() {
        for (value, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("text/event-streams", false),
            ("text/plain; a=text/event-stream", false),
        ] {
            let head = read(&format!("HTTP/1.1 200 OK\r\nContent-Type: {value}\r\n\r\n"));
            assert_eq!(head.is_event_stream(), expected, "{value}");
        }
        assert!(!read("HTTP/1.1 200 OK\r\n\r\n").is_event_stream());
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for text in [
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx : y\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: a\r\n b\r\n\r\n",
        ] {
            assert!(ResponseHead::read(text.as_bytes()).is_err(), "{text:?}");
        }
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(MAX_HEAD));
        assert!(ResponseHead::read(long.as_bytes()).is_err());
    }
}
