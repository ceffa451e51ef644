//! The WebSocket protocol (RFC 6455), from a client's side. Pure.

pub(crate) mod close;
pub(crate) mod frames;
pub(crate) mod handshake;
pub(crate) mod violation;
