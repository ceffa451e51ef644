//! The VM's own word that it is ready: it ends the wait, beside the probes.

use super::event::Action;
use super::state::State;
use super::Lifecycle;
use crate::time::Timestamp;
use crate::vm::ReadyToken;

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
