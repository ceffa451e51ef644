//! Forwarding over a TCP socket: HTTP/1.1, one connection a request, bodies piped by the runtime.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use futures::future::{select, Either};
use futures::pin_mut;
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::{Headers, ReadableStream, Response, ResponseInit};

use super::body::{open_body, upload, Body};
use super::http1::{request_head, BodyFraming, Malformed, ResponseHead, MAX_HEAD};
use super::{headers, ForwardError, Incoming};
use crate::platform::socket::{ClosedOnDrop, Socket};
use crate::platform::stream::Reader;
use crate::platform::{describe, within};

/// How long a connection may take. A VM that is down leaves connects unanswered.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A request for a VM.
pub(super) struct Outgoing {
    pub method: String,
    pub target: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
    pub content_length: Option<u64>,
    pub body: Option<ReadableStream>,
}

/// Sends the request and reads the head of the answer.
pub(super) async fn forward(ip: IpAddr, port: u16, request: Outgoing) -> Result<Incoming, ForwardError> {
    let socket = Socket::connect(ip, port, CONNECT_TIMEOUT).await.map_err(ForwardError::NotSent)?;
    let exchanged = exchange(&socket, request).await;
    if exchanged.is_err() {
        socket.close();
    }
    exchanged
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
    let answered = within(answer_limit, async {
        socket.send(&head).await.map_err(ForwardError::NoAnswer)?;
        let (head, _) = read_head(&socket.readable).await?;
        Ok(head.status)
    });
    let late = || ForwardError::NoAnswer(format!("no answer within {answer_limit:?}"));
    let status = answered.await.unwrap_or_else(|| Err(late()));
    socket.close();
    status
}

async fn exchange(socket: &Socket, request: Outgoing) -> Result<Incoming, ForwardError> {
    let framing = match (&request.body, request.content_length) {
        (Some(_), None) => BodyFraming::Chunked,
        (_, Some(length)) => BodyFraming::Length(length),
        (None, None) => BodyFraming::None,
    };
    let Outgoing { method, target, host, headers, .. } = &request;
    let head = request_head(method, target, host, headers, framing).map_err(invalid)?;
    socket.send(&head).await.map_err(ForwardError::NoAnswer)?;

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
    let framing = head.framing(&request.method).map_err(invalid)?;
    let (body, download) = open_body(framing, rest, &socket.readable).map_err(ForwardError::Invalid)?;
    let response = response(head, body.as_ref()).map_err(ForwardError::Invalid)?;
    let socket = ClosedOnDrop(socket.clone());
    let transfer = Box::pin(async move {
        let _socket = socket;
        pin_mut!(download);
        // When the answer is whole, nobody waits for the rest of the upload.
        if let Either::Right(((), download)) = select(download, upload).await {
            download.await;
        }
    });
    Ok(Incoming { response, transfer: Some(transfer) })
}

/// The head of the final answer, and what came of the body with it.
async fn read_head(from: &ReadableStream) -> Result<(ResponseHead, Uint8Array), ForwardError> {
    let reader = Reader::new(from).map_err(ForwardError::NoAnswer)?;
    let mut bytes = Vec::new();
    loop {
        let chunk = match reader.read().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) if bytes.is_empty() => {
                return Err(ForwardError::NoAnswer(
                    "the VM closed the connection without an answer".to_owned(),
                ))
            }
            Err(error) if bytes.is_empty() => return Err(ForwardError::NoAnswer(error)),
            Ok(None) | Err(_) => {
                let read = bytes.len();
                let reason = format!("the VM closed the connection after {read} bytes of an answer's head");
                return Err(ForwardError::Invalid(reason));
            }
        };
        bytes.extend_from_slice(&chunk.subarray(0, chunk.length().min(MAX_HEAD as u32)).to_vec());
        let unread = chunk.subarray(chunk.length().min(MAX_HEAD as u32), chunk.length());
        while let Some(head) = ResponseHead::read(&bytes).map_err(invalid)? {
            let rest = bytes.split_off(head.length);
            if head.is_interim() {
                if head.status == 101 {
                    let reason = "the VM switched protocols without being asked to".to_owned();
                    return Err(ForwardError::Invalid(reason));
                }
                bytes = rest;
                continue;
            }
            reader.release();
            return Ok((head, joined(&rest, &unread)));
        }
    }
}

fn invalid(error: Malformed) -> ForwardError {
    ForwardError::Invalid(error.to_string())
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
