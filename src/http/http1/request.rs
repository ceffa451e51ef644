//! The head of a request.

use std::borrow::Cow;

use super::Malformed;

/// Name and value of a header.
pub(crate) type Field<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The rule by which the end of a request's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// No body.
    None,
    /// By `Content-Length`.
    Length(u64),
    /// By `Transfer-Encoding: chunked`.
    Chunked,
}

/// Serializes the request line and the headers (RFC 9112, sections 3 and 5).
///
/// `headers` must not contain `Host`, `Connection`, `Content-Length` and `Transfer-Encoding`, which
/// this function adds.
///
/// # Errors
/// A part would end its line early, and so smuggle another one.
pub(crate) fn request_head(
    method: &str,
    target: &str,
    host: &str,
    headers: &[Field<'_>],
    body: BodyFraming,
) -> Result<Vec<u8>, Malformed> {
    let mut head = fields(method, target, host, headers)?;
    match body {
        BodyFraming::None => {}
        BodyFraming::Length(length) => head.push_str(&format!("content-length: {length}\r\n")),
        BodyFraming::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
    }
    head.push_str("connection: close\r\n\r\n");
    Ok(head.into_bytes())
}

/// Serializes a request to switch to the protocol that `headers` name in `Upgrade` (RFC 9110,
/// section 7.8).
///
/// # Errors
/// As [`request_head`].
pub(crate) fn upgrade_head(target: &str, host: &str, headers: &[Field<'_>]) -> Result<Vec<u8>, Malformed> {
    let head = fields("GET", target, host, headers)?;
    Ok((head + "connection: Upgrade\r\n\r\n").into_bytes())
}

fn fields(method: &str, target: &str, host: &str, headers: &[Field<'_>]) -> Result<String, Malformed> {
    let is_word = |text: &str| !text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ');
    if !(is_word(method) && is_word(target) && is_word(host)) {
        return Err(Malformed("the request line contains a space or a control character".to_owned()));
    }
    let mut head = String::with_capacity(2048);
    for part in [method, " ", target, " HTTP/1.1\r\nhost: ", host, "\r\n"] {
        head.push_str(part);
    }
    for (name, value) in headers {
        if !is_word(name) || value.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | b'\0')) {
            return Err(Malformed(format!("the request header {name:?} contains a line break")));
        }
        for part in [name, ": ", value, "\r\n"] {
            head.push_str(part);
        }
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_written_in_one_piece() {
        let headers = [("accept".into(), "*/*".into()), ("x-empty".into(), "".into())];
        let head = request_head("POST", "/a%2Fb?c=d", "app.example.com", &headers, BodyFraming::Length(5));
        assert_eq!(
            String::from_utf8(head.unwrap()).unwrap(),
            "POST /a%2Fb?c=d HTTP/1.1\r\nhost: app.example.com\r\naccept: */*\r\nx-empty: \r\n\
             content-length: 5\r\nconnection: close\r\n\r\n"
        );
        let chunked = request_head("PUT", "/", "h", &[], BodyFraming::Chunked).unwrap();
        assert!(chunked.windows(28).any(|w| w == b"transfer-encoding: chunked\r\n"));
        let none = request_head("GET", "/", "h", &[], BodyFraming::None).unwrap();
        assert_eq!(none, b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    }

    #[test]
    fn nothing_can_be_smuggled_in() {
        let header = |name: &'static str, value: &'static str| vec![(name.into(), value.into())];
        for (method, target, host, headers) in [
            ("GET /x", "/", "h", vec![]),
            ("GET", "/ HTTP/1.1\r\nx: y", "h", vec![]),
            ("GET", "/", "h\r\nx: y", vec![]),
            ("GET", "/", "h", header("x", "a\r\ny: b")),
            ("GET", "/", "h", header("x\n", "a")),
            ("GET", "/", "h", header("x", "a\0")),
        ] {
            assert!(request_head(method, target, host, &headers, BodyFraming::None).is_err());
        }
    }
}
