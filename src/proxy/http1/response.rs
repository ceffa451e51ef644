//! The head of an answer, and how its body ends.

use super::Malformed;

/// The longest head that is read.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// The most headers that are read.
const MAX_HEADERS: usize = 256;

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
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
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let malformed = |what: String| Malformed(format!("the VM's answer is not valid HTTP: {what}"));
        let length = match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) => {
                return Err(malformed(format!("its head is longer than {MAX_HEAD} bytes")))
            }
            Err(error) => return Err(malformed(error.to_string())),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Some(Self {
            status: response.code.unwrap_or_default(),
            reason: response.reason.unwrap_or_default().to_owned(),
            headers: response.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect(),
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
        if method == "HEAD" || self.is_interim() || matches!(self.status, 204 | 205 | 304) {
            return Ok(Framing::None);
        }
        let all = |name: &'static str| {
            let matching = self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name));
            matching.flat_map(|(_, value)| value.split(',')).map(str::trim)
        };
        let codings: Vec<&str> = all("transfer-encoding").collect();
        let mut lengths = all("content-length");
        if !codings.is_empty() {
            if lengths.next().is_some() {
                return Err(Malformed(
                    "the VM's answer has both Content-Length and Transfer-Encoding".into(),
                ));
            }
            return match codings.as_slice() {
                [coding] if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
                _ => Err(Malformed(format!("the VM's answer has the transfer codings {codings:?}"))),
            };
        }
        let Some(first) = lengths.next() else { return Ok(Framing::Close) };
        if lengths.any(|other| other != first) {
            return Err(Malformed("the VM's answer has several different Content-Lengths".to_owned()));
        }
        if first.is_empty() || !first.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed(format!("the VM's answer has the Content-Length {first:?}")));
        }
        let length = first.parse().map_err(|_| Malformed(format!("Content-Length {first} is too large")))?;
        Ok(Framing::Length(length))
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
