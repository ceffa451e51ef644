//! The ready push: valid, too early, late, repeated, from an earlier boot, and from strangers.

use std::net::IpAddr;
use std::time::Duration;

use vmproxy::lifecycle::{Lifecycle, ReadyToken};
use vmproxy::VmState;

use super::compute::{Actor, Instance, Zone};
use super::event_queue::WorldEvent;
use super::host::Sent;
use super::invariants::MINUTE;
use super::scenario::Fault;
use super::world::World;

/// A token, as its index among all tokens so far.
pub type Token = usize;

/// The tokens of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The token in its metadata.
    pub in_metadata: Option<Token>,
    /// The token that the machine read there when it booted.
    pub read: Option<Token>,
    /// `true` if the machine was resumed, and has not booted since.
    pub is_resumed: bool,
}

impl World {
    /// Returns the number of a token that the lifecycle has issued or a stranger has guessed.
    pub fn number_of(&mut self, token: &ReadyToken) -> Token {
        let known = self.observed.tokens.iter().position(|one| one == token);
        known.unwrap_or_else(|| {
            self.observed.tokens.push(token.clone());
            self.observed.tokens.len() - 1
        })
    }

    /// Returns the token that calls are made with.
    pub fn present_token(&mut self) -> Option<Token> {
        let token = self.object.lifecycle().and_then(Lifecycle::ready_token).cloned()?;
        let number = self.number_of(&token);
        self.observed.newest = self.observed.newest.max(Some(number));
        Some(number)
    }

    /// Observes a boot. A machine that the lifecycle has resumed has no valid token. A resume by
    /// others is invisible to the lifecycle: such a machine keeps its token at another address.
    pub fn observe_boot(&mut self, zone: Zone) {
        let Some(Instance { word, address, up_by, .. }) = self.compute.instances.get(&zone) else { return };
        if let (Some(token), Some(address), true) =
            (word.read, *address, !word.is_resumed || *up_by != Actor::Engine)
        {
            self.observed.read_at.insert(address, token);
        }
    }

    /// Returns whether the machine that is, or was, at this address has sent a ready push.
    pub fn has_said_so(&self, address: IpAddr) -> bool {
        self.observed.read_at.get(&address).is_some_and(|token| self.observed.said.contains(token))
    }

    /// Sends a ready push of the server in this zone, which is up or assumes so.
    pub fn says_ready(&mut self, zone: Zone) {
        let Some(Instance { word, up_by, .. }) = self.compute.instances.get(&zone) else { return };
        let Some(token) = word.read else { return };
        // A suspended machine has sent its push before; some send it again.
        if word.is_resumed && !self.random.chance(300) {
            return;
        }
        if !word.is_resumed || *up_by != Actor::Engine {
            self.observed.said.insert(token);
        }
        let longest = if self.strikes(Fault::LateWord) { 4 * MINUTE } else { Duration::from_millis(200) };
        let takes = self.random.between(Duration::from_millis(1), longest);
        self.plan_in(takes, WorldEvent::Message(Sent::Ready { token }));
        if self.strikes(Fault::SecondWord) {
            let takes = self.random.between(Duration::from_millis(1), MINUTE);
            self.plan_in(takes, WorldEvent::Message(Sent::Ready { token }));
        }
    }

    /// Sends a ready push of a stranger, who does not know the token.
    pub fn stranger_says_ready(&mut self) {
        let guess = format!("guess-{}", self.random.below(10));
        let token = self.number_of(&ReadyToken::from(guess.as_str()));
        self.send(Sent::Ready { token });
    }

    /// Returns whether this is the token of the present boot: the driver rejects any other.
    pub fn is_present_token(&mut self, number: Token) -> bool {
        let token = self.observed.tokens[number].clone();
        let before = self.object.lifecycle().map(|l| (l.vm_state(), l.endpoint().is_some()));
        let is_present = self.object.lifecycle().and_then(Lifecycle::ready_token) == Some(&token);
        let is_guess = token.as_str().starts_with("guess");
        let what = match (is_present, before) {
            (false, _) if !is_guess => "an old token",
            (false, _) => "a wrong token",
            (true, Some((VmState::Running, _))) => "it when it runs",
            (true, Some((VmState::Starting | VmState::Booting, true))) => "it while it is probed",
            (true, Some((VmState::Starting, false))) => "it before its address is known",
            (true, _) => "it when nobody waits",
        };
        self.coverage.count("said to be ready", what);
        is_present
    }

    /// Checks a ready push that has made the VM running.
    pub fn observe_word(&mut self, token: &ReadyToken) {
        let known = self.observed.newest.map(|newest| &self.observed.tokens[newest]);
        if known != Some(token) {
            self.violated(|| "an old or a wrong token makes the VM running".to_owned());
        }
    }
}
