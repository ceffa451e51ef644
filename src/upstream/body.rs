//! Bodies on their way between client and VM over a socket. Their bytes stay on the JavaScript side: they are passed
//! on in large pieces.
//!
//! A body of known length is read up to its last byte and no further, piece by piece, although the runtime could pipe it
//! by itself into a pipe of fixed length:
//!
//! ```js
//! const { readable, writable } = new FixedLengthStream(length);
//! ctx.waitUntil(socket.readable.pipeTo(writable));
//! return new Response(readable);
//! ```
//!
//! But that ends only with the connection: from a server that leaves it open the client gets the whole body, and the
//! exchange never ends. And it is all or nothing: 7 bytes after a body of 100,000, and the client gets 4,053 and an
//! error.

use std::future::Future;
use std::pin::{pin, Pin};
use std::time::Duration;

use futures::future::{join, select, Either};
use js_sys::{ArrayBuffer, Uint8Array};
use web_sys::{ReadableStream, WritableStream};

use super::read_buffer::Room;
use super::stall_timer::Silence;
use crate::http::http1::{chunk_head, BodyFraming, ChunkedDecoder, Framing, LAST_CHUNK};
use crate::platform::body_source::{Cancelled, Source};
use crate::platform::stream::{pipe, pipe_to, Reader, Writer};
use crate::time::format_duration;

/// How much of an upload of known length is moved at a time. The larger, the faster: above this it is only memory.
const LARGE_PIECE: u32 = 256 * 1024;

/// How much of a chunked upload is moved at a time.
const PIECE: u32 = 64 * 1024;

/// How much of a chunked body is looked at to find the next chunk's size.
const FRAMING_WINDOW: u32 = 64;

/// Room before each piece of an upload for the size of the chunk: 8 digits and a line end.
const BEFORE_CHUNK: u32 = 10;

/// What goes into a `Response` as its body.
pub(super) enum Body {
    /// All of it has come with the head.
    Whole(Uint8Array),
    /// It is still coming, as long as it is moved.
    Stream(ReadableStream, Download),
}

/// Moves a body; ends when it has, or says what the VM did wrong.
pub(super) type Download = Pin<Box<dyn Future<Output = Result<(), BrokenOff>>>>;

/// Why an answer's body ended before its end.
pub(super) struct BrokenOff(pub String);

/// The body for the client. `rest` is what came of it with the head; if there is a `limit`, the VM may not be silent for
/// longer.
///
/// # Errors
/// The text of the exception.
pub(super) fn open_body(
    framing: Framing,
    rest: Uint8Array,
    from: Reader,
    limit: impl FnOnce() -> Option<Duration>,
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
    let (body, source) = Source::new(coding.length())?;
    // What ends with the connection is a stream of whatever comes, whenever it comes.
    let limit = if matches!(coding, Coding::Close) { None } else { limit() };
    Ok(Some(Body::Stream(body, Box::pin(download(coding, rest, from, source, limit)))))
}

/// Moves a body up to its end.
async fn download(
    coding: Coding,
    rest: Uint8Array,
    from: Reader,
    to: Source,
    limit: Option<Duration>,
) -> Result<(), BrokenOff> {
    let silence = Silence::default();
    let relayed = match limit {
        None => relay(coding, rest, &from, &to, &silence).await,
        Some(limit) => {
            let (relay, silent) = (relay(coding, rest, &from, &to, &silence), silence.lasts(limit));
            match select(pin!(relay), pin!(silent)).await {
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
            return Err(BrokenOff(reason));
        }
    }
    Ok(())
}

/// Why a body is not moved on.
enum Stopped {
    ByClient,
    ByVm(String),
}

impl From<Cancelled> for Stopped {
    fn from(_: Cancelled) -> Self {
        Stopped::ByClient
    }
}

/// A piece is read when the client has the one before: two at a time are no faster, and do not fit into the processor's
/// cache.
async fn relay(
    mut coding: Coding,
    rest: Uint8Array,
    from: &Reader,
    to: &Source,
    silence: &Silence,
) -> Result<(), Stopped> {
    let (mut piece, mut room) = (rest, Room::new());
    loop {
        let data = coding.data(&piece).map_err(Stopped::ByVm)?;
        if data.length() > 0 {
            to.wanted().await?;
            to.put(&room.give(data, piece))?;
        }
        let Some(left) = coding.left() else { return Ok(()) };
        to.wanted().await?;
        let room = room.next(left);
        let (read, gone) = (pin!(from.read(&room)), pin!(to.cancelled()));
        silence.begin();
        let next = select(read, gone).await;
        silence.end();
        piece = match next {
            Either::Left((Ok(Some(next)), _)) => next,
            Either::Left((Ok(None), _)) => {
                return coding.cut_short().map_or(Ok(()), |reason| Err(Stopped::ByVm(reason)))
            }
            Either::Left((Err(error), _)) => return Err(Stopped::ByVm(error)),
            Either::Right((Cancelled, _)) => return Err(Stopped::ByClient),
        };
    }
}

/// How a body's end is found, and how far it is.
enum Coding {
    /// So many bytes are left.
    Length(u64),
    Chunked(ChunkedDecoder),
    /// The connection's end is the body's.
    Close,
}

impl Coding {
    /// How long the body is, if that is known.
    fn length(&self) -> Option<u64> {
        match self {
            Coding::Length(length) => Some(*length),
            Coding::Chunked(_) | Coding::Close => None,
        }
    }

    /// The data in a piece. That of a chunked body is pushed together in the piece's own memory.
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

    /// How many bytes may be left; `None` if the body has ended.
    fn left(&self) -> Option<u64> {
        match self {
            Coding::Length(0) => None,
            Coding::Length(left) => Some(*left),
            Coding::Close => Some(u64::MAX),
            Coding::Chunked(decoder) => (!decoder.is_done()).then_some(u64::MAX),
        }
    }

    /// What is wrong with the connection's ending now.
    fn cut_short(&self) -> Option<String> {
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

/// Moves a request's body to the VM. The rest is up to the VM then.
pub(super) async fn upload(
    body: ReadableStream,
    framing: BodyFraming,
    to: WritableStream,
    silence: &Silence,
) {
    // What goes wrong shows in the answer, or in there being none.
    let _ = match framing {
        BodyFraming::None => Ok(()),
        BodyFraming::Length(_) => send(&body, &to, false, silence).await,
        BodyFraming::Chunked => send(&body, &to, true, silence).await,
    };
    silence.begin();
}

async fn send(
    body: &ReadableStream,
    to: &WritableStream,
    in_chunks: bool,
    silence: &Silence,
) -> Result<(), String> {
    if let Ok(reader) = Reader::new(body) {
        return send_pieces(&reader, to, in_chunks, silence).await;
    }
    // A stream made in JavaScript, which a library's user may give, cannot be read into memory of ours.
    let pipe = pipe()?;
    let reader = Reader::new(&pipe.readable())?;
    let writable = pipe.writable();
    let (_, sent) = join(pipe_to(body, &writable, true), send_pieces(&reader, to, in_chunks, silence)).await;
    sent
}

/// The runtime could pipe a body of known length by itself, and no faster; but then nobody would see that the VM takes no
/// more of it.
async fn send_pieces(
    reader: &Reader,
    to: &WritableStream,
    in_chunks: bool,
    silence: &Silence,
) -> Result<(), String> {
    let writer = Writer::new(to)?;
    let (length, before, after) = if in_chunks { (PIECE, BEFORE_CHUNK, 2) } else { (LARGE_PIECE, 0, 0) };
    let mut buffer = Uint8Array::new_with_length(length).buffer();
    loop {
        let length = buffer.byte_length() - before - after;
        let room = Uint8Array::new_with_byte_offset_and_length(&buffer, before, length);
        let Some(data) = reader.read(&room).await? else { break };
        buffer = data.buffer();
        // An empty chunk would end the body.
        if data.length() == 0 {
            continue;
        }
        let piece = if in_chunks { chunk(&buffer, data.length()) } else { data };
        silence.begin();
        writer.write(&piece).await?;
        silence.end();
    }
    if in_chunks {
        silence.begin();
        writer.write(&Uint8Array::from(LAST_CHUNK)).await?;
    }
    writer.release();
    Ok(())
}

/// The chunk of so much data, its size and its end written around it where it lies.
fn chunk(buffer: &ArrayBuffer, length: u32) -> Uint8Array {
    let head = chunk_head(length);
    let begin = BEFORE_CHUNK.saturating_sub(u32::try_from(head.len()).unwrap_or(u32::MAX));
    let whole = Uint8Array::new(buffer);
    whole.set(&Uint8Array::from(head.as_slice()), begin);
    let end = BEFORE_CHUNK + length;
    whole.set(&Uint8Array::from(b"\r\n".as_slice()), end);
    whole.subarray(begin, end + 2)
}
