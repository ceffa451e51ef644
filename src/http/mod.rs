//! HTTP, as bytes and fields: URLs, headers, HTTP/1.1 messages and the WebSocket protocol. Pure.

pub(crate) mod headers;
pub(crate) mod http1;
pub(crate) mod url;
pub(crate) mod websocket;
