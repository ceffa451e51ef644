//! The head of an answer, and how its body ends.

use std::fmt::Display;

use super::Malformed;

/// The longest head that is read.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// The most headers that are read.
const MAX_HEADERS: usize = 256;

/// The longest body that is counted.
const MAX_LENGTH: u64 = 1 << 53;

const CONTENT_LENGTH: &str = "content-length";
const TRANSFER_ENCODING: &str = "transfer-encoding";

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    /// The 1 of HTTP/1.1.
    pub minor_version: u8,
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// The headers in the order they came.
    pub headers: Vec<(String, String)>,
    /// How many bytes the head takes.
    pub length: usize,
}

/// How the end of an answer's body is told (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body.
    None,
    /// By `Content-Length`.
    Length(u64),
    /// By `Transfer-Encoding: chunked`.
    Chunked,
    /// By the end of the connection.
    Close,
}

impl ResponseHead {
    /// Reads the head that `bytes` begin with; `None` if it is not complete yet. Interim (1xx) answers are
    /// heads too: they are followed by another.
    ///
    /// # Errors
    /// What is not HTTP/1.x, or not safe to read.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let malformed = |what: &dyn Display| Malformed(format!("the VM's answer is not valid HTTP: {what}"));
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
        // httparse takes a bare LF for the end of a line: readers differ on it, which smuggling lives on.
        let mut lines = head.split(|&byte| byte == b'\n').rev().skip(1);
        if lines.any(|line| line.last() != Some(&b'\r')) {
            return Err(malformed(&"a line of its head does not end in CR LF"));
        }
        let Some(length) = length else { return Ok(None) };
        let status = response.code.unwrap_or_default();
        // Others have no meaning (RFC 9110, section 15), and the runtime has no answer with them.
        if !(100..600).contains(&status) {
            return Err(malformed(&format_args!("{status} is no status")));
        }
        let headers = response.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
        let reason = response.reason.unwrap_or_default().to_owned();
        Ok(Some(Self {
            minor_version: response.version.unwrap_or_default(),
            status,
            reason,
            headers,
            length,
        }))
    }

    /// Whether this is an interim answer.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status)
    }

    /// How the body ends.
    ///
    /// # Errors
    /// Lengths that contradict each other, or a coding that is not known: read wrongly, they would let one
    /// answer be taken for another.
    pub fn framing(&self, method: &str) -> Result<Framing, Malformed> {
        let codings: Vec<&str> = self.elements(TRANSFER_ENCODING).collect();
        let length = self.content_length()?;
        if length.is_some() && !codings.is_empty() {
            return Err(Malformed(
                "the VM's answer has both Content-Length and Transfer-Encoding".to_owned(),
            ));
        }
        if self.minor_version == 0 && !codings.is_empty() {
            return Err(Malformed("the VM's answer is HTTP/1.0 with a Transfer-Encoding".to_owned()));
        }
        if method == "HEAD" || self.is_interim() || matches!(self.status, 204 | 205 | 304) {
            return Ok(Framing::None);
        }
        match (length, codings.as_slice()) {
            (Some(length), _) => Ok(Framing::Length(length)),
            (None, []) => Ok(Framing::Close),
            (None, [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
            (None, codings) => {
                Err(Malformed(format!("the VM's answer has the transfer codings {codings:?}")))
            }
        }
    }

    /// Whether the body is a stream of events (HTML standard, section 9.2), which may be silent for as long as nothing
    /// happens.
    pub fn is_event_stream(&self) -> bool {
        let media_types = self.elements("content-type").filter_map(|value| value.split(';').next());
        media_types.map(str::trim).any(|media_type| media_type.eq_ignore_ascii_case("text/event-stream"))
    }

    /// The headers as they may be handed on: one `Content-Length` where there are several equal ones (RFC 9110,
    /// section 8.6), and none with an answer that cannot have a body.
    pub fn into_headers(self) -> Vec<(String, String)> {
        let length = self.content_length().ok().flatten().filter(|_| !matches!(self.status, 204 | 205));
        let is_length = |name: &str| name.eq_ignore_ascii_case(CONTENT_LENGTH);
        let others = self.headers.into_iter().filter(|(name, _)| !is_length(name));
        others.chain(length.map(|length| (CONTENT_LENGTH.to_owned(), length.to_string()))).collect()
    }

    /// What `Content-Length` says, if there is one.
    fn content_length(&self) -> Result<Option<u64>, Malformed> {
        let mut lengths = self.elements(CONTENT_LENGTH);
        let Some(first) = lengths.next() else { return Ok(None) };
        if lengths.any(|other| other != first) {
            return Err(Malformed("the VM's answer has several different Content-Lengths".to_owned()));
        }
        if first.is_empty() || !first.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed(format!("the VM's answer has the Content-Length {first:?}")));
        }
        // JavaScript counts in f64, and a longer body does not occur.
        let length = first.parse().ok().filter(|length| *length <= MAX_LENGTH);
        length.map(Some).ok_or_else(|| Malformed(format!("the Content-Length {first} is too large")))
    }

    /// The elements of a header that is a list, however many lines it takes.
    fn elements(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let lines = self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name));
        lines.flat_map(|(_, value)| value.split(',')).map(|element| element.trim_matches([' ', '\t']))
    }
}

/// A header's value. Those that are not UTF-8 are ISO-8859-1 (RFC 9110, section 5.5).
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
