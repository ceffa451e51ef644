//! One request to a VM: over a TCP socket, or by `fetch()`.

mod body;
pub(crate) mod error;
pub(crate) mod fetch;
pub(crate) mod incoming;
pub(crate) mod probe;
mod read_buffer;
pub(crate) mod socket;
mod stall_timer;
mod websocket;
