//! The token with which a VM reports that it is ready, and the metadata items that hand it to the
//! VM.
//!
//! The lifecycle does no I/O, so it has no random numbers, and its `identity` is not secret: it can
//! be derived from the request ids, which Compute Engine logs. Therefore the lifecycle receives a
//! random seed whenever it is loaded, and a token is the SHA-256 digest of the seed and a number
//! that is used once: one token reveals nothing about the others. The seed is not stored. The
//! present token is stored, because a call that is repeated must contain the same token.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Vm;

const URL: &str = "vmproxy-ready-url";
const TOKEN: &str = "vmproxy-ready-token";

/// Random bytes from a cryptographic source.
pub type Seed = [u8; 32];

/// The token with which a VM reports that it is ready: 256 bits, new at each boot.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReadyToken(String);

impl ReadyToken {
    /// Derives the token with this number.
    pub(crate) fn derive(seed: &Seed, number: u64) -> Self {
        let digest = Sha256::new().chain_update(seed).chain_update(number.to_be_bytes()).finalize();
        Self(Base64UrlUnpadded::encode_string(&digest))
    }

    /// Returns the token as it is written to the instance's metadata.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ReadyToken {
    /// Takes a token from a request, which may be wrong.
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl PartialEq for ReadyToken {
    /// Compares in constant time: the duration does not reveal how much of a guess was right.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for ReadyToken {
    /// Leaves out the token, so that it cannot be logged by mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadyToken")
    }
}

/// Returns whether a metadata item is one of the ready push. These items are new at each boot, so
/// they are never a drift from the configuration.
pub(crate) fn is_ready_item(key: &str) -> bool {
    [URL, TOKEN].contains(&key)
}

impl Vm {
    /// Adds the token of the present boot, and the URL to send it to, to the instance's metadata.
    pub(crate) fn announce(&mut self, token: Option<&ReadyToken>) {
        let (Some(base), Some(token)) = (&self.ready_push, token) else { return };
        let url = [base, "/_vmproxy/vms/", &self.instance.name, "/ready"].concat();
        self.instance.metadata.extend([(URL.to_owned(), url), (TOKEN.to_owned(), token.as_str().to_owned())]);
    }
}
