//! The token by which a VM says that it is ready, and how the VM is told of it.
//!
//! A machine without I/O has no random numbers, and its `identity` is no secret: the request ids that Compute Engine
//! logs tell it. So a seed is handed in whenever the machine is loaded, and a token is the seed and a number that
//! never comes again, under SHA-256: whoever has seen one token knows nothing of the others. The seed is not stored.
//! The present token is: a call that is made again has to say the same.

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

/// By which a VM may say that it is ready: 256 bits, new at each boot.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReadyToken(String);

impl ReadyToken {
    /// The token of this number.
    pub(crate) fn derive(seed: &Seed, number: u64) -> Self {
        let digest = Sha256::new().chain_update(seed).chain_update(number.to_be_bytes()).finalize();
        Self(Base64UrlUnpadded::encode_string(&digest))
    }

    /// As it stands in the instance's metadata.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ReadyToken {
    /// What somebody has sent.
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl PartialEq for ReadyToken {
    /// Without telling by its time how much of a guess was right.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for ReadyToken {
    /// Nothing that could be logged by mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadyToken")
    }
}

/// Whether a metadata item is the proxy's own: new at each boot, and so never a difference from the configuration.
pub(crate) fn is_ready_item(key: &str) -> bool {
    [URL, TOKEN].contains(&key)
}

impl Vm {
    /// Puts the token of the present boot into the instance's metadata.
    pub(crate) fn announce(&mut self, token: Option<&ReadyToken>) {
        let (Some(base), Some(token)) = (&self.ready_push, token) else { return };
        let url = [base, "/_vmproxy/vms/", &self.instance.name, "/ready"].concat();
        self.instance.metadata.extend([(URL.to_owned(), url), (TOKEN.to_owned(), token.as_str().to_owned())]);
    }
}
