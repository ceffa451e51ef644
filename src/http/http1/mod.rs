//! HTTP/1.1 (RFC 9112), as a client that uses a connection for one request. Pure: it turns requests into bytes
//! and bytes into answers, and leaves the bodies where they are.

mod chunked;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod request;
mod response;

pub(crate) use chunked::{chunk_head, ChunkedDecoder, LAST_CHUNK};
pub(crate) use request::{request_head, upgrade_head, BodyFraming, Field};
pub(crate) use response::{Framing, ResponseHead, MAX_HEAD};

use std::fmt;

/// What was wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
