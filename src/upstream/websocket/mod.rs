//! WebSockets, relayed message by message. The runtime could pass one from `fetch()` on as a whole,
//! but would not report its end, and the VM would be considered idle.

mod inbox;
mod outbox;

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{select, Either};
use js_sys::Uint8Array;
use web_sys::{Response, WritableStream};

use super::error::ForwardError;
use super::message::UpstreamResponse;
use crate::error::Level;
use crate::http::headers::downstream::downstream_headers;
use crate::http::headers::lines::HeaderLines;
use crate::http::http1::ResponseHead;
use crate::http::websocket::close::{self, Close, BAD_GATEWAY, OVERLOADED};
use crate::http::websocket::handshake::{strip_handshake_headers, Handshake};
use crate::platform::headers::lines;
use crate::platform::log::log;
use crate::platform::socket::Socket;
use crate::platform::stream::{Reader, Writer};
use crate::platform::websocket::{Closed, ListenerGuard, Message, WebSocket};
use crate::platform::{sleep, within};
use inbox::receive;
use outbox::{Outbox, Overloaded};

/// The most bytes to buffer for either side where the other cannot be slowed down.
const MAX_BUFFERED: usize = 32 * 1024 * 1024;

/// The time for the second side to reply to a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Relays the WebSocket that the VM has accepted with `head`; `rest` came after it.
///
/// # Errors
/// The VM's handshake is not valid.
pub(super) fn over_socket(
    handshake: &Handshake,
    head: ResponseHead,
    rest: Uint8Array,
    reader: Reader,
    socket: Socket,
    writable: &WritableStream,
) -> Result<UpstreamResponse, ForwardError> {
    handshake.check(&head.headers).map_err(ForwardError::invalid_response)?;
    let open = || {
        let (theirs, client) = WebSocket::pair()?;
        let response = theirs.respond(&strip_handshake_headers(downstream_headers(head.into_headers())))?;
        let outbox = Rc::new(Outbox::default());
        let guard = listen(&client, &outbox)?;
        let writer = Writer::new(writable)?;
        let body_task = Box::pin(async move {
            let (_guard, _socket) = (guard, socket);
            relay_socket(&rest, &reader, &writer, &client, &outbox).await;
        });
        Ok(UpstreamResponse { response, body_task: Some(body_task) })
    };
    let opened: Result<_, String> = open();
    opened.map_err(ForwardError::invalid_response)
}

/// Relays the WebSocket that came with the response to a `fetch()`.
///
/// # Errors
/// The text of an exception.
pub(super) fn over_fetch(vm: WebSocket, response: &Response) -> Result<UpstreamResponse, String> {
    let (theirs, client) = WebSocket::pair()?;
    let response = theirs.respond(&strip_handshake_headers(downstream_headers(all(response))))?;
    let (vm_guard, vm_closed) = relay_messages(&vm, &client)?;
    let (client_guard, client_closed) = relay_messages(&client, &vm)?;
    let body_task = Box::pin(async move {
        let _guards = (vm_guard, client_guard);
        let lost = |_| Close::Lost;
        match select(vm_closed, client_closed).await {
            Either::Left((closed, client_closed)) => {
                let closed = closed.unwrap_or_else(lost);
                close_client(&client, closed);
                let reply = within(CLOSE_TIMEOUT, client_closed).await;
                close(&vm, reply.and_then(Result::ok).unwrap_or(Close::Lost), close::GOING_AWAY);
            }
            Either::Right((closed, vm_closed)) => {
                close(&vm, closed.unwrap_or_else(lost), close::GOING_AWAY);
                let reply = within(CLOSE_TIMEOUT, vm_closed).await;
                close_client(&client, reply.and_then(Result::ok).unwrap_or(Close::Lost));
            }
        }
    });
    Ok(UpstreamResponse { response, body_task: Some(body_task) })
}

fn all(response: &Response) -> Vec<(String, String)> {
    let headers = HeaderLines::from_lines(lines(&response.headers()));
    headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn listen(client: &WebSocket, outbox: &Rc<Outbox>) -> Result<ListenerGuard, String> {
    let (messages, closes) = (Rc::clone(outbox), Rc::clone(outbox));
    let overloaded = client.clone();
    client.listen(
        move |message| {
            if let Err(Overloaded) = messages.message(message) {
                overloaded.close(Some((OVERLOADED, "the VM reads less than is sent")));
            }
        },
        move |Closed(code, reason)| closes.close(&Close::from_event(code, reason)),
    )
}

/// Relays until both sides have closed, or one side has closed and the other does not reply.
async fn relay_socket(
    rest: &Uint8Array,
    reader: &Reader,
    writer: &Writer,
    client: &WebSocket,
    outbox: &Outbox,
) {
    let outgoing = pin!(outbox.send(writer));
    let incoming = pin!(async {
        match receive(rest, reader, client, outbox).await {
            Ok(closed) => close_client(client, closed),
            Err(violation) => {
                log(Level::Warn, &format_args!("a VM violates the WebSocket protocol: {}", violation.reason));
                close_client(client, Close::Lost);
                outbox.close(&Close::Coded(violation.code, violation.reason));
            }
        }
    });
    // The close of one side is passed to the other, and its reply passed back.
    let closing = pin!(async {
        match select(outgoing, incoming).await {
            Either::Left((_, incoming)) => incoming.await,
            Either::Right(((), outgoing)) => {
                let _ = within(CLOSE_TIMEOUT, outgoing).await;
            }
        }
    });
    let late = pin!(async {
        outbox.closed().await;
        sleep(CLOSE_TIMEOUT).await;
    });
    select(closing, late).await;
    // A client that is still open has not received a close.
    close_client(client, Close::Lost);
}

/// Sends the messages of `from` to `to`, and reports the close of `from`.
fn relay_messages(
    from: &WebSocket,
    to: &WebSocket,
) -> Result<(ListenerGuard, oneshot::Receiver<Close>), String> {
    let (sender, closed) = oneshot::channel();
    let mut sender = Some(sender);
    let (from_, to) = (from.clone(), to.clone());
    let guard = from.listen(
        move |message| {
            if to.buffered() > MAX_BUFFERED {
                for side in [&from_, &to] {
                    side.close(Some((OVERLOADED, "one side reads less than the other sends")));
                }
                return;
            }
            // A closed side takes no messages; `from` gets its close.
            let _ = match message {
                Message::Text(text) => to.send(&text),
                Message::Binary(bytes) => to.send(&bytes),
            };
        },
        move |Closed(code, reason)| {
            if let Some(sender) = sender.take() {
                let _ = sender.send(Close::from_event(code, reason));
            }
        },
    )?;
    Ok((guard, closed))
}

fn close_client(client: &WebSocket, received: Close) {
    close(client, received, BAD_GATEWAY);
}

/// Closes with the close of the other side, or with `code` if its connection was lost.
fn close(socket: &WebSocket, received: Close, code: u16) {
    match received.or(code) {
        Close::Coded(code, reason) => socket.close(Some((code, &reason))),
        Close::Plain | Close::Lost => socket.close(None),
    }
}
