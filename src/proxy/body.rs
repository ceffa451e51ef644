//! Bodies on their way between client and VM over a socket. Their bytes stay on the JavaScript side: they are passed
//! on chunk by chunk, or piped by the runtime.

use std::future::Future;
use std::pin::Pin;

use futures::future::{select, Either};
use futures::pin_mut;
use js_sys::Uint8Array;
use web_sys::{ReadableStream, WritableStream};

use super::http1::{chunk_head, BodyFraming, ChunkedDecoder, Framing, LAST_CHUNK};
use crate::platform::stream::{fixed_length_pipe, pipe, pipe_to, Reader, Writer};

/// How much of a chunked body is looked at to find the next chunk's size.
const FRAMING_WINDOW: u32 = 64;

/// What goes into a `Response` as its body.
pub(super) enum Body {
    /// All of it has come with the head.
    Whole(Uint8Array),
    /// It is still coming.
    Stream(ReadableStream),
}

/// Moves a body; ends when it has.
pub(super) type Download = Pin<Box<dyn Future<Output = ()>>>;

/// The body for the client, and the future that fills it.
///
/// # Errors
/// The text of the exception.
pub(super) fn open_body(
    framing: Framing,
    rest: Uint8Array,
    from: &ReadableStream,
) -> Result<(Option<Body>, Download), String> {
    let done: Download = Box::pin(async {});
    let from = from.clone();
    let (body, download): (ReadableStream, Download) = match framing {
        Framing::None => return Ok((None, done)),
        Framing::Length(length) if u64::from(rest.length()) >= length => {
            // All of it has come with the head.
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            return Ok((Some(Body::Whole(rest.subarray(0, length))), done));
        }
        Framing::Length(length) => {
            let pipe = fixed_length_pipe(length)?;
            (pipe.readable(), Box::pin(download_length(length, rest, from, pipe.writable())))
        }
        Framing::Close => {
            let pipe = pipe()?;
            (pipe.readable(), Box::pin(download_plain(rest, from, pipe.writable())))
        }
        Framing::Chunked => {
            let pipe = pipe()?;
            (pipe.readable(), Box::pin(download_chunked(rest, from, pipe.writable())))
        }
    };
    Ok((Some(Body::Stream(body)), download))
}

/// Moves a body of known length, chunk by chunk: a server may leave the connection open after it.
async fn download_length(length: u64, rest: Uint8Array, from: ReadableStream, to: WritableStream) {
    let (Ok(reader), Ok(writer)) = (Reader::new(&from), Writer::new(&to)) else { return };
    match relay(length, rest, &reader, &writer).await {
        Ok(()) => {
            let _ = writer.close().await;
        }
        Err(error) => writer.abort(&error).await,
    }
}

async fn relay(length: u64, rest: Uint8Array, reader: &Reader, writer: &Writer) -> Result<(), String> {
    let (mut left, mut chunk) = (length, rest);
    loop {
        let due = u32::try_from(left).unwrap_or(u32::MAX).min(chunk.length());
        if due > 0 {
            writer.write(&chunk.subarray(0, due)).await?;
            left -= u64::from(due);
        }
        if left == 0 {
            return Ok(());
        }
        let Some(next) = next_chunk(reader, writer).await? else {
            return Err(format!("the VM closed the connection {left} bytes before the end of the body"));
        };
        chunk = next;
    }
}

/// Moves a body as it comes. A failure on either side is passed on by the streams themselves.
async fn download_plain(rest: Uint8Array, from: ReadableStream, to: WritableStream) {
    if rest.length() > 0 {
        let Ok(writer) = Writer::new(&to) else { return };
        if writer.write(&rest).await.is_err() {
            return;
        }
        writer.release();
    }
    let _ = pipe_to(&from, &to, true).await;
}

/// Takes the chunked coding off a body. Only the framing is looked at; the data stays where it is.
async fn download_chunked(rest: Uint8Array, from: ReadableStream, to: WritableStream) {
    let (Ok(reader), Ok(writer)) = (Reader::new(&from), Writer::new(&to)) else { return };
    match unchunk(rest, &reader, &writer).await {
        Ok(()) => {
            let _ = writer.close().await;
        }
        Err(error) => writer.abort(&error).await,
    }
}

async fn unchunk(rest: Uint8Array, reader: &Reader, writer: &Writer) -> Result<(), String> {
    let mut decoder = ChunkedDecoder::new();
    let mut chunk = rest;
    loop {
        let mut at = 0;
        while at < chunk.length() && !decoder.is_done() {
            if decoder.data() > 0 {
                let due = u32::try_from(decoder.data()).unwrap_or(u32::MAX).min(chunk.length() - at);
                writer.write(&chunk.subarray(at, at + due)).await?;
                decoder.passed(u64::from(due));
                at += due;
            } else {
                let window = chunk.subarray(at, (at + FRAMING_WINDOW).min(chunk.length())).to_vec();
                let read = decoder.framing(&window).map_err(|error| error.to_string())?;
                at += u32::try_from(read).unwrap_or(u32::MAX);
            }
        }
        if decoder.is_done() {
            return Ok(());
        }
        let Some(next) = next_chunk(reader, writer).await? else {
            return Err("the VM closed the connection in the middle of a chunked body".to_owned());
        };
        chunk = next;
    }
}

/// The next chunk that the VM sends, unless the client goes away before.
async fn next_chunk(reader: &Reader, writer: &Writer) -> Result<Option<Uint8Array>, String> {
    let (chunk, gone) = (reader.read(), writer.gone());
    pin_mut!(chunk, gone);
    match select(chunk, gone).await {
        Either::Left((chunk, _)) => chunk,
        Either::Right((reason, _)) => Err(reason),
    }
}

/// Moves a request's body to the VM.
pub(super) async fn upload(body: Option<ReadableStream>, framing: BodyFraming, to: WritableStream) {
    let Some(body) = body else { return };
    // What goes wrong shows in the answer, or in there being none.
    let _ = match framing {
        BodyFraming::None => Ok(()),
        BodyFraming::Length(_) => pipe_to(&body, &to, false).await,
        BodyFraming::Chunked => upload_chunked(&body, &to).await,
    };
}

async fn upload_chunked(body: &ReadableStream, to: &WritableStream) -> Result<(), String> {
    let reader = Reader::new(body)?;
    let writer = Writer::new(to)?;
    while let Some(chunk) = reader.read().await? {
        if chunk.length() > 0 {
            writer.write(&Uint8Array::from(chunk_head(chunk.length()).as_slice())).await?;
            writer.write(&chunk).await?;
            writer.write(&Uint8Array::from(b"\r\n".as_slice())).await?;
        }
    }
    writer.write(&Uint8Array::from(LAST_CHUNK)).await?;
    writer.release();
    Ok(())
}
