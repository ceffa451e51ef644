//! Forwarding over a TCP socket: HTTP/1.1, one connection a request, bodies piped by the runtime.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
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
use crate::platform::{describe, within};
use crate::time::format_duration;

/// How much is read at first: most answers are no longer than this, and then they are here with their heads.
const FIRST_READ: u32 = 16 * 1024;

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
    let connecting = Socket::connect(ip, port, request.connect_timeout);
    let socket = connecting.await.map_err(ForwardError::NotSent)?;
    socket.send(&head).await.map_err(ForwardError::NoAnswer)?;

    let upload = Box::pin(upload(request.body, framing, socket.writable.clone()));
    let (Answer { head, rest, reader }, upload) = answer(&socket, upload, request.response_timeout).await?;
    if head.status == 101 {
        let unasked = || ForwardError::Invalid("the VM switched protocols without being asked to".to_owned());
        let handshake = request.handshake.ok_or_else(unasked)?;
        return over_socket(&handshake, head, rest, reader, socket);
    }
    let framing = head.framing(&request.method).map_err(invalid)?;
    let readable = socket.readable.clone();
    let (body, download) = open_body(framing, rest, reader, readable).map_err(ForwardError::Invalid)?;
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
            worker::console_error!("vmproxy: an answer of {} broke off: {reason}", SocketAddr::new(ip, port));
        }
        drop(socket);
    });
    Ok(Incoming { response, transfer: Some(transfer) })
}

/// A request's body on its way to the VM.
type Upload = Pin<Box<dyn Future<Output = ()>>>;

/// Waits for the head of the answer while the request's body is sent. A server may answer before it has read that
/// (RFC 9112, section 9.5), and may stop reading then: so both go on side by side, and a failed upload does not hide
/// the answer. Returns what is left of the upload too.
async fn answer(socket: &Socket, upload: Upload, limit: Duration) -> Result<(Answer, Upload), ForwardError> {
    let answer = read_head(&socket.readable);
    pin_mut!(answer);
    match select(answer, upload).await {
        Either::Left((answer, upload)) => Ok((answer?, upload)),
        Either::Right(((), answer)) => Ok((in_time(limit, answer).await?, Box::pin(async {}))),
    }
}

/// The status that a GET of `target` is answered with; the body is left unread.
pub(super) async fn probe(
    ip: IpAddr,
    port: u16,
    target: &str,
    host: &str,
    connect_limit: Duration,
    answer_limit: Duration,
) -> Result<u16, ForwardError> {
    let agent = ("user-agent".to_owned(), crate::USER_AGENT.to_owned());
    let head = request_head("GET", target, host, &[agent], BodyFraming::None)
        .map_err(|error| ForwardError::NotSent(error.to_string()))?;
    let socket = Socket::connect(ip, port, connect_limit).await.map_err(ForwardError::NotSent)?;
    let answered = in_time(answer_limit, async {
        socket.send(&head).await.map_err(ForwardError::NoAnswer)?;
        Ok(read_head(&socket.readable).await?.head.status)
    });
    answered.await
}

async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, ForwardError>>,
) -> Result<T, ForwardError> {
    let late = || ForwardError::Late(format!("no answer within {}", format_duration(limit)));
    within(limit, answer).await.unwrap_or_else(|| Err(late()))
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
