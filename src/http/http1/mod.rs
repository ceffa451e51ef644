//! HTTP/1.1 (RFC 9112) for a client that uses a connection for one request: serializes requests,
//! parses responses, and leaves bodies where they are.

mod chunked;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod request;
mod response;

pub(crate) use chunked::{chunk_head, ChunkedDecoder, LAST_CHUNK};
pub(crate) use request::{request_head, upgrade_head, BodyFraming, Field};
pub(crate) use response::{Framing, ResponseHead, ResponseParts, MAX_HEAD};

use std::fmt;

/// The reason why a message is malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Malformed> for String {
    fn from(Malformed(reason): Malformed) -> Self {
        reason
    }
}
