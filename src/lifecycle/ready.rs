//! The VM's own word that it is ready: it ends the wait, beside the probes.
//!
//! A machine without I/O has no random numbers, and its `identity` is no secret: the request ids that Compute Engine
//! logs tell it. So the shell hands in a seed whenever it loads the machine, and a token is the seed and a number that
//! never comes again, under SHA-256: whoever has seen one token knows nothing of the others. The seed is not stored.
//! The present token is: a call that is made again has to say the same.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::event::Action;
use super::state::State;
use super::Lifecycle;
use crate::time::Timestamp;

/// Random bytes from a cryptographic source.
pub type Seed = [u8; 32];

/// By which a VM may say that it is ready: 256 bits, new at each boot.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReadyToken(String);

impl ReadyToken {
    fn derive(seed: &Seed, number: u64) -> Self {
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

impl Lifecycle {
    /// The token of the present boot, if the VM has been given one.
    pub fn ready_token(&self) -> Option<&ReadyToken> {
        self.ready_token.as_ref()
    }

    /// The VM is about to boot: the token of an earlier boot is not good any more. Whether there is a new one.
    pub(super) fn renew_ready_token(&mut self) -> bool {
        self.ready_token = None;
        if let (true, Some(seed)) = (self.policy.ready_push, &self.seed) {
            self.request_ids += 1;
            self.ready_token = Some(ReadyToken::derive(seed, self.request_ids));
        }
        self.ready_token.is_some()
    }

    /// Somebody says that the VM is ready.
    pub(super) fn said_ready(&mut self, token: &ReadyToken, now: Timestamp, actions: &mut Vec<Action>) {
        let State::Starting(start) = &mut self.state else { return };
        if self.ready_token.as_ref() != Some(token) {
            return;
        }
        if let Some(endpoint) = start.endpoint() {
            self.serves(endpoint, now, actions);
        } else if start.is_said_ready(now) {
            // What is under way may have been asked before there was an address.
            self.peeking = None;
        }
    }
}
