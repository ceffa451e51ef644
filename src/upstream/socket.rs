//! Forwarding over a TCP socket: HTTP/1.1, one connection a request.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::time::Duration;

use futures::future::{select, Either, OptionFuture};
use js_sys::Uint8Array;
use web_sys::{ReadableStream, Response};

use super::body::{open_body, upload, Body, BrokenOff};
use super::error::ForwardError;
use super::incoming::Incoming;
use super::stall_timer::Silence;
use super::websocket::over_socket;
use crate::http::headers::for_client;
use crate::http::http1::{request_head, upgrade_head, BodyFraming, Field, Malformed, ResponseHead, MAX_HEAD};
use crate::http::websocket::handshake::Handshake;
use crate::platform::buffer_pool::Memory;
use crate::platform::fetch::{EncodeBody, Init};
use crate::platform::socket::Socket;
use crate::platform::stream::Reader;
use crate::platform::{describe, sleep};
use crate::time::format_duration;

thread_local! {
    /// What is read into at first: most answers are no longer than 16 KiB, and then they are here with their heads.
    static FIRST: Memory = const { Memory::new(16 * 1024, 64) };
}

/// A request for a VM.
pub(crate) struct Outgoing<'h> {
    pub method: String,
    pub target: String,
    pub host: String,
    pub headers: Vec<Field<'h>>,
    pub content_length: Option<u64>,
    pub body: Option<ReadableStream>,
    /// How long a connection may take. A VM that is down leaves connects unanswered.
    pub connect_timeout: Duration,
    /// How long the VM may take, once it has the whole request, until the head of its answer is here, and how long it may
    /// be silent in the middle of a body.
    pub response_timeout: Duration,
    /// The request is one for a WebSocket.
    pub handshake: Option<Handshake>,
}

/// Sends the request and reads the head of the answer.
pub(crate) async fn forward(ip: IpAddr, port: u16, request: Outgoing<'_>) -> Result<Incoming, ForwardError> {
    let framing = match (&request.body, request.content_length) {
        (Some(_), None) => BodyFraming::Chunked,
        (_, Some(length)) => BodyFraming::Length(length),
        (None, None) => BodyFraming::None,
    };
    let Outgoing { method, target, host, headers, .. } = &request;
    let head = match request.handshake {
        Some(_) => upgrade_head(target, host, headers),
        None => request_head(method, target, host, headers, framing),
    };
    let head = head.map_err(invalid)?;
    let limits = Limits { connect: request.connect_timeout, response: request.response_timeout };
    let address = SocketAddr::new(ip, port);
    let (socket, answer, upload) = exchange(address, &head, framing, request.body, limits).await?;
    let Answer { head, rest, reader } = answer;
    if head.status == 101 {
        let unasked = || ForwardError::Invalid("the VM switched protocols without being asked to".to_owned());
        let handshake = request.handshake.ok_or_else(unasked)?;
        let writable = socket.writable().await.map_err(ForwardError::NoAnswer)?;
        return over_socket(&handshake, head, rest, reader, socket, &writable);
    }
    let framing = head.framing(&request.method).map_err(invalid)?;
    let silence = || Some(limits.response).filter(|_| !head.is_event_stream());
    let memory = rest.clone();
    let body = open_body(framing, rest, reader, silence).map_err(ForwardError::Invalid)?;
    let response = response(head, body.as_ref()).map_err(ForwardError::Invalid)?;
    let Some(Body::Stream(_, download)) = body else {
        // A response has a copy of its bytes (Fetch standard, "extract a body").
        FIRST.with(|first| first.give_back(&memory));
        // The answer is whole: nobody waits for the rest of the upload.
        return Ok(Incoming { response, transfer: None });
    };
    let transfer = Box::pin(async move {
        let downloaded = match select(download, OptionFuture::from(upload)).await {
            Either::Left((downloaded, _)) => downloaded,
            Either::Right((_, download)) => download.await,
        };
        if let Err(BrokenOff(reason)) = downloaded {
            worker::console_error!("vmproxy: an answer of {address} broke off: {reason}");
        }
        drop(socket);
    });
    Ok(Incoming { response, transfer: Some(transfer) })
}

/// How long the VM may take.
#[derive(Clone, Copy)]
struct Limits {
    connect: Duration,
    response: Duration,
}

/// A request's body on its way to the VM.
type Upload = Pin<Box<dyn Future<Output = ()>>>;

/// Sends a request and waits for the head of the answer. Returns what is left of the upload too.
async fn exchange(
    address: SocketAddr,
    head: &[u8],
    framing: BodyFraming,
    body: Option<ReadableStream>,
    limits: Limits,
) -> Result<(Socket, Answer, Option<Upload>), ForwardError> {
    let not_sent = |reason: String| ForwardError::NotSent(format!("cannot connect to {address}: {reason}"));
    let socket = Socket::connect(address.ip(), address.port()).map_err(not_sent)?;
    socket.send(head).map_err(ForwardError::NoAnswer)?;
    let silence = Rc::new(Silence::default());
    let upload: Option<Upload> = match body {
        // Nobody waits for the connection: where there is none, there is no answer either.
        None => {
            silence.begin();
            None
        }
        Some(body) => {
            // A body can be sent once only.
            socket.opened(limits.connect).await.map_err(not_sent)?;
            let writable = socket.writable().await.map_err(ForwardError::NoAnswer)?;
            let silence = Rc::clone(&silence);
            Some(Box::pin(async move { upload(body, framing, writable, &silence).await }))
        }
    };
    match answer(&socket, upload, limits, &silence).await {
        Ok((answer, upload)) => Ok((socket, answer, upload)),
        Err(error @ ForwardError::NoAnswer(_)) => match socket.opened(limits.connect).await {
            Ok(()) => Err(error),
            Err(reason) => Err(not_sent(reason)),
        },
        Err(error) => Err(error),
    }
}

/// Waits for the head of the answer while the request's body is sent. A server may answer before it has read that
/// (RFC 9112, section 9.5), and may stop reading then: so both go on side by side, and a failed upload does not hide
/// the answer.
async fn answer(
    socket: &Socket,
    upload: Option<Upload>,
    limits: Limits,
    silence: &Silence,
) -> Result<(Answer, Option<Upload>), ForwardError> {
    let answer = pin!(async {
        let head = pin!(read_head(&socket.readable));
        let Some(upload) = upload else { return Ok((head.await?, None)) };
        match select(head, upload).await {
            Either::Left((head, upload)) => Ok((head?, Some(upload))),
            Either::Right(((), head)) => Ok((head.await?, None)),
        }
    });
    let late = pin!(too_late(socket, limits, silence));
    let first = select(answer, late).await;
    match first {
        Either::Left((answer, _)) => answer,
        Either::Right((error, _)) => Err(error),
    }
}

/// Ends when the VM has taken too long: to be connected to, to take the request, or to answer. Nobody waits for the
/// connection itself, which costs every request.
async fn too_late(socket: &Socket, limits: Limits, silence: &Silence) -> ForwardError {
    let soon = limits.connect.min(limits.response);
    sleep(soon).await;
    if !socket.is_open().await {
        sleep(limits.connect.saturating_sub(soon)).await;
        if !socket.is_open().await {
            let limit = format_duration(limits.connect);
            return ForwardError::NotSent(format!("no connection within {limit}"));
        }
    }
    silence.lasts(limits.response).await;
    ForwardError::Late(format!("no answer within {}", format_duration(limits.response)))
}

/// The status that a GET of `target` is answered with; the body is left unread.
pub(crate) async fn probe(
    address: SocketAddr,
    target: &str,
    host: &str,
    connect: Duration,
    response: Duration,
) -> Result<u16, ForwardError> {
    let agent = ("user-agent".into(), crate::USER_AGENT.into());
    let head = request_head("GET", target, host, &[agent], BodyFraming::None)
        .map_err(|error| ForwardError::NotSent(error.to_string()))?;
    let limits = Limits { connect, response };
    let (_, answer, _) = exchange(address, &head, BodyFraming::None, None, limits).await?;
    Ok(answer.head.status)
}

/// An answer that is beginning.
struct Answer {
    head: ResponseHead,
    /// What came of the body with the head.
    rest: Uint8Array,
    /// Where more of it comes from.
    reader: Reader,
}

/// Reads up to the head of the final answer.
async fn read_head(from: &ReadableStream) -> Result<Answer, ForwardError> {
    let reader = Reader::new(from).map_err(ForwardError::NoAnswer)?;
    let mut bytes = Vec::new();
    let mut interim = 0;
    loop {
        let piece = match reader.read(&FIRST.with(Memory::take)).await {
            Ok(Some(piece)) => piece,
            Ok(None) if bytes.is_empty() && interim == 0 => {
                let reason = "the VM closed the connection without an answer".to_owned();
                return Err(ForwardError::NoAnswer(reason));
            }
            Err(error) if bytes.is_empty() && interim == 0 => return Err(ForwardError::NoAnswer(error)),
            Ok(None) | Err(_) => {
                let read = interim + bytes.len();
                let reason = format!("the VM closed the connection after {read} bytes of an answer's head");
                return Err(ForwardError::Invalid(reason));
            }
        };
        let new = piece.to_vec();
        let (length, ends_line) = (new.len(), new.contains(&b'\n'));
        bytes.extend(new);
        // Only where a line ends is there more to tell, unless there are no lines at all.
        while ends_line || bytes.len() >= MAX_HEAD {
            let Some(head) = ResponseHead::read(&bytes).map_err(invalid)? else { break };
            let rest = bytes.split_off(head.length);
            if !head.is_interim() || head.status == 101 {
                let at = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
                let rest = piece.subarray(at(length.saturating_sub(rest.len())), at(length));
                return Ok(Answer { head, rest, reader });
            }
            interim += head.length;
            if interim > MAX_HEAD {
                let reason = "the VM sends interim answers without end".to_owned();
                return Err(ForwardError::Invalid(reason));
            }
            bytes = rest;
        }
        FIRST.with(|first| first.give_back(&piece));
    }
}

fn invalid(error: Malformed) -> ForwardError {
    ForwardError::Invalid(error.to_string())
}

fn response(head: ResponseHead, body: Option<&Body>) -> Result<Response, String> {
    let (status, reason) = (head.status, head.reason.clone());
    let headers = for_client(head.into_headers());
    let is_encoded = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
    let encode_body = if is_encoded { EncodeBody::Manual } else { EncodeBody::Automatic };
    let init = Init { status, status_text: &reason, headers: &headers, encode_body };
    let response = init.respond(|init| match body {
        None => Response::new_with_opt_str_and_init(None, init),
        Some(Body::Whole(bytes)) => Response::new_with_opt_buffer_source_and_init(Some(bytes), init),
        Some(Body::Stream(stream, _)) => Response::new_with_opt_readable_stream_and_init(Some(stream), init),
    });
    response.map_err(|error| format!("the VM's answer {status} cannot be handed on: {}", describe(&error)))
}
