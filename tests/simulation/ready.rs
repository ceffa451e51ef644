//! The VM's own word that it is ready: right, too early, late, twice, of an older boot; and what strangers say.

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

/// A token, by its place among all that there have been.
pub type Token = usize;

/// What an instance has to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// What is in its metadata.
    pub told: Option<Token>,
    /// What the machine has read there when it booted.
    pub read: Option<Token>,
    /// Whether nothing has booted since it was suspended.
    pub is_resumed: bool,
}

impl World {
    /// The number of a token that the lifecycle has given out, or a stranger has made up.
    pub fn number_of(&mut self, token: &ReadyToken) -> Token {
        let known = self.observed.tokens.iter().position(|one| one == token);
        known.unwrap_or_else(|| {
            self.observed.tokens.push(token.clone());
            self.observed.tokens.len() - 1
        })
    }

    /// The token that calls are made with.
    pub fn present_token(&mut self) -> Option<Token> {
        let token = self.object.lifecycle().and_then(Lifecycle::ready_token).cloned()?;
        let number = self.number_of(&token);
        self.observed.newest = self.observed.newest.max(Some(number));
        Some(number)
    }

    /// A machine begins to run. If the lifecycle has resumed it, it has no token that is any good; what others do it
    /// need not see: then a machine has a token for more than one boot, and at more than one address.
    pub fn observe_boot(&mut self, zone: Zone) {
        let Some(Instance { word, address, up_by, .. }) = self.compute.instances.get(&zone) else { return };
        if let (Some(token), Some(address), true) =
            (word.read, *address, !word.is_resumed || *up_by != Actor::Engine)
        {
            self.observed.read_at.insert(address, token);
        }
    }

    /// Whether the machine that is, or was, at this address has said that it is ready.
    pub fn has_said_so(&self, address: IpAddr) -> bool {
        self.observed.read_at.get(&address).is_some_and(|token| self.observed.said.contains(token))
    }

    /// The server of the machine in this zone is up, or may believe that it is.
    pub fn says_ready(&mut self, zone: Zone) {
        let Some(Instance { word, up_by, .. }) = self.compute.instances.get(&zone) else { return };
        let Some(token) = word.read else { return };
        // What was suspended has said so long ago; some say it again.
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

    /// Somebody says so who does not know the token.
    pub fn stranger_says_ready(&mut self) {
        let guess = format!("guess-{}", self.random.below(10));
        let token = self.number_of(&ReadyToken::from(guess.as_str()));
        self.send(Sent::Ready { token });
    }

    /// Whether this is the token of the present boot: the driver does not trouble the lifecycle with another.
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

    /// Somebody's word has made the VM running.
    pub fn observe_word(&mut self, token: &ReadyToken) {
        let known = self.observed.newest.map(|newest| &self.observed.tokens[newest]);
        if known != Some(token) {
            self.violated(|| "an old or a wrong token makes the VM running".to_owned());
        }
    }
}
