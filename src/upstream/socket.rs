//! Requests over a TCP socket: HTTP/1.1, one connection a request.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::time::Duration;

use futures::future::{select, Either, OptionFuture};
use js_sys::Uint8Array;
use web_sys::{ReadableStream, Response};

use super::body::{open_body, upload, Body, Truncated};
use super::error::{ForwardError, ForwardErrorKind};
use super::message::{UpstreamRequest, UpstreamResponse};
use super::stall_timer::StallTimer;
use super::websocket::over_socket;
use crate::error::Level;
use crate::http::headers::downstream::downstream_headers;
use crate::http::headers::lines::HeaderLines;
use crate::http::headers::upstream::upstream_headers;
use crate::http::http1::{
    request_head, upgrade_head, BodyFraming, Field, ResponseHead, ResponseParts, MAX_HEAD,
};
use crate::http::websocket::handshake::{is_websocket_upgrade, Handshake};
use crate::platform::buffer_pool::BufferPool;
use crate::platform::fetch::{EncodeBody, Init};
use crate::platform::headers::lines;
use crate::platform::log::log;
use crate::platform::socket::Socket;
use crate::platform::stream::Reader;
use crate::platform::{describe, random_bytes, sleep};
use crate::time::format_duration;

thread_local! {
    /// The buffers of the first read: most responses are no longer than 16 KiB, and then come with
    /// their heads.
    static FIRST: BufferPool = const { BufferPool::new(16 * 1024, 64) };
}

/// Sends the request and waits for the head of the response.
pub(super) async fn send(
    ip: IpAddr,
    port: u16,
    forwarded: UpstreamRequest<'_>,
) -> Result<UpstreamResponse, ForwardError> {
    let UpstreamRequest { request, vm, .. } = &forwarded;
    let (method, body) = (request.method(), request.body());
    let headers = HeaderLines::from_lines(lines(&request.headers()));
    let client = forwarded.client(&headers);
    let content_length = headers.get("content-length").and_then(|length| length.parse().ok());
    let framing = match (&body, content_length) {
        (Some(_), None) => BodyFraming::Chunked,
        (_, Some(length)) => BodyFraming::Length(length),
        (None, None) => BodyFraming::None,
    };
    let (target, host) = (&forwarded.target, vm.host_header.as_deref().unwrap_or(client.host));
    let fields = upstream_headers(&headers, &client);
    let (handshake, head) = if is_websocket_upgrade(&method, headers.get("upgrade")) {
        let owned = |(name, value): Field<'_>| (name.into_owned(), value.into_owned());
        let (handshake, fields) = Handshake::new(fields.into_iter().map(owned).collect(), random_bytes());
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        (Some(handshake), upgrade_head(target, host, &fields))
    } else {
        (None, request_head(&method, target, host, &fields, framing))
    };
    let head = head.map_err(ForwardError::internal)?;
    let limits = Limits { connect: vm.connect_timeout, response: vm.response_timeout };
    let address = SocketAddr::new(ip, port);
    let (socket, begun, upload) = exchange(address, &head, framing, body, limits).await?;
    let BegunResponse { head, rest, reader } = begun;
    if head.status == 101 {
        let unsolicited =
            || ForwardError::invalid_response("the VM switched protocols without being asked to");
        let handshake = handshake.ok_or_else(unsolicited)?;
        let writable = socket.writable().await.map_err(ForwardError::no_response)?;
        return over_socket(&handshake, head, rest, reader, socket, &writable);
    }
    let parts = head.into_parts(&method).map_err(ForwardError::invalid_response)?;
    let limit = Some(limits.response).filter(|_| !parts.is_event_stream);
    let buffer = rest.clone();
    let body = open_body(parts.framing, rest, reader, limit).map_err(ForwardError::invalid_response)?;
    let response = response(parts, body.as_ref()).map_err(ForwardError::invalid_response)?;
    let Some(Body::Stream(_, download)) = body else {
        // A response has a copy of its bytes (Fetch standard, "extract a body").
        FIRST.with(|pool| pool.release(&buffer));
        // The response is complete: the rest of the upload is not waited for.
        return Ok(UpstreamResponse { response, body_task: None });
    };
    let body_task = Box::pin(async move {
        let downloaded = match select(download, OptionFuture::from(upload)).await {
            Either::Left((downloaded, _)) => downloaded,
            Either::Right((_, download)) => download.await,
        };
        if let Err(Truncated(reason)) = downloaded {
            log(Level::Warn, &format_args!("a response from {address} is truncated: {reason}"));
        }
        drop(socket);
    });
    Ok(UpstreamResponse { response, body_task: Some(body_task) })
}

/// Sends a GET and returns the status of the response, whose body is left unread.
pub(super) async fn get(
    address: SocketAddr,
    target: &str,
    host: &str,
    connect: Duration,
    response: Duration,
) -> Result<u16, ForwardError> {
    let agent = ("user-agent".into(), crate::USER_AGENT.into());
    let head = request_head("GET", target, host, &[agent], BodyFraming::None);
    let head = head.map_err(ForwardError::internal)?;
    let limits = Limits { connect, response };
    let (_, begun, _) = exchange(address, &head, BodyFraming::None, None, limits).await?;
    Ok(begun.head.status)
}

/// The VM's time limits.
#[derive(Clone, Copy)]
struct Limits {
    /// The time to connect. A VM that is down does not respond to connects.
    connect: Duration,
    /// The time from the end of the request to the head of the response, and the longest stall
    /// within a body.
    response: Duration,
}

/// A request's body on its way to the VM.
type Upload = Pin<Box<dyn Future<Output = ()>>>;

/// Sends a request and waits for the head of the response. Returns the rest of the upload as well.
async fn exchange(
    address: SocketAddr,
    head: &[u8],
    framing: BodyFraming,
    body: Option<ReadableStream>,
    limits: Limits,
) -> Result<(Socket, BegunResponse, Option<Upload>), ForwardError> {
    let unconnected =
        |reason: String| ForwardError::connect(format!("cannot connect to {address}: {reason}"));
    let socket = Socket::connect(address.ip(), address.port()).map_err(unconnected)?;
    socket.send(head).map_err(ForwardError::no_response)?;
    let stall = Rc::new(StallTimer::default());
    let upload: Option<Upload> = match body {
        // The connection is not waited for: without one there is no response either.
        None => {
            stall.start();
            None
        }
        Some(body) => {
            // A body can be sent only once.
            socket.opened(limits.connect).await.map_err(unconnected)?;
            let writable = socket.writable().await.map_err(ForwardError::no_response)?;
            let stall = Rc::clone(&stall);
            Some(Box::pin(async move { upload(body, framing, writable, &stall).await }))
        }
    };
    match begun_response(&socket, upload, limits, &stall).await {
        Ok((begun, upload)) => Ok((socket, begun, upload)),
        Err(error) if error.kind == ForwardErrorKind::NoResponse => {
            match socket.opened(limits.connect).await {
                Ok(()) => Err(error),
                Err(reason) => Err(unconnected(reason)),
            }
        }
        Err(error) => Err(error),
    }
}

/// Waits for the head of the response while the request's body is sent. A server may respond before
/// it has read the body (RFC 9112, section 9.5), and may stop reading then: so both run side by
/// side, and a failed upload does not hide the response.
async fn begun_response(
    socket: &Socket,
    upload: Option<Upload>,
    limits: Limits,
    stall: &StallTimer,
) -> Result<(BegunResponse, Option<Upload>), ForwardError> {
    let begun = pin!(async {
        let head = pin!(read_head(&socket.readable));
        let Some(upload) = upload else { return Ok((head.await?, None)) };
        match select(head, upload).await {
            Either::Left((head, upload)) => Ok((head?, Some(upload))),
            Either::Right(((), head)) => Ok((head.await?, None)),
        }
    });
    let timeout = pin!(timeout(socket, limits, stall));
    let first = select(begun, timeout).await;
    match first {
        Either::Left((begun, _)) => begun,
        Either::Right((error, _)) => Err(error),
    }
}

/// Waits until the VM has taken too long to accept the connection, to read the request, or to
/// respond. The connection is not awaited by itself, because that would cost every request.
async fn timeout(socket: &Socket, limits: Limits, stall: &StallTimer) -> ForwardError {
    let soon = limits.connect.min(limits.response);
    sleep(soon).await;
    if !socket.is_open().await {
        sleep(limits.connect.saturating_sub(soon)).await;
        if !socket.is_open().await {
            let limit = format_duration(limits.connect);
            return ForwardError::connect(format!("no connection within {limit}"));
        }
    }
    stall.expired(limits.response).await;
    ForwardError::timeout(format!("no response within {}", format_duration(limits.response)))
}

/// A response whose head is complete.
struct BegunResponse {
    head: ResponseHead,
    /// The part of the body that came with the head.
    rest: Uint8Array,
    /// The source of the rest of the body.
    reader: Reader,
}

/// Reads up to the end of the final response's head.
async fn read_head(from: &ReadableStream) -> Result<BegunResponse, ForwardError> {
    let reader = Reader::new(from).map_err(ForwardError::no_response)?;
    let mut bytes = Vec::new();
    let mut interim = 0;
    loop {
        let piece = match reader.read(&FIRST.with(BufferPool::acquire)).await {
            Ok(Some(piece)) => piece,
            Ok(None) if bytes.is_empty() && interim == 0 => {
                let reason = "the VM closed the connection without a response".to_owned();
                return Err(ForwardError::no_response(reason));
            }
            Err(error) if bytes.is_empty() && interim == 0 => return Err(ForwardError::no_response(error)),
            Ok(None) | Err(_) => {
                let read = interim + bytes.len();
                let reason = format!("the VM closed the connection after {read} bytes of a response's head");
                return Err(ForwardError::invalid_response(reason));
            }
        };
        let new = piece.to_vec();
        let (length, ends_line) = (new.len(), new.contains(&b'\n'));
        bytes.extend(new);
        // A head ends with a line; bytes without any line are rejected once they are too long.
        while ends_line || bytes.len() >= MAX_HEAD {
            let head = ResponseHead::read(&bytes).map_err(ForwardError::invalid_response)?;
            let Some(head) = head else { break };
            let rest = bytes.split_off(head.length);
            if head.is_final {
                let at = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
                let rest = piece.subarray(at(length.saturating_sub(rest.len())), at(length));
                return Ok(BegunResponse { head, rest, reader });
            }
            interim += head.length;
            if interim > MAX_HEAD {
                return Err(ForwardError::invalid_response("the VM sends interim responses without end"));
            }
            bytes = rest;
        }
        FIRST.with(|pool| pool.release(&piece));
    }
}

fn response(parts: ResponseParts, body: Option<&Body>) -> Result<Response, String> {
    let ResponseParts { status, reason, headers, .. } = parts;
    let headers = downstream_headers(headers);
    let is_encoded = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
    let encode_body = if is_encoded { EncodeBody::Manual } else { EncodeBody::Automatic };
    let init = Init { status, status_text: &reason, headers: &headers, encode_body };
    let response = init.respond(|init| match body {
        None => Response::new_with_opt_str_and_init(None, init),
        Some(Body::Whole(bytes)) => Response::new_with_opt_buffer_source_and_init(Some(bytes), init),
        Some(Body::Stream(stream, _)) => Response::new_with_opt_readable_stream_and_init(Some(stream), init),
    });
    response.map_err(|error| format!("the VM's response {status} cannot be forwarded: {}", describe(&error)))
}
