//! Properties of the parsers that hold for all bytes, for the fuzz targets in `fuzz/` and for the
//! tests below, which run the fuzzers' corpus and mutations of it.

// A panic is a finding.
#![allow(clippy::indexing_slicing)]

use super::{ChunkedDecoder, Framing, Malformed, ResponseHead, MAX_HEAD};

/// A head is read, or refused, without a panic; it is what it says; and read in pieces it is the
/// same.
pub(crate) fn head_is_read_safely(bytes: &[u8]) {
    let whole = ResponseHead::read(bytes);
    if let Ok(Some(head)) = &whole {
        head_is_sound(head, bytes);
    }
    for length in [1, 7, 64] {
        // Pieces of one byte take a read each, of all there is so far.
        if bytes.len() / length < 4096 {
            assert_same(&read_in_pieces(bytes, length), &whole);
        }
    }
}

fn head_is_sound(head: &ResponseHead, bytes: &[u8]) {
    assert!(head.length <= bytes.len().min(MAX_HEAD));
    assert!((100..600).contains(&head.status));
    let text = &bytes[..head.length];
    assert!(text.starts_with(b"HTTP/1.") && text.ends_with(b"\r\n\r\n"));
    // Each line is the status line, a header or the empty line: no other parser can see other
    // headers in it.
    let lines = text.split(|&byte| byte == b'\n').collect::<Vec<_>>();
    assert_eq!(lines.len(), head.headers.len() + 3);
    assert!(lines.iter().take(lines.len() - 1).all(|line| line.ends_with(b"\r")));
    for (name, value) in &head.headers {
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':'), "{name:?}");
        assert!(!value.contains(['\r', '\n', '\0']), "{value:?}");
    }
    let named = |wanted: &str| head.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    for method in ["GET", "HEAD"] {
        match head.framing(method) {
            Ok(Framing::Length(_)) => assert!(named("content-length") && !named("transfer-encoding")),
            Ok(Framing::Chunked) => assert!(named("transfer-encoding") && !named("content-length")),
            Ok(Framing::Close) => assert!(!named("transfer-encoding") && !named("content-length")),
            Ok(Framing::None) => assert!(method == "HEAD" || matches!(head.status, 100..=205 | 304)),
            Err(Malformed(reason)) => assert!(!reason.is_empty()),
        }
    }
    let handed_on = head.clone().into_headers();
    assert!(handed_on.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).count() <= 1);
}

/// Reads again with each piece, as long as the head is not complete.
fn read_in_pieces(bytes: &[u8], length: usize) -> Result<Option<ResponseHead>, Malformed> {
    let ends = (length..bytes.len()).step_by(length).chain([bytes.len()]);
    let mut reads = ends.map(|end| ResponseHead::read(&bytes[..end]));
    reads.find(|read| *read != Ok(None)).unwrap_or(Ok(None))
}

/// The same head, or refused both times, although it may be seen at different places why.
fn assert_same(
    one: &Result<Option<ResponseHead>, Malformed>,
    other: &Result<Option<ResponseHead>, Malformed>,
) {
    match (one, other) {
        (Err(_), Err(_)) => {}
        (one, other) => assert_eq!(one, other),
    }
}

/// A chunked body is decoded as by a decoder that is too simple to be wrong, in pieces of any
/// length.
pub(crate) fn chunks_are_decoded_safely(body: &[u8]) {
    let expected = decode_simply(body);
    for length in [1, 3, 16, 64, body.len().max(1)] {
        assert_eq!(decode(body, length), expected, "in pieces of {length}");
    }
}

/// The result of decoding a chunked body.
#[derive(Debug, PartialEq, Eq)]
enum Decoded {
    /// All of it, and how many bytes it took.
    Whole(Vec<u8>, usize),
    /// The beginning of it.
    Unfinished(Vec<u8>),
    /// The bytes after this data are not chunked.
    Refused(Vec<u8>),
}

/// As the proxy does it: data as it comes, framing 64 bytes at a time.
fn decode(body: &[u8], length: usize) -> Decoded {
    let mut decoder = ChunkedDecoder::new();
    let (mut data, mut taken) = (Vec::new(), 0);
    for mut piece in body.chunks(length) {
        while !piece.is_empty() && !decoder.is_done() {
            let due = usize::try_from(decoder.data()).unwrap_or(usize::MAX).min(piece.len());
            let passed = if due > 0 {
                data.extend_from_slice(&piece[..due]);
                decoder.passed(due as u64);
                due
            } else {
                let Ok(read) = decoder.framing(&piece[..piece.len().min(64)]) else {
                    return Decoded::Refused(data);
                };
                assert!(read > 0, "the decoder makes no progress");
                read
            };
            taken += passed;
            piece = &piece[passed..];
        }
    }
    if decoder.is_done() {
        Decoded::Whole(data, taken)
    } else {
        Decoded::Unfinished(data)
    }
}

/// Line by line, with all of the body at hand (RFC 9112, section 7.1).
fn decode_simply(body: &[u8]) -> Decoded {
    const MAX_LINE: usize = 8 * 1024;
    let (mut data, mut rest) = (Vec::new(), body);
    // The line that `rest` begins with; `Err(true)` if it is not one, `Err(false)` if it is not
    // complete.
    fn line<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], bool> {
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return Err(rest.len() > MAX_LINE);
        };
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        *rest = after;
        line.strip_suffix(b"\r").filter(|_| line.len() <= MAX_LINE).ok_or(true)
    }
    let result = (|| loop {
        let size = line(&mut rest)?;
        let size = size.split(|&byte| byte == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(size).map_err(|_| true)?.trim_end_matches([' ', '\t']);
        if size.is_empty() || size.starts_with('+') {
            return Err(true);
        }
        let size = u64::from_str_radix(size, 16).map_err(|_| true)?;
        if size == 0 {
            while !line(&mut rest)?.is_empty() {}
            return Ok(());
        }
        let Some((chunk, after)) = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size))
        else {
            data.extend_from_slice(rest);
            return Err(false);
        };
        data.extend_from_slice(chunk);
        rest = after;
        if !line(&mut rest)?.is_empty() {
            return Err(true);
        }
    })();
    match result {
        Ok(()) => Decoded::Whole(data, body.len() - rest.len()),
        Err(true) => Decoded::Refused(data),
        Err(false) => Decoded::Unfinished(data),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// The number of mutations of each file of the corpus.
    const CHANGES: u64 = 200;

    /// Bytes that matter to the parsers, for the mutations.
    const SPICE: [&[u8]; 12] = [
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b":",
        b";",
        b"0",
        b"ffffffffffffffff",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\xff",
    ];

    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut files: Vec<_> = folder.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 20, "{folder:?} has {} files", files.len());
        files.iter().map(|file| std::fs::read(file).unwrap()).collect()
    }

    /// Some bytes left out, put in, written over or said twice.
    fn changed(bytes: &[u8], random: &mut StdRng) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..random.gen_range(1..4) {
            let at = random.gen_range(0..=bytes.len());
            let end = random.gen_range(at..=bytes.len().min(at + 8));
            let with = match random.gen_range(0..4) {
                0 => Vec::new(),
                1 => SPICE.choose(random).unwrap().to_vec(),
                2 => vec![random.gen()],
                _ => [&bytes[at..end], &bytes[at..end]].concat(),
            };
            bytes.splice(at..end, with);
        }
        bytes
    }

    fn holds_for_all(target: &str, property: fn(&[u8])) {
        for bytes in corpus(target) {
            property(&bytes);
            for seed in 0..CHANGES {
                property(&changed(&bytes, &mut StdRng::seed_from_u64(seed)));
            }
        }
    }

    #[test]
    fn heads_are_read_safely() {
        holds_for_all("response", head_is_read_safely);
    }

    #[test]
    fn chunks_are_decoded_safely() {
        holds_for_all("chunked", super::chunks_are_decoded_safely);
    }
}
