//! Forwarding over a TCP socket: HTTP/1.1, one connection a request, bodies piped by the runtime.

use std::cell::Cell;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::{pin, Pin};
use std::time::Duration;

use futures::future::{select, Either};
use futures::pin_mut;
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::{ReadableStream, Response, ResponseInit};

use super::body::{open_body, upload, Body, BrokenOff};
use super::headers::for_client;
use super::http1::{request_head, upgrade_head, BodyFraming, Malformed, ResponseHead, MAX_HEAD};
use super::websocket::{over_socket, Handshake};
use super::{ForwardError, Incoming};
use crate::platform::headers::collect;
use crate::platform::socket::Socket;
use crate::platform::stream::Reader;
use crate::platform::{describe, now, sleep};
use crate::time::{format_duration, Timestamp};

/// How much is read at first: most answers are no longer than this, and then they are here with their heads.
const FIRST_READ: u32 = 16 * 1024;

/// How soon a connection is looked at again that may take longer than its answer.
const SHORTEST: Duration = Duration::from_millis(100);

/// A request for a VM.
pub(super) struct Outgoing {
    pub method: String,
    pub target: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
    pub content_length: Option<u64>,
    pub body: Option<ReadableStream>,
    /// How long a connection may take. A VM that is down leaves connects unanswered.
    pub connect_timeout: Duration,
    /// How long the VM may take, once it has the whole request, until the head of its answer is here.
    pub response_timeout: Duration,
    /// The request is one for a WebSocket.
    pub handshake: Option<Handshake>,
}

/// Sends the request and reads the head of the answer.
pub(super) async fn forward(ip: IpAddr, port: u16, request: Outgoing) -> Result<Incoming, ForwardError> {
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
    let (body, download) = open_body(framing, rest, reader).map_err(ForwardError::Invalid)?;
    let response = response(head, body.as_ref()).map_err(ForwardError::Invalid)?;
    let Some(Body::Stream(_)) = body else {
        // The answer is whole: nobody waits for the rest of the upload.
        return Ok(Incoming { response, transfer: None });
    };
    let transfer = Box::pin(async move {
        pin_mut!(download);
        let downloaded = match select(download, upload).await {
            Either::Left((downloaded, _)) => downloaded,
            Either::Right(((), download)) => download.await,
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
) -> Result<(Socket, Answer, Upload), ForwardError> {
    let not_sent = |reason: String| ForwardError::NotSent(format!("cannot connect to {address}: {reason}"));
    let socket = Socket::connect(address.ip(), address.port()).map_err(not_sent)?;
    socket.send(head).map_err(ForwardError::NoAnswer)?;
    let upload: Option<Upload> = match body {
        // Nobody waits for the connection: where there is none, there is no answer either.
        None => None,
        Some(body) => {
            // A body can be sent once only.
            socket.opened(limits.connect).await.map_err(not_sent)?;
            let writable = socket.writable().await.map_err(ForwardError::NoAnswer)?;
            Some(Box::pin(upload(body, framing, writable)))
        }
    };
    match answer(&socket, upload, limits).await {
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
) -> Result<(Answer, Upload), ForwardError> {
    let sent_at = Cell::new(upload.is_none().then(now));
    let answer = pin!(async {
        let head = pin!(read_head(&socket.readable));
        let Some(upload) = upload else { return Ok((head.await?, sent())) };
        match select(head, upload).await {
            Either::Left((head, upload)) => Ok((head?, upload)),
            Either::Right(((), head)) => {
                sent_at.set(Some(now()));
                Ok((head.await?, sent()))
            }
        }
    });
    let late = pin!(too_late(socket, limits, &sent_at));
    let first = select(answer, late).await;
    match first {
        Either::Left((answer, _)) => answer,
        Either::Right((error, _)) => Err(error),
    }
}

/// Nothing is left of an upload.
fn sent() -> Upload {
    Box::pin(async {})
}

/// Ends when the VM has taken too long: to be connected to, or, after the request was `sent_at`, to answer. One timer
/// does for both, since each costs every request.
async fn too_late(socket: &Socket, limits: Limits, sent_at: &Cell<Option<Timestamp>>) -> ForwardError {
    let began = now();
    let left = |limit: Duration, since: Timestamp| limit.saturating_sub(now().since(since));
    let to_connect = || left(limits.connect, began);
    let to_answer = || sent_at.get().map_or(limits.response, |at| left(limits.response, at));
    let mut is_open = false;
    loop {
        let next = if is_open { to_answer() } else { to_connect().min(to_answer().max(SHORTEST)) };
        sleep(next).await;
        is_open = is_open || socket.is_open().await;
        if !is_open && to_connect().is_zero() {
            let reason = format!("no connection within {}", format_duration(limits.connect));
            return ForwardError::NotSent(reason);
        }
        if is_open && to_answer().is_zero() {
            return ForwardError::Late(format!("no answer within {}", format_duration(limits.response)));
        }
    }
}

/// The status that a GET of `target` is answered with; the body is left unread.
pub(super) async fn probe(
    address: SocketAddr,
    target: &str,
    host: &str,
    connect: Duration,
    response: Duration,
) -> Result<u16, ForwardError> {
    let agent = ("user-agent".to_owned(), crate::USER_AGENT.to_owned());
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
        let piece = match reader.read(&Uint8Array::new_with_length(FIRST_READ)).await {
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
        let ends_line = new.contains(&b'\n');
        bytes.extend(new);
        // Only where a line ends is there more to tell, unless there are no lines at all.
        while ends_line || bytes.len() >= MAX_HEAD {
            let Some(head) = ResponseHead::read(&bytes).map_err(invalid)? else { break };
            let rest = bytes.split_off(head.length);
            if !head.is_interim() || head.status == 101 {
                let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
                let begin = piece.length().saturating_sub(length);
                return Ok(Answer { head, rest: piece.subarray(begin, piece.length()), reader });
            }
            interim += head.length;
            if interim > MAX_HEAD {
                let reason = "the VM sends interim answers without end".to_owned();
                return Err(ForwardError::Invalid(reason));
            }
            bytes = rest;
        }
    }
}

fn invalid(error: Malformed) -> ForwardError {
    ForwardError::Invalid(error.to_string())
}

fn response(head: ResponseHead, body: Option<&Body>) -> Result<Response, String> {
    let (status, reason) = (head.status, head.reason.clone());
    let build = || -> Result<Response, JsValue> {
        let fields = collect(&for_client(head.into_headers()))?;
        let init = ResponseInit::new();
        init.set_status(status);
        init.set_status_text(&reason);
        init.set_headers(&fields);
        if fields.has("content-encoding")? {
            // The body is what the VM encoded; without this the runtime would encode it once more.
            js_sys::Reflect::set(&init, &"encodeBody".into(), &"manual".into())?;
        }
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
