//! Outbound TCP sockets.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::{ReadableStream, WritableStream, WritableStreamDefaultWriter};
use worker::worker_sys;

use super::promise::ignore;
use super::{await_promise, describe, within};

/// A connection, possibly still opening. It is closed when it is dropped, and belongs to the
/// request that opened it.
pub(crate) struct Socket {
    inner: worker_sys::Socket,
    /// The bytes that the peer sends.
    pub readable: ReadableStream,
    writable: WritableStream,
    /// The first write, which may still be under way.
    sending: RefCell<Option<(WritableStreamDefaultWriter, Promise)>>,
}

impl Socket {
    /// Starts to connect.
    ///
    /// # Errors
    /// The text of the exception: the runtime does not connect to this address.
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
    /// Why there is no connection; nothing has been sent then.
    pub async fn opened(&self, limit: Duration) -> Result<(), String> {
        let opened = self.inner.opened().map_err(|error| describe(&error))?;
        match within(limit, await_promise(opened)).await {
            Some(opened) => opened.map(drop).map_err(|error| describe(&error)),
            None => Err(format!("no connection within {limit:?}")),
        }
    }

    /// Returns whether the connection has been opened so far.
    pub async fn is_open(&self) -> bool {
        let Ok(opened) = self.inner.opened() else { return false };
        let so_far = Promise::race(&Array::of2(&opened, &JsValue::UNDEFINED));
        await_promise(so_far).await.is_ok_and(|opened| !opened.is_undefined())
    }

    /// Queues the first bytes, which are sent once the connection is open. If they do not arrive,
    /// no response does.
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

    /// Waits until the first bytes have been sent. Returns the stream for everything after them.
    ///
    /// # Errors
    /// The text of the exception: the connection is lost.
    pub async fn writable(&self) -> Result<WritableStream, String> {
        if let Some((writer, sent)) = self.sending.take() {
            await_promise(sent).await.map_err(|error| describe(&error))?;
            writer.release_lock();
        }
        Ok(self.writable.clone())
    }
}

thread_local! {
    static LAST: RefCell<Option<(SocketAddr, JsValue)>> = const { RefCell::new(None) };
}

/// Returns the JavaScript string for an address. The last one is kept, because it mostly is the
/// same.
fn text(address: SocketAddr) -> JsValue {
    LAST.with_borrow_mut(|last| match last {
        Some((known, text)) if *known == address => text.clone(),
        _ => last.insert((address, JsValue::from_str(&address.to_string()))).1.clone(),
    })
}

impl Drop for Socket {
    /// Closes the connection without waiting. Closing one that has failed reports its failure
    /// again.
    fn drop(&mut self) {
        if let Ok(closing) = self.inner.close() {
            ignore(&closing);
        }
    }
}
