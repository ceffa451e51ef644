//! The framing of a connection to a VM (RFC 6455, section 5), from a client's side.
//!
//! The codec of frame headers is soketto's. A whole WebSocket library would do more, a handshake
//! over a stream of its own and messages collected in buffers of its own, which the Workers runtime
//! does already or which would be done twice: payloads are passed on from the chunk that they came
//! in.

use soketto::base::{Codec, Header, OpCode};
use soketto::Parsing;

use super::close::Close;
use super::violation::{Violation, MAX_MESSAGE};

/// The masking key of a frame's payload.
pub(crate) type MaskingKey = [u8; 4];

/// The type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
}

/// An item that a VM has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received<'a> {
    /// The next piece of a message.
    Piece { kind: Kind, payload: &'a [u8], is_last: bool },
    /// A ping, whose payload the pong repeats.
    Ping(Vec<u8>),
    /// A close, the last item.
    Close(Close),
}

/// Decodes a VM's bytes, however they are split.
pub(crate) struct Decoder {
    codec: Codec,
    /// The beginning of an incomplete header.
    partial: Vec<u8>,
    frame: Option<Frame>,
    message: Option<Message>,
}

/// A frame whose payload is incomplete.
struct Frame {
    content: Content,
    left: usize,
}

enum Content {
    Data { is_final: bool },
    Control { opcode: OpCode, payload: Vec<u8> },
}

/// An incomplete message.
struct Message {
    kind: Kind,
    length: usize,
}

impl Decoder {
    pub fn new() -> Self {
        let mut codec = Codec::new();
        codec.set_max_data_size(MAX_MESSAGE);
        Self { codec, partial: Vec::new(), frame: None, message: None }
    }

    /// Removes the next item from the beginning of `bytes`; `None` means that all bytes are used
    /// up.
    ///
    /// # Errors
    /// The VM violates the protocol: nothing more can be read.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Received<'a>>, Violation> {
        loop {
            let Some(mut frame) = self.frame.take() else {
                match self.header(bytes)? {
                    Some(frame) => self.frame = Some(frame),
                    None => return Ok(None),
                }
                continue;
            };
            if bytes.is_empty() && frame.left > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            let (piece, rest) = bytes.split_at_checked(frame.left).unwrap_or((bytes, &[]));
            *bytes = rest;
            frame.left -= piece.len();
            let is_whole = frame.left == 0;
            match &mut frame.content {
                Content::Data { is_final } => {
                    let is_last = *is_final && is_whole;
                    let Some(Message { kind, .. }) = self.message else { continue };
                    if is_last {
                        self.message = None;
                    }
                    if !is_whole {
                        self.frame = Some(frame);
                    }
                    return Ok(Some(Received::Piece { kind, payload: piece, is_last }));
                }
                Content::Control { opcode, payload } => {
                    payload.extend_from_slice(piece);
                    if !is_whole {
                        self.frame = Some(frame);
                        return Ok(None);
                    }
                    match opcode {
                        OpCode::Ping => return Ok(Some(Received::Ping(std::mem::take(payload)))),
                        OpCode::Close => {
                            return Close::read(payload).map(|close| Some(Received::Close(close)))
                        }
                        // A pong is unsolicited: no ping is sent.
                        _ => continue,
                    }
                }
            }
        }
    }

    fn header(&mut self, bytes: &mut &[u8]) -> Result<Option<Frame>, Violation> {
        let known = self.partial.len();
        // Most headers come in one piece.
        let parsed = if known == 0 {
            self.codec.decode_header(bytes)
        } else {
            self.partial.extend(bytes.iter().take(MAX_HEADER - known));
            self.codec.decode_header(&self.partial)
        };
        match parsed {
            Ok(Parsing::Done { value, offset }) => {
                self.partial.clear();
                *bytes = bytes.get(offset - known..).unwrap_or_default();
                self.frame_of(&value).map(Some)
            }
            Ok(Parsing::NeedMore(_)) => {
                if known == 0 {
                    self.partial.extend_from_slice(bytes);
                }
                *bytes = &[];
                Ok(None)
            }
            Err(soketto::base::Error::PayloadTooLarge { .. }) => Err(Violation::too_long()),
            Err(error) => Err(Violation::protocol(error)),
        }
    }

    /// Starts the frame with this header, which is valid by itself.
    fn frame_of(&mut self, header: &Header) -> Result<Frame, Violation> {
        let left = header.payload_len();
        // RFC 6455, section 5.1.
        if header.is_masked() {
            return Err(Violation::protocol("the server masks its frames"));
        }
        if header.opcode().is_control() {
            let content = Content::Control { opcode: header.opcode(), payload: Vec::with_capacity(left) };
            return Ok(Frame { content, left });
        }
        let message = match (header.opcode(), self.message.take()) {
            (OpCode::Continue, Some(Message { kind, length })) => Message { kind, length: length + left },
            (OpCode::Text, None) => Message { kind: Kind::Text, length: left },
            (OpCode::Binary, None) => Message { kind: Kind::Binary, length: left },
            (_, None) => return Err(Violation::protocol("a message begins with a continuation")),
            (_, Some(_)) => return Err(Violation::protocol("a message begins inside another")),
        };
        if message.length > MAX_MESSAGE {
            return Err(Violation::too_long());
        }
        self.message = Some(message);
        Ok(Frame { content: Content::Data { is_final: header.is_fin() }, left })
    }
}

/// A header with everything that it may have.
const MAX_HEADER: usize = 14;

/// Appends the header of a masked frame that is a whole message or control frame.
pub(crate) fn put_header(opcode: OpCode, length: usize, key: MaskingKey, to: &mut Vec<u8>) {
    let mut header = Header::new(opcode);
    header.set_payload_len(length).set_masked(true).set_mask(u32::from_be_bytes(key));
    to.extend_from_slice(Codec::new().encode_header(&header));
}

/// Appends a masked frame.
pub(crate) fn put_frame(opcode: OpCode, payload: &[u8], key: MaskingKey, to: &mut Vec<u8>) {
    put_header(opcode, payload.len(), key, to);
    let at = to.len();
    to.extend_from_slice(payload);
    mask(to.get_mut(at..).unwrap_or_default(), key);
}

/// Masks a payload, or a piece of it that begins at a multiple of four (RFC 6455, section 5.3).
pub(crate) fn mask(payload: &mut [u8], key: MaskingKey) {
    // Four bytes at a time; soketto's own goes byte by byte.
    let word = u32::from_ne_bytes(key);
    let (words, rest) = payload.as_chunks_mut::<4>();
    for bytes in words {
        *bytes = (u32::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of a server: the first byte, the payload, and its length as it is written.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len();
        let mut bytes = match u16::try_from(length) {
            Ok(length @ 0..=125) => vec![first, length as u8],
            Ok(length) => [&[first, 126][..], &length.to_be_bytes()].concat(),
            Err(_) => [&[first, 127][..], &(length as u64).to_be_bytes()].concat(),
        };
        bytes.extend_from_slice(payload);
        bytes
    }

    /// A message or another thing that was received as a whole.
    #[derive(Debug, PartialEq, Eq)]
    enum Whole {
        Message(Kind, Vec<u8>),
        Ping(Vec<u8>),
        Close(Close),
    }

    /// Decodes what arrives in chunks of `size` bytes, up to the close.
    fn decode(bytes: &[u8], size: usize) -> Result<Vec<Whole>, Violation> {
        let mut decoder = Decoder::new();
        let (mut all, mut message) = (Vec::new(), Vec::new());
        for mut chunk in bytes.chunks(size) {
            while let Some(received) = decoder.next(&mut chunk)? {
                match received {
                    Received::Piece { kind, payload, is_last } => {
                        message.extend_from_slice(payload);
                        if is_last {
                            all.push(Whole::Message(kind, std::mem::take(&mut message)));
                        }
                    }
                    Received::Ping(payload) => all.push(Whole::Ping(payload)),
                    Received::Close(close) => all.push(Whole::Close(close)),
                }
            }
        }
        Ok(all)
    }

    #[test]
    fn everything_is_decoded_however_it_arrives() {
        let (medium, long) = (vec![1; 126], vec![2; 70_000]);
        let bytes = [
            frame(0x81, b"text"),
            frame(0x82, b""),
            frame(0x82, &medium),
            frame(0x01, b"in "),
            frame(0x89, b"ping"),
            frame(0x00, b""),
            frame(0x8a, b"pong"),
            frame(0x80, b"pieces"),
            frame(0x82, &long),
            frame(0x89, b""),
            frame(0x88, b"\x0f\xa0why"),
        ]
        .concat();
        let expected = [
            Whole::Message(Kind::Text, b"text".to_vec()),
            Whole::Message(Kind::Binary, Vec::new()),
            Whole::Message(Kind::Binary, medium),
            Whole::Ping(b"ping".to_vec()),
            Whole::Message(Kind::Text, b"in pieces".to_vec()),
            Whole::Message(Kind::Binary, long),
            Whole::Ping(Vec::new()),
            Whole::Close(Close::Coded(4000, "why".to_owned())),
        ];
        for size in (1..300).chain([4096, 65_536, bytes.len()]) {
            assert!(decode(&bytes, size).is_ok_and(|all| all == expected), "{size}");
        }
    }

    #[test]
    fn what_is_against_the_protocol_is_refused() {
        let fragment = frame(0x01, b"a");
        let after = |second: Vec<u8>| [fragment.clone(), second].concat();
        for (bytes, code, reason) in [
            (frame(0x83, b""), 1002, "opcode"),
            (frame(0x8b, b""), 1002, "opcode"),
            (frame(0xc1, b""), 1002, "reserved bit"),
            (frame(0x91, b""), 1002, "reserved bit"),
            (vec![0x81, 0x81, 0, 0, 0, 0, b'a'], 1002, "masks"),
            (frame(0x09, b""), 1002, "fragmented"),
            (frame(0x89, &[0; 126]), 1002, "length"),
            (frame(0x80, b""), 1002, "continuation"),
            (after(frame(0x81, b"b")), 1002, "inside another"),
            (frame(0x88, b"\x03"), 1002, "half"),
            (frame(0x88, b"\x03\xed"), 1002, "1005"),
            (frame(0x88, b"\x03\xe8\xff"), 1007, "UTF-8"),
            ([&[0x82, 127][..], &(MAX_MESSAGE as u64 + 1).to_be_bytes()].concat(), 1009, "longer"),
            ([&[0x82, 127][..], &u64::MAX.to_be_bytes()].concat(), 1009, "longer"),
            (after([&[0x80, 127][..], &(MAX_MESSAGE as u64).to_be_bytes()].concat()), 1009, "longer"),
        ] {
            for size in [1, bytes.len()] {
                let violation = decode(&bytes, size).expect_err(reason);
                assert_eq!(violation.code, code, "{violation:?}");
                assert!(violation.reason.contains(reason), "{violation:?}");
            }
        }
    }

    #[test]
    fn frames_for_the_vm_are_masked() {
        // RFC 6455, section 5.7.
        let mut bytes = Vec::new();
        put_frame(OpCode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d], &mut bytes);
        assert_eq!(bytes, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);

        bytes.clear();
        put_frame(OpCode::Close, b"", [1, 2, 3, 4], &mut bytes);
        assert_eq!(bytes, [0x88, 0x80, 1, 2, 3, 4]);

        for (length, head) in [(125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            let payload: Vec<u8> = (0..=255).cycle().take(length).collect();
            bytes.clear();
            put_frame(OpCode::Binary, &payload, [9, 8, 7, 6], &mut bytes);
            assert_eq!(bytes.len(), head + length);
            let unmasked =
                bytes[head..].iter().zip([9, 8, 7, 6].iter().cycle()).map(|(byte, key)| byte ^ key);
            assert!(unmasked.eq(payload), "{length}");
        }
    }
}
