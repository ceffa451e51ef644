//! The chunked transfer coding (RFC 9112, section 7.1).

use super::Malformed;

/// The chunk that ends a body, without trailers.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The longest line: longer than any chunk size with sensible extensions, or any trailer.
const MAX_LINE: usize = 8 * 1024;

/// Returns the bytes before a chunk of `length` bytes; `"\r\n"` follows it.
pub(crate) fn chunk_head(length: u32) -> Vec<u8> {
    format!("{length:x}\r\n").into_bytes()
}

/// Finds the data in a chunked body. The decoder reads the framing only: while
/// [`data`](ChunkedDecoder::data) is not zero, that many bytes are data, and the caller reports how
/// many of them it has [`passed`](ChunkedDecoder::passed) on; otherwise the next bytes are
/// [`framing`](ChunkedDecoder::framing).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChunkedDecoder {
    state: State,
    /// The part of a line read so far.
    line: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    Done,
}

impl ChunkedDecoder {
    /// Starts at the beginning of a body.
    pub fn new() -> Self {
        Self { state: State::Size, line: Vec::new() }
    }

    /// Returns how many bytes of data come next; zero means that framing comes next.
    pub fn data(&self) -> u64 {
        match self.state {
            State::Data(length) => length,
            State::Size | State::DataEnd | State::Trailer | State::Done => 0,
        }
    }

    /// Returns whether the body has ended.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Records that `length` bytes of data have been passed on.
    pub fn passed(&mut self, length: u64) {
        if let State::Data(rest) = &mut self.state {
            *rest = rest.saturating_sub(length);
            if *rest == 0 {
                self.state = State::DataEnd;
            }
        }
    }

    /// Reads framing until data comes next, or the body or `bytes` end. Returns how many bytes were
    /// read.
    ///
    /// # Errors
    /// The bytes are not a chunked body.
    pub fn framing(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut read = 0;
        for &byte in bytes {
            if self.is_done() || self.data() > 0 {
                break;
            }
            read += 1;
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() > MAX_LINE {
                    return Err(Malformed("a chunk's size line is too long".to_owned()));
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            // A bare LF does not end a line: parsers differ on it, which request smuggling
            // exploits.
            let Some(line) = line.strip_suffix(b"\r") else {
                return Err(Malformed("a chunk's line does not end in CR LF".to_owned()));
            };
            self.state = self.after(line)?;
        }
        Ok(read)
    }

    fn after(&self, line: &[u8]) -> Result<State, Malformed> {
        match self.state {
            State::Size => match chunk_size(line)? {
                0 => Ok(State::Trailer),
                size => Ok(State::Data(size)),
            },
            State::DataEnd if line.is_empty() => Ok(State::Size),
            State::DataEnd => Err(Malformed("a chunk is longer than its size".to_owned())),
            // Trailers are read and dropped, as RFC 9110, section 6.5.1, allows.
            State::Trailer if line.is_empty() => Ok(State::Done),
            State::Trailer => Ok(State::Trailer),
            State::Data(rest) => Ok(State::Data(rest)),
            State::Done => Ok(State::Done),
        }
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    let refused = || Malformed(format!("{:?} is not a chunk size", String::from_utf8_lossy(line)));
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
    let digits = std::str::from_utf8(digits).map_err(|_| refused())?.trim_end_matches([' ', '\t']);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(refused());
    }
    u64::from_str_radix(digits, 16).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a body that arrives in pieces of `piece` bytes.
    fn decode(body: &[u8], piece: usize) -> Result<(Vec<u8>, bool), Malformed> {
        let mut decoder = ChunkedDecoder::new();
        let mut data = Vec::new();
        for mut bytes in body.chunks(piece) {
            while !bytes.is_empty() && !decoder.is_done() {
                let due = usize::try_from(decoder.data()).unwrap().min(bytes.len());
                let read = if due > 0 {
                    data.extend_from_slice(&bytes[..due]);
                    decoder.passed(due as u64);
                    due
                } else {
                    decoder.framing(bytes)?
                };
                bytes = &bytes[read..];
            }
        }
        Ok((data, decoder.is_done()))
    }

    #[test]
    fn bodies_are_decoded_however_they_arrive() {
        let body = b"4\r\nWiki\r\n6;name=\"v\"\r\npedia \r\nE \r\nin \r\n\r\nchunks.\r\n0\r\nx: y\r\n\r\n";
        for piece in 1..=body.len() {
            let decoded = decode(body, piece).unwrap();
            assert_eq!(decoded, (b"Wikipedia in \r\n\r\nchunks.".to_vec(), true), "{piece}");
        }
    }

    #[test]
    fn a_body_that_is_cut_short_is_not_done() {
        let body = b"4\r\nWiki\r\n0\r\n\r\n";
        for end in 0..body.len() {
            assert!(!decode(&body[..end], 3).unwrap().1, "{end}");
        }
    }

    #[test]
    fn what_is_not_chunked_is_refused() {
        for body in [
            "x\r\n",
            "\r\n",
            "-1\r\n",
            "0x4\r\nWiki\r\n",
            "4\nWiki\r\n",
            "4\r\nWikipedia\r\n",
            "4\r\nWiki\n",
            "fffffffffffffffff\r\n",
        ] {
            assert!(decode(body.as_bytes(), 64).is_err(), "{body:?}");
        }
        assert!(decode(&[b'1'; MAX_LINE + 2], 512).is_err());
    }

    #[test]
    fn chunks_are_framed() {
        assert_eq!(chunk_head(5), b"5\r\n");
        assert_eq!(chunk_head(70_000), b"11170\r\n");
    }
}
