//! Messages from a VM to a client, over a socket.

use std::ops::RangeInclusive;

use js_sys::Uint8Array;

use super::outbox::Outbox;
use crate::http::websocket::close::Close;
use crate::http::websocket::frames::{Decoder, Kind, Received};
use crate::http::websocket::violation::Violation;
use crate::platform::stream::Reader;
use crate::platform::websocket::{decode, WebSocket};

/// The most bytes to buffer for a client before its VM is not read any further.
const MAX_BUFFERED: usize = 1024 * 1024;

/// The part size of a message that is collected outside of WebAssembly, whose memory never shrinks.
const PART: usize = 64 * 1024;

/// The buffer sizes of a read: the large one only while the VM fills it.
const READ_SIZES: RangeInclusive<u32> = 4 * 1024..=64 * 1024;

/// Relays the VM's messages to the client until the VM closes. Returns its close.
///
/// # Errors
/// The VM violates the protocol.
pub(super) async fn receive(
    first: &Uint8Array,
    reader: &Reader,
    client: &WebSocket,
    outbox: &Outbox,
) -> Result<Close, Violation> {
    let mut decoder = Decoder::new();
    let mut message = PartialMessage::default();
    let mut chunk = first.to_vec();
    let mut size = *READ_SIZES.start();
    loop {
        let mut bytes = chunk.as_slice();
        while let Some(received) = decoder.next(&mut bytes)? {
            match received {
                Received::Piece { kind, payload, is_last } => {
                    message.piece(kind, payload, is_last, client)?
                }
                Received::Ping(payload) => outbox.pong(&payload),
                Received::Close(close) => return Ok(close),
            }
        }
        // Not reading slows the VM down.
        client.drained(MAX_BUFFERED).await;
        chunk = match reader.read(&Uint8Array::new_with_length(size)).await {
            Ok(Some(chunk)) => chunk.to_vec(),
            Ok(None) | Err(_) => return Ok(Close::Lost),
        };
        size = if chunk.len() == size as usize { *READ_SIZES.end() } else { *READ_SIZES.start() };
    }
}

/// An incomplete message.
#[derive(Default)]
struct PartialMessage {
    parts: Vec<Uint8Array>,
    last: Vec<u8>,
}

impl PartialMessage {
    fn piece(
        &mut self,
        kind: Kind,
        payload: &[u8],
        is_last: bool,
        client: &WebSocket,
    ) -> Result<(), Violation> {
        let is_whole = is_last && self.parts.is_empty() && self.last.is_empty();
        if is_whole {
            return deliver(kind, payload, client);
        }
        self.last.extend_from_slice(payload);
        if is_last && self.parts.is_empty() {
            return deliver(kind, &std::mem::take(&mut self.last), client);
        }
        if is_last || self.last.len() >= PART {
            self.parts.push(Uint8Array::from(self.last.as_slice()));
            self.last.clear();
        }
        if is_last {
            return deliver_joined(kind, &std::mem::take(&mut self.parts), client);
        }
        Ok(())
    }
}

// A closed client takes no messages; the VM gets its close.

fn deliver(kind: Kind, payload: &[u8], client: &WebSocket) -> Result<(), Violation> {
    let _ = match kind {
        Kind::Text => client.send_text(std::str::from_utf8(payload).map_err(|_| Violation::not_utf8())?),
        Kind::Binary => client.send(&Uint8Array::from(payload)),
    };
    Ok(())
}

fn deliver_joined(kind: Kind, parts: &[Uint8Array], client: &WebSocket) -> Result<(), Violation> {
    let whole = Uint8Array::new_with_length(parts.iter().map(Uint8Array::length).sum());
    let mut at = 0;
    for part in parts {
        whole.set(part, at);
        at += part.length();
    }
    let _ = match kind {
        Kind::Text => client.send(decode(&whole).ok_or_else(Violation::not_utf8)?.as_ref()),
        Kind::Binary => client.send(&whole),
    };
    Ok(())
}
