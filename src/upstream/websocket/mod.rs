//! WebSockets, relayed message by message. The runtime could hand one that came by `fetch()` on as a whole, but
//! would not tell when it ends; then nobody knew how long the VM is in use.

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
use super::incoming::Incoming;
use crate::http::headers::{for_client, HeaderLines};
use crate::http::http1::ResponseHead;
use crate::http::websocket::close::{self, Close, BAD_GATEWAY, OVERLOADED};
use crate::http::websocket::handshake::{self, Handshake};
use crate::platform::headers::lines;
use crate::platform::socket::Socket;
use crate::platform::stream::{Reader, Writer};
use crate::platform::websocket::{Closed, Ear, Message, WebSocket};
use crate::platform::{sleep, within};
use inbox::receive;
use outbox::{Outbox, Overloaded};

/// How much may wait for either side where the other cannot be held back.
const MAX_UNHELD: usize = 32 * 1024 * 1024;

/// How long the second side has to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The WebSocket that the VM has agreed to with `head`; `rest` came after it.
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
) -> Result<Incoming, ForwardError> {
    handshake.check(&head.headers).map_err(|error| ForwardError::Invalid(error.to_string()))?;
    let open = || {
        let (theirs, client) = WebSocket::pair()?;
        let response = theirs.answer(&handshake::without_own(for_client(head.into_headers())))?;
        let outbox = Rc::new(Outbox::default());
        let ear = listen(&client, &outbox)?;
        let writer = Writer::new(writable)?;
        let transfer = Box::pin(async move {
            let (_ear, _socket) = (ear, socket);
            relay_socket(&rest, &reader, &writer, &client, &outbox).await;
        });
        Ok(Incoming { response, transfer: Some(transfer) })
    };
    open().map_err(ForwardError::Invalid)
}

/// The WebSocket that came with the answer to a `fetch()`.
///
/// # Errors
/// The text of an exception.
pub(super) fn over_fetch(vm: WebSocket, answer: &Response) -> Result<Incoming, String> {
    let (theirs, client) = WebSocket::pair()?;
    let response = theirs.answer(&handshake::without_own(for_client(all(answer))))?;
    let (vm_ear, vm_closed) = pass_on(&vm, &client)?;
    let (client_ear, client_closed) = pass_on(&client, &vm)?;
    let transfer = Box::pin(async move {
        let _ears = (vm_ear, client_ear);
        let lost = |_| Close::Lost;
        match select(vm_closed, client_closed).await {
            Either::Left((closed, client_closed)) => {
                let closed = closed.unwrap_or_else(lost);
                close_client(&client, closed);
                let answer = within(CLOSE_TIMEOUT, client_closed).await;
                close(&vm, answer.and_then(Result::ok).unwrap_or(Close::Lost), close::GOING_AWAY);
            }
            Either::Right((closed, vm_closed)) => {
                close(&vm, closed.unwrap_or_else(lost), close::GOING_AWAY);
                let answer = within(CLOSE_TIMEOUT, vm_closed).await;
                close_client(&client, answer.and_then(Result::ok).unwrap_or(Close::Lost));
            }
        }
    });
    Ok(Incoming { response, transfer: Some(transfer) })
}

fn all(answer: &Response) -> Vec<(String, String)> {
    let headers = HeaderLines::from_lines(lines(&answer.headers()));
    headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn listen(client: &WebSocket, outbox: &Rc<Outbox>) -> Result<Ear, String> {
    let (messages, closes) = (Rc::clone(outbox), Rc::clone(outbox));
    let overloaded = client.clone();
    client.listen(
        move |message| {
            if let Err(Overloaded) = messages.message(message) {
                overloaded.close(Some((OVERLOADED, "the VM takes less than is sent")));
            }
        },
        move |Closed(code, reason)| closes.close(&Close::from_event(code, reason)),
    )
}

/// Relays until both sides have closed, or one has and the other does not answer.
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
                worker::console_log!("vmproxy: a VM's WebSocket: {}", violation.reason);
                close_client(client, Close::Lost);
                outbox.close(&Close::Coded(violation.code, violation.reason));
            }
        }
    });
    // What one side says last goes to the other, whose answer goes back.
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
    // One that has not been closed yet has been waited for in vain.
    close_client(client, Close::Lost);
}

/// Sends what `from` says to `to`, and tells how `from` closes.
fn pass_on(from: &WebSocket, to: &WebSocket) -> Result<(Ear, oneshot::Receiver<Close>), String> {
    let (tell, closed) = oneshot::channel();
    let mut tell = Some(tell);
    let (from_, to) = (from.clone(), to.clone());
    let ear = from.listen(
        move |message| {
            if to.buffered() > MAX_UNHELD {
                for side in [&from_, &to] {
                    side.close(Some((OVERLOADED, "one side takes less than the other sends")));
                }
                return;
            }
            // One that has closed takes no more; `from` is told by the close.
            let _ = match message {
                Message::Text(text) => to.send(&text),
                Message::Binary(bytes) => to.send(&bytes),
            };
        },
        move |Closed(code, reason)| {
            if let Some(tell) = tell.take() {
                let _ = tell.send(Close::from_event(code, reason));
            }
        },
    )?;
    Ok((ear, closed))
}

fn close_client(client: &WebSocket, said: Close) {
    close(client, said, BAD_GATEWAY);
}

/// Closes with what the other side said, or with `code` if it said nothing and is gone.
fn close(socket: &WebSocket, said: Close, code: u16) {
    match said.or(code) {
        Close::Coded(code, reason) => socket.close(Some((code, &reason))),
        Close::Plain | Close::Lost => socket.close(None),
    }
}
