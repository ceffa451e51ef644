//! Forwarding over a TCP socket: HTTP/1.1, one connection a request, bodies piped by the runtime.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use futures::future::{select, Either};
use futures::pin_mut;
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::{Headers, ReadableStream, Response, ResponseInit, WritableStream};

use super::http1::{
    chunk_head, request_head, BodyFraming, ChunkedDecoder, Framing, Malformed, ResponseHead, LAST_CHUNK,
    MAX_HEAD,
};
use super::{headers, ForwardError};
use crate::platform::socket::Socket;
use crate::platform::stream::{fixed_length_pipe, pipe, pipe_to, Reader, Writer};
use crate::platform::{describe, within};

/// How long a connection may take. A VM that is down leaves connects unanswered.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of a chunked body is looked at to find the next chunk's size.
const FRAMING_WINDOW: u32 = 64;

/// A request for a VM.
pub(super) struct Outgoing {
    pub method: String,
    pub target: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
    pub content_length: Option<u64>,
    pub body: Option<ReadableStream>,
}

/// An answer whose body may still be on its way.
pub(super) struct Incoming {
    pub response: Response,
    /// Moves the rest of both bodies; ends when the exchange is over. Must be driven to its end.
    pub transfer: Pin<Box<dyn Future<Output = ()>>>,
}

/// Sends the request and reads the head of the answer.
pub(super) async fn forward(ip: IpAddr, port: u16, request: Outgoing) -> Result<Incoming, ForwardError> {
    let socket = Socket::connect(ip, port, CONNECT_TIMEOUT).await.map_err(ForwardError::NotSent)?;
    let exchanged = exchange(&socket, request).await;
    if exchanged.is_err() {
        socket.close();
    }
    exchanged.map_err(ForwardError::NoAnswer)
}

/// The status that a GET of `target` is answered with, within `limit`; the body is left unread.
pub(super) async fn probe(
    ip: IpAddr,
    port: u16,
    target: &str,
    host: &str,
    limit: Duration,
) -> Result<u16, ForwardError> {
    let agent = ("user-agent".to_owned(), crate::USER_AGENT.to_owned());
    let head = request_head("GET", target, host, &[agent], BodyFraming::None)
        .map_err(|error| ForwardError::NotSent(error.to_string()))?;
    let socket = Socket::connect(ip, port, limit).await.map_err(ForwardError::NotSent)?;
    let answered = within(limit, async {
        socket.send(&head).await?;
        let (head, _) = read_head(&socket.readable).await?;
        Ok(head.status)
    });
    let status = answered.await.unwrap_or_else(|| Err(format!("no answer within {limit:?}")));
    socket.close();
    status.map_err(ForwardError::NoAnswer)
}

async fn exchange(socket: &Socket, request: Outgoing) -> Result<Incoming, String> {
    let framing = match (&request.body, request.content_length) {
        (Some(_), None) => BodyFraming::Chunked,
        (_, Some(length)) => BodyFraming::Length(length),
        (None, None) => BodyFraming::None,
    };
    let Outgoing { method, target, host, headers, .. } = &request;
    let head = request_head(method, target, host, headers, framing).map_err(|error| error.to_string())?;
    socket.send(&head).await?;

    // A server may answer before it has read the whole body (RFC 9112, section 9.5), and may stop reading then:
    // so both go on side by side, and a failed upload does not hide the answer.
    let upload = upload(request.body, framing, socket.writable.clone());
    let answer = read_head(&socket.readable);
    let mut upload: Pin<Box<dyn Future<Output = ()>>> = Box::pin(upload);
    pin_mut!(answer);
    let (head, rest) = match select(answer, &mut upload).await {
        Either::Left((answer, _)) => answer?,
        Either::Right(((), answer)) => {
            upload = Box::pin(async {});
            answer.await?
        }
    };
    let (body, download) =
        open_body(&head, &request.method, rest, socket).map_err(|error| error.to_string())?;
    let response = response(head, body.as_ref())?;
    let socket = socket.clone();
    let transfer = Box::pin(async move {
        pin_mut!(download);
        // When the answer is whole, nobody waits for the rest of the upload.
        if let Either::Right(((), download)) = select(download, upload).await {
            download.await;
        }
        socket.close();
    });
    Ok(Incoming { response, transfer })
}

async fn upload(body: Option<ReadableStream>, framing: BodyFraming, to: WritableStream) {
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

/// The head of the final answer, and what came of the body with it.
async fn read_head(from: &ReadableStream) -> Result<(ResponseHead, Uint8Array), String> {
    let reader = Reader::new(from)?;
    let mut bytes = Vec::new();
    loop {
        let Some(chunk) = reader.read().await? else {
            return Err(match bytes.len() {
                0 => "the VM closed the connection without an answer".to_owned(),
                read => format!("the VM closed the connection after {read} bytes of an answer's head"),
            });
        };
        bytes.extend_from_slice(&chunk.subarray(0, chunk.length().min(MAX_HEAD as u32)).to_vec());
        let unread = chunk.subarray(chunk.length().min(MAX_HEAD as u32), chunk.length());
        while let Some(head) = ResponseHead::read(&bytes).map_err(|error: Malformed| error.to_string())? {
            let rest = bytes.split_off(head.length);
            if head.is_interim() {
                if head.status == 101 {
                    return Err("the VM switched protocols without being asked to".to_owned());
                }
                bytes = rest;
                continue;
            }
            reader.release();
            return Ok((head, joined(&rest, &unread)));
        }
    }
}

fn joined(first: &[u8], second: &Uint8Array) -> Uint8Array {
    let first_length = u32::try_from(first.len()).unwrap_or(u32::MAX);
    if second.length() == 0 {
        return Uint8Array::from(first);
    }
    let whole = Uint8Array::new_with_length(first_length + second.length());
    whole.set(&Uint8Array::from(first), 0);
    whole.set(second, first_length);
    whole
}

/// What goes into a `Response` as its body.
enum Body {
    Whole(Uint8Array),
    Stream(ReadableStream),
}

type Download = Pin<Box<dyn Future<Output = ()>>>;

/// The body for the client, and the future that fills it.
fn open_body(
    head: &ResponseHead,
    method: &str,
    rest: Uint8Array,
    socket: &Socket,
) -> Result<(Option<Body>, Download), String> {
    let done: Download = Box::pin(async {});
    let from = socket.readable.clone();
    let framing = head.framing(method).map_err(|error| error.to_string())?;
    let (body, download): (ReadableStream, Download) = match framing {
        Framing::None => return Ok((None, done)),
        Framing::Length(length) if u64::from(rest.length()) >= length => {
            // All of it has come with the head.
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            return Ok((Some(Body::Whole(rest.subarray(0, length))), done));
        }
        Framing::Length(length) => {
            let pipe = fixed_length_pipe(length)?;
            (pipe.readable(), Box::pin(download_plain(rest, from, pipe.writable())))
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
        let Some(next) = reader.read().await? else {
            return Err("the VM closed the connection in the middle of a chunked body".to_owned());
        };
        chunk = next;
    }
}

fn response(head: ResponseHead, body: Option<&Body>) -> Result<Response, String> {
    let status = head.status;
    let build = || -> Result<Response, JsValue> {
        let fields = Headers::new()?;
        for (name, value) in headers::for_client(head.headers) {
            fields.append(&name, &value)?;
        }
        let init = ResponseInit::new();
        init.set_status(status);
        init.set_status_text(&head.reason);
        init.set_headers(&fields);
        // The body is what the VM encoded; without this the runtime would encode it once more.
        js_sys::Reflect::set(&init, &"encodeBody".into(), &"manual".into())?;
        match body {
            None => Response::new_with_opt_str_and_init(None, &init),
            Some(Body::Whole(bytes)) => Response::new_with_opt_buffer_source_and_init(Some(bytes), &init),
            Some(Body::Stream(stream)) => {
                Response::new_with_opt_readable_stream_and_init(Some(stream), &init)
            }
        }
    };
    build().map_err(|error| format!("the VM's answer {status} cannot be handed on: {}", describe(&error)))
}
