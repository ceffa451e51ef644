//! WebSockets of the runtime: whole messages, and events.

use std::time::Duration;

use js_sys::{ArrayBuffer, JsString, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::{wasm_bindgen, Closure};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Response;

use super::fetch::{EncodeBody, Init};
use super::{describe, sleep};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = WebSocketPair)]
    type Pair;

    #[wasm_bindgen(constructor, js_class = "WebSocketPair", catch)]
    fn new() -> Result<Pair, JsValue>;

    #[wasm_bindgen(method, getter, js_name = "0")]
    fn client(this: &Pair) -> Inner;

    #[wasm_bindgen(method, getter, js_name = "1")]
    fn server(this: &Pair) -> Inner;

    #[wasm_bindgen(extends = web_sys::EventTarget)]
    #[derive(Clone)]
    type Inner;

    #[wasm_bindgen(method, catch)]
    fn accept(this: &Inner, options: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn send(this: &Inner, data: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = send)]
    fn send_text(this: &Inner, data: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = close)]
    fn close_plainly(this: &Inner) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn close(this: &Inner, code: u16, reason: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, getter, js_name = bufferedAmount)]
    fn buffered_amount(this: &Inner) -> f64;

    /// A `MessageEvent`, a `CloseEvent` or an `ErrorEvent`.
    type Event;

    #[wasm_bindgen(method, getter)]
    fn data(this: &Event) -> JsValue;

    #[wasm_bindgen(method, getter)]
    fn code(this: &Event) -> Option<u16>;

    #[wasm_bindgen(method, getter)]
    fn reason(this: &Event) -> Option<String>;

    type TextEncoder;

    #[wasm_bindgen(constructor)]
    fn new() -> TextEncoder;

    #[wasm_bindgen(method)]
    fn encode(this: &TextEncoder, text: &JsString) -> Uint8Array;

    type TextDecoder;

    #[wasm_bindgen(constructor, catch)]
    fn new(label: &str, options: &JsValue) -> Result<TextDecoder, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn decode(this: &TextDecoder, bytes: &Uint8Array) -> Result<JsString, JsValue>;
}

/// An end of a WebSocket.
#[derive(Clone)]
pub(crate) struct WebSocket(Inner);

/// A message from the other end.
pub(crate) enum Message {
    Text(JsString),
    Binary(ArrayBuffer),
}

/// The code and the reason of a close. 1005 means that there is no code, 1006 that the connection
/// was lost.
pub(crate) struct Closed(pub u16, pub String);

impl WebSocket {
    /// Creates a pair of ends: one for the client, one for this Worker.
    ///
    /// # Errors
    /// The text of the exception.
    pub fn pair() -> Result<(Self, Self), String> {
        let pair = Pair::new().map_err(|error| describe(&error))?;
        Ok((Self(pair.client()), Self(pair.server())))
    }

    /// The WebSocket that came with a response 101 of `fetch()`.
    pub fn of(response: &Response) -> Option<Self> {
        let socket = Reflect::get(response, &"webSocket".into()).ok()?;
        socket.is_object().then(|| Self(socket.unchecked_into()))
    }

    /// Returns the response 101 that passes this end to the client.
    ///
    /// # Errors
    /// The text of the exception.
    pub fn respond(&self, headers: &[(String, String)]) -> Result<Response, String> {
        let encode_body = EncodeBody::Automatic;
        let init = Init { status: 101, status_text: "Switching Protocols", headers, encode_body };
        let response = init.respond(|init| {
            Reflect::set(init, &"webSocket".into(), &self.0)?;
            Response::new_with_opt_str_and_init(None, init)
        });
        response.map_err(|error| describe(&error))
    }

    /// Calls back for each message of the other end, and for its close, until the guard is dropped.
    ///
    /// # Errors
    /// The text of the exception.
    pub fn listen(
        &self,
        mut on_message: impl FnMut(Message) + 'static,
        mut on_close: impl FnMut(Closed) + 'static,
    ) -> Result<ListenerGuard, String> {
        let message = Closure::new(move |event: Event| {
            let data = event.data();
            match data.dyn_into::<ArrayBuffer>() {
                Ok(bytes) => on_message(Message::Binary(bytes)),
                Err(text) => on_message(Message::Text(text.unchecked_into())),
            }
        });
        // After an error, which has neither code nor reason, there may be no close event.
        let close = Closure::new(move |event: Event| {
            on_close(Closed(event.code().unwrap_or(1006), event.reason().unwrap_or_default()));
        });
        let guard = ListenerGuard { socket: self.0.clone(), message, close };
        guard.attach().map_err(|error| describe(&error))?;
        Ok(guard)
    }

    /// Sends text.
    ///
    /// # Errors
    /// The text of the exception: the WebSocket is closed.
    pub fn send_text(&self, text: &str) -> Result<(), String> {
        self.0.send_text(text).map_err(|error| describe(&error))
    }

    /// Sends text or bytes.
    ///
    /// # Errors
    /// The text of the exception: the WebSocket is closed.
    pub fn send(&self, data: &JsValue) -> Result<(), String> {
        self.0.send(data).map_err(|error| describe(&error))
    }

    /// Closes with or without a code. Closing twice has no effect.
    pub fn close(&self, code: Option<(u16, &str)>) {
        let _ = match code {
            Some((code, reason)) => self.0.close(code, reason),
            None => self.0.close_plainly(),
        };
    }

    /// Returns the number of bytes that are buffered.
    pub fn buffered(&self) -> usize {
        self.0.buffered_amount() as usize
    }

    /// Waits until at most `limit` bytes are buffered.
    pub async fn drained(&self, limit: usize) {
        // The runtime has no event for this.
        while self.buffered() > limit {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Removes the listeners of a WebSocket when it is dropped.
pub(crate) struct ListenerGuard {
    socket: Inner,
    message: Closure<dyn FnMut(Event)>,
    close: Closure<dyn FnMut(Event)>,
}

impl ListenerGuard {
    fn listeners(&self) -> [(&'static str, &js_sys::Function); 3] {
        let (message, close) = (self.message.as_ref().unchecked_ref(), self.close.as_ref().unchecked_ref());
        [("message", message), ("close", close), ("error", close)]
    }

    fn attach(&self) -> Result<(), JsValue> {
        for (name, listener) in self.listeners() {
            self.socket.add_event_listener_with_callback(name, listener)?;
        }
        // The defaults are blobs (since 2026-03-17), which would have to be read first, and a reply
        // to a close before the other side of a relay has closed (since 2026-04-07). See
        // <https://developers.cloudflare.com/workers/configuration/compatibility-flags/>.
        Reflect::set(&self.socket, &"binaryType".into(), &"arraybuffer".into())?;
        let options = Object::new();
        Reflect::set(&options, &"allowHalfOpen".into(), &true.into())?;
        self.socket.accept(&options)
    }
}

impl Drop for ListenerGuard {
    fn drop(&mut self) {
        for (name, listener) in self.listeners() {
            // The listener was added before.
            let _ = self.socket.remove_event_listener_with_callback(name, listener);
        }
    }
}

/// Encodes a string as UTF-8.
pub(crate) fn encode(text: &JsString) -> Uint8Array {
    TextEncoder::new().encode(text)
}

/// Decodes UTF-8; `None` means that the bytes are not valid.
pub(crate) fn decode(bytes: &Uint8Array) -> Option<JsString> {
    let options = Object::new();
    for name in ["fatal", "ignoreBOM"] {
        Reflect::set(&options, &name.into(), &true.into()).ok()?;
    }
    TextDecoder::new("utf-8", &options).ok()?.decode(bytes).ok()
}
