//! Bodies between client and VM over a socket. Their bytes stay on the JavaScript side and move in
//! large pieces.
//!
//! A body of known length is read piece by piece up to its last byte, although the runtime could
//! pipe it into a pipe of fixed length:
//!
//! ```js
//! const { readable, writable } = new FixedLengthStream(length);
//! ctx.waitUntil(socket.readable.pipeTo(writable));
//! return new Response(readable);
//! ```
//!
//! But such a pipe ends only with the connection: if a server leaves it open, the client gets the
//! whole body, and the exchange never ends. And surplus bytes spoil it: with 7 bytes after a body
//! of 100,000, the client gets 4,053 and an error.

use std::future::Future;
use std::pin::{pin, Pin};
use std::time::Duration;

use futures::future::{join, select, Either};
use js_sys::{ArrayBuffer, Uint8Array};
use web_sys::{ReadableStream, WritableStream};

use super::read_buffer::ReadBuffer;
use super::stall_timer::StallTimer;
use crate::http::http1::{chunk_head, BodyFraming, ChunkedDecoder, Framing, LAST_CHUNK};
use crate::platform::body_source::{BodySource, Cancelled};
use crate::platform::stream::{pipe, pipe_to, Reader, Writer};
use crate::time::format_duration;

/// The piece of an upload of known length. Larger pieces are faster up to this size.
const LARGE_PIECE: u32 = 256 * 1024;

/// The piece of a chunked upload.
const PIECE: u32 = 64 * 1024;

/// The bytes of a chunked body that are searched for the next chunk's size.
const FRAMING_WINDOW: u32 = 64;

/// The space before each piece of an upload for the size of the chunk: 8 digits and a line end.
const BEFORE_CHUNK: u32 = 10;

/// The body of a `Response`.
pub(super) enum Body {
    /// All of it came with the head.
    Whole(Uint8Array),
    /// A stream, and the task that fills it.
    Stream(ReadableStream, Download),
}

/// Moves a body to the client.
pub(super) type Download = Pin<Box<dyn Future<Output = Result<(), Truncated>>>>;

/// Why a response's body is truncated.
pub(super) struct Truncated(pub String);

/// Returns the body for the client. `rest` is the part that came with the head; `limit` is how long
/// the VM may stall.
///
/// # Errors
/// The text of the exception.
pub(super) fn open_body(
    framing: Framing,
    rest: Uint8Array,
    from: Reader,
    limit: Option<Duration>,
) -> Result<Option<Body>, String> {
    let coding = match framing {
        Framing::None => return Ok(None),
        Framing::Length(length) if u64::from(rest.length()) >= length => {
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            return Ok(Some(Body::Whole(rest.subarray(0, length))));
        }
        Framing::Length(length) => Coding::Length(length),
        Framing::Chunked => Coding::Chunked(ChunkedDecoder::new()),
        Framing::Close => Coding::Close,
    };
    let (body, source) = BodySource::new(coding.length())?;
    // A body that ends with the connection may be a stream of events that has no name.
    let limit = limit.filter(|_| !matches!(coding, Coding::Close));
    Ok(Some(Body::Stream(body, Box::pin(download(coding, rest, from, source, limit)))))
}

/// Moves a body up to its end, or until the client or the VM aborts it.
async fn download(
    coding: Coding,
    rest: Uint8Array,
    from: Reader,
    to: BodySource,
    limit: Option<Duration>,
) -> Result<(), Truncated> {
    let stall = StallTimer::default();
    let relayed = match limit {
        None => relay(coding, rest, &from, &to, &stall).await,
        Some(limit) => {
            let (relay, stalled) = (relay(coding, rest, &from, &to, &stall), stall.expired(limit));
            match select(pin!(relay), pin!(stalled)).await {
                Either::Left((relayed, _)) => relayed,
                Either::Right(((), _)) => {
                    let limit = format_duration(limit);
                    Err(Stopped::ByVm(format!("the VM sent nothing for {limit} in the middle of the body")))
                }
            }
        }
    };
    match relayed {
        Ok(()) => to.close(),
        Err(Stopped::ByClient) => {}
        Err(Stopped::ByVm(reason)) => {
            to.fail(&reason);
            return Err(Truncated(reason));
        }
    }
    Ok(())
}

/// Why a body is no longer moved.
enum Stopped {
    ByClient,
    ByVm(String),
}

impl From<Cancelled> for Stopped {
    fn from(_: Cancelled) -> Self {
        Stopped::ByClient
    }
}

/// Relays a body. A piece is read when the client has the previous one: two at a time are no
/// faster, and do not fit into the processor's cache.
async fn relay(
    mut coding: Coding,
    rest: Uint8Array,
    from: &Reader,
    to: &BodySource,
    stall: &StallTimer,
) -> Result<(), Stopped> {
    let (mut piece, mut buffer) = (rest, ReadBuffer::new());
    loop {
        let data = coding.data(&piece).map_err(Stopped::ByVm)?;
        if data.length() > 0 {
            to.ready().await?;
            to.enqueue(&buffer.detach(data, piece))?;
        }
        let Some(left) = coding.left() else { return Ok(()) };
        to.ready().await?;
        let empty = buffer.next(left);
        let (read, gone) = (pin!(from.read(&empty)), pin!(to.cancelled()));
        stall.start();
        let next = select(read, gone).await;
        stall.stop();
        piece = match next {
            Either::Left((Ok(Some(next)), _)) => next,
            Either::Left((Ok(None), _)) => {
                return coding.truncation().map_or(Ok(()), |reason| Err(Stopped::ByVm(reason)))
            }
            Either::Left((Err(error), _)) => return Err(Stopped::ByVm(error)),
            Either::Right((Cancelled, _)) => return Err(Stopped::ByClient),
        };
    }
}

/// The framing of a body: the rule by which its end is found, and the rest of its length.
enum Coding {
    /// By the number of bytes left.
    Length(u64),
    Chunked(ChunkedDecoder),
    /// By the end of the connection.
    Close,
}

impl Coding {
    /// Returns the length of the body; `None` means that it is unknown.
    fn length(&self) -> Option<u64> {
        match self {
            Coding::Length(length) => Some(*length),
            Coding::Chunked(_) | Coding::Close => None,
        }
    }

    /// Returns the data in a piece. The data of a chunked body is moved together within the piece.
    fn data(&mut self, piece: &Uint8Array) -> Result<Uint8Array, String> {
        match self {
            Coding::Length(left) => {
                let due = at_most(*left, piece.length());
                *left -= u64::from(due);
                Ok(piece.subarray(0, due))
            }
            Coding::Close => Ok(piece.clone()),
            Coding::Chunked(decoder) => {
                let (mut at, mut kept) = (0, 0);
                while at < piece.length() && !decoder.is_done() {
                    let due = at_most(decoder.data(), piece.length() - at);
                    if due > 0 {
                        if at != kept {
                            piece.copy_within(kept.cast_signed(), at.cast_signed(), (at + due).cast_signed());
                        }
                        decoder.passed(u64::from(due));
                        at += due;
                        kept += due;
                    } else {
                        let window = piece.subarray(at, (at + FRAMING_WINDOW).min(piece.length())).to_vec();
                        let read = decoder.framing(&window).map_err(|error| error.to_string())?;
                        at += u32::try_from(read).unwrap_or(u32::MAX);
                    }
                }
                Ok(piece.subarray(0, kept))
            }
        }
    }

    /// Returns how many bytes may be left; `None` means that the body has ended.
    fn left(&self) -> Option<u64> {
        match self {
            Coding::Length(0) => None,
            Coding::Length(left) => Some(*left),
            Coding::Close => Some(u64::MAX),
            Coding::Chunked(decoder) => (!decoder.is_done()).then_some(u64::MAX),
        }
    }

    /// Returns what is missing if the connection ends now; `None` means nothing.
    fn truncation(&self) -> Option<String> {
        match self {
            Coding::Length(left) => {
                Some(format!("the VM closed the connection {left} bytes before the end of the body"))
            }
            Coding::Chunked(_) => {
                Some("the VM closed the connection in the middle of a chunked body".to_owned())
            }
            Coding::Close => None,
        }
    }
}

fn at_most(count: u64, limit: u32) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).min(limit)
}

/// Moves a request's body to the VM, and then starts to wait for the VM.
pub(super) async fn upload(
    body: ReadableStream,
    framing: BodyFraming,
    to: WritableStream,
    stall: &StallTimer,
) {
    // A failure shows in the response, or in its absence.
    let _ = match framing {
        BodyFraming::None => Ok(()),
        BodyFraming::Length(_) => send(&body, &to, false, stall).await,
        BodyFraming::Chunked => send(&body, &to, true, stall).await,
    };
    stall.start();
}

async fn send(
    body: &ReadableStream,
    to: &WritableStream,
    in_chunks: bool,
    stall: &StallTimer,
) -> Result<(), String> {
    if let Ok(reader) = Reader::new(body) {
        return send_pieces(&reader, to, in_chunks, stall).await;
    }
    // A stream made in JavaScript, which a library's user may pass, cannot be read into a given
    // buffer.
    let pipe = pipe()?;
    let reader = Reader::new(&pipe.readable())?;
    let writable = pipe.writable();
    let (_, sent) = join(pipe_to(body, &writable, true), send_pieces(&reader, to, in_chunks, stall)).await;
    sent
}

/// Sends a body piece by piece. The runtime could pipe one of known length, and no faster; but then
/// a VM that stops reading would not be noticed.
async fn send_pieces(
    reader: &Reader,
    to: &WritableStream,
    in_chunks: bool,
    stall: &StallTimer,
) -> Result<(), String> {
    let writer = Writer::new(to)?;
    let (length, before, after) = if in_chunks { (PIECE, BEFORE_CHUNK, 2) } else { (LARGE_PIECE, 0, 0) };
    let mut buffer = Uint8Array::new_with_length(length).buffer();
    loop {
        let length = buffer.byte_length() - before - after;
        let empty = Uint8Array::new_with_byte_offset_and_length(&buffer, before, length);
        let Some(data) = reader.read(&empty).await? else { break };
        buffer = data.buffer();
        // An empty chunk would end the body.
        if data.length() == 0 {
            continue;
        }
        let piece = if in_chunks { chunk(&buffer, data.length()) } else { data };
        stall.start();
        writer.write(&piece).await?;
        stall.stop();
    }
    if in_chunks {
        stall.start();
        writer.write(&Uint8Array::from(LAST_CHUNK)).await?;
    }
    writer.release();
    Ok(())
}

/// Returns the chunk of the data in `buffer`, by writing its size and its end around the data in
/// place.
fn chunk(buffer: &ArrayBuffer, length: u32) -> Uint8Array {
    let head = chunk_head(length);
    let begin = BEFORE_CHUNK.saturating_sub(u32::try_from(head.len()).unwrap_or(u32::MAX));
    let whole = Uint8Array::new(buffer);
    whole.set(&Uint8Array::from(head.as_slice()), begin);
    let end = BEFORE_CHUNK + length;
    whole.set(&Uint8Array::from(b"\r\n".as_slice()), end);
    whole.subarray(begin, end + 2)
}
