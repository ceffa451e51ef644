//! Outbound TCP sockets.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use js_sys::{Object, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStream, WritableStream};
use worker::worker_sys;

use super::{describe, within};

/// An open connection, which is closed when it is dropped. It belongs to the request that opened it.
pub(crate) struct Socket {
    inner: worker_sys::Socket,
    /// What the peer sends.
    pub readable: ReadableStream,
    /// What is sent to the peer.
    pub writable: WritableStream,
}

impl Socket {
    /// Connects, within `limit`.
    ///
    /// # Errors
    /// Why there is no connection; nothing has been sent then.
    pub async fn connect(ip: IpAddr, port: u16, limit: Duration) -> Result<Self, String> {
        let address = SocketAddr::new(ip, port).to_string();
        let inner = worker_sys::connect(JsValue::from_str(&address), Object::new().into())
            .map_err(|error| describe(&error))?;
        let opened = inner.opened().map_err(|error| describe(&error))?;
        match within(limit, JsFuture::from(opened)).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(format!("cannot connect to {address}: {}", describe(&error))),
            None => {
                abandon(&inner);
                return Err(format!("cannot connect to {address} within {limit:?}"));
            }
        }
        let readable = inner.readable().map_err(|error| describe(&error))?;
        let writable = inner.writable().map_err(|error| describe(&error))?;
        Ok(Self { inner, readable, writable })
    }

    /// Sends bytes; returns when they are on their way.
    ///
    /// # Errors
    /// The text of the exception: the peer has gone.
    pub async fn send(&self, bytes: &[u8]) -> Result<(), String> {
        let writer = self.writable.get_writer().map_err(|error| describe(&error))?;
        let sent = JsFuture::from(writer.write_with_chunk(&Uint8Array::from(bytes))).await;
        writer.release_lock();
        sent.map(drop).map_err(|error| describe(&error))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        abandon(&self.inner);
    }
}

/// Closes a socket without waiting for it. A socket that has failed already says so once more; that is of no
/// interest, but as an unhandled rejection it would be logged.
fn abandon(socket: &worker_sys::Socket) {
    if let Ok(closing) = socket.close() {
        super::spawn(async move {
            let _ = JsFuture::from(closing).await;
        });
    }
}
