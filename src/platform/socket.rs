//! Outbound TCP sockets.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::{ReadableStream, WritableStream, WritableStreamDefaultWriter};
use worker::worker_sys;

use super::promise::ignore;
use super::{describe, settled, within};

/// A connection, which may still be opening. It is closed when it is dropped, and belongs to the request that opened it.
pub(crate) struct Socket {
    inner: worker_sys::Socket,
    /// What the peer sends.
    pub readable: ReadableStream,
    writable: WritableStream,
    /// What has been sent and may not have left yet.
    sending: RefCell<Option<(WritableStreamDefaultWriter, Promise)>>,
}

impl Socket {
    /// Begins to connect.
    ///
    /// # Errors
    /// The text of the exception: the runtime connects to no such address.
    pub fn connect(ip: IpAddr, port: u16) -> Result<Self, String> {
        let open = || {
            let inner = worker_sys::connect(text(SocketAddr::new(ip, port)), JsValue::UNDEFINED)?;
            let (readable, writable) = (inner.readable()?, inner.writable()?);
            Ok(Self { inner, readable, writable, sending: RefCell::default() })
        };
        open().map_err(|error| describe(&error))
    }

    /// Waits until the connection is open.
    ///
    /// # Errors
    /// Why there is none; nothing has left then.
    pub async fn opened(&self, limit: Duration) -> Result<(), String> {
        let opened = self.inner.opened().map_err(|error| describe(&error))?;
        match within(limit, settled(opened)).await {
            Some(opened) => opened.map(drop).map_err(|error| describe(&error)),
            None => Err(format!("no connection within {limit:?}")),
        }
    }

    /// Whether the connection has been opened so far.
    pub async fn is_open(&self) -> bool {
        let Ok(opened) = self.inner.opened() else { return false };
        let so_far = Promise::race(&Array::of2(&opened, &JsValue::UNDEFINED));
        settled(so_far).await.is_ok_and(|opened| !opened.is_undefined())
    }

    /// Sends the first bytes, as soon as the connection is open. If they do not arrive, no answer does.
    ///
    /// # Errors
    /// The text of the exception.
    pub fn send(&self, bytes: &[u8]) -> Result<(), String> {
        let writer = self.writable.get_writer().map_err(|error| describe(&error))?;
        let sent = writer.write_with_chunk(&Uint8Array::from(bytes));
        ignore(&sent);
        self.sending.replace(Some((writer, sent)));
        Ok(())
    }

    /// What else is sent to the peer, when the first bytes have left.
    ///
    /// # Errors
    /// The text of the exception: the peer has gone.
    pub async fn writable(&self) -> Result<WritableStream, String> {
        if let Some((writer, sent)) = self.sending.take() {
            settled(sent).await.map_err(|error| describe(&error))?;
            writer.release_lock();
        }
        Ok(self.writable.clone())
    }
}

thread_local! {
    static LAST: RefCell<Option<(SocketAddr, JsValue)>> = const { RefCell::new(None) };
}

/// An address as a string of the runtime's. If it is the same as the last time, as it mostly is, it is not made again.
fn text(address: SocketAddr) -> JsValue {
    LAST.with_borrow_mut(|last| match last {
        Some((known, text)) if *known == address => text.clone(),
        _ => last.insert((address, JsValue::from_str(&address.to_string()))).1.clone(),
    })
}

impl Drop for Socket {
    /// Closes the connection without waiting for it. One that has failed already says so once more.
    fn drop(&mut self) {
        if let Ok(closing) = self.inner.close() {
            ignore(&closing);
        }
    }
}
