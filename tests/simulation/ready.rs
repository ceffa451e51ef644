//! The VM's own word that it is ready: right, too early, late, twice, of an older boot; and what strangers say.

use std::net::IpAddr;
use std::time::Duration;

use vmproxy::lifecycle::{Event, Lifecycle, ReadyToken};
use vmproxy::VmState;

use super::agenda::Happening;
use super::compute::{Actor, Instance, Zone};
use super::object::Message;
use super::scenario::Fault;
use super::witness::MINUTE;
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
        let known = self.witness.tokens.iter().position(|one| one == token);
        known.unwrap_or_else(|| {
            self.witness.tokens.push(token.clone());
            self.witness.tokens.len() - 1
        })
    }

    /// The token that calls are made with.
    pub fn present_token(&mut self) -> Option<Token> {
        let token = self.object.lifecycle().and_then(Lifecycle::ready_token).cloned()?;
        let number = self.number_of(&token);
        self.witness.newest = self.witness.newest.max(Some(number));
        Some(number)
    }

    /// A machine begins to run. If the lifecycle has resumed it, it has no token that is any good; what others do it
    /// need not see: then a machine has a token for more than one boot, and at more than one address.
    pub fn witness_boot(&mut self, zone: Zone) {
        let Some(Instance { word, address, up_by, .. }) = self.compute.instances.get(&zone) else { return };
        if let (Some(token), Some(address), true) =
            (word.read, *address, !word.is_resumed || *up_by != Actor::Engine)
        {
            self.witness.read_at.insert(address, token);
        }
    }

    /// Whether the machine that is, or was, at this address has said that it is ready.
    pub fn has_said_so(&self, address: IpAddr) -> bool {
        self.witness.read_at.get(&address).is_some_and(|token| self.witness.said.contains(token))
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
            self.witness.said.insert(token);
        }
        let longest = if self.strikes(Fault::LateWord) { 4 * MINUTE } else { Duration::from_millis(200) };
        let takes = self.random.between(Duration::from_millis(1), longest);
        self.plan_in(takes, Happening::Message(Message::Ready { token }));
        if self.strikes(Fault::SecondWord) {
            let takes = self.random.between(Duration::from_millis(1), MINUTE);
            self.plan_in(takes, Happening::Message(Message::Ready { token }));
        }
    }

    /// Somebody says so who does not know the token.
    pub fn stranger_says_ready(&mut self) {
        let guess = format!("guess-{}", self.random.below(10));
        let token = self.number_of(&ReadyToken::from(guess.as_str()));
        self.send(Message::Ready { token });
    }

    /// Somebody's word reaches the object. The shell would not trouble the lifecycle with a wrong one.
    pub fn said_ready(&mut self, number: Token) {
        let token = self.witness.tokens[number].clone();
        let before = self.object.lifecycle().map(|l| (l.vm_state(), l.endpoint().is_some()));
        let is_present = self.object.lifecycle().and_then(Lifecycle::ready_token) == Some(&token);
        self.step(Event::ReadyPushed { token });
        let is_guess = self.witness.tokens[number].as_str().starts_with("guess");
        let what = match (is_present, before) {
            (false, _) if !is_guess => "an old token",
            (false, _) => "a wrong token",
            (true, Some((VmState::Running, _))) => "it when it runs",
            (true, Some((VmState::Starting | VmState::Booting, true))) => "it while it is probed",
            (true, Some((VmState::Starting, false))) => "it before its address is known",
            (true, _) => "it when nobody waits",
        };
        self.coverage.count("said to be ready", what);
    }

    /// Somebody's word has made the VM running.
    pub fn witness_word(&mut self, token: &ReadyToken) {
        let known = self.witness.newest.map(|newest| &self.witness.tokens[newest]);
        if known != Some(token) {
            self.violated(|| "an old or a wrong token makes the VM running".to_owned());
        }
    }
}
