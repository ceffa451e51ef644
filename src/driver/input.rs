//! The inputs of the driver, and the interface to its host.

use super::{Message, Record, Ticket};
use crate::lifecycle::Event;
use crate::schedule::Offset;
use crate::time::Timestamp;
use crate::vm::Seed;

/// Something that reaches a VM's object.
#[derive(Clone, Debug)]
pub enum Input {
    /// A message, to which a reply with this ticket is due.
    Message {
        /// Identifies the message in the outputs.
        ticket: Ticket,
        /// The message.
        message: Box<Message>,
    },
    /// The sender of the message with this ticket does not want to wait any longer.
    HoldEnded(Ticket),
    /// The alarm has rung.
    Alarm {
        /// The object's name, which is the VM's, if the runtime knows it: it leads to the
        /// configuration of a VM whose record cannot be read.
        name: Option<String>,
    },
    /// The alarm could not be set to this time.
    AlarmNotSet(Timestamp),
    /// A timer has expired, or a call, a probe or a busy check has ended.
    Event(Event),
}

/// The contents of the storage.
#[derive(Clone, Debug)]
pub enum Stored {
    /// Nothing: the object is new.
    Nothing,
    /// A record of this version.
    Record(Box<Record>),
    /// A record that this version cannot read.
    Unreadable,
}

/// The host that the driver runs on. Random numbers are drawn only when they are needed.
pub trait Host {
    /// Returns a random number that distinguishes this VM's request ids from all others.
    fn identity(&mut self) -> u64;

    /// Returns a secret, from which the tokens of this life of the object are derived.
    fn seed(&mut self) -> Seed;

    /// Returns the offset of a time zone from UTC. `None` means that the zone is unknown.
    fn offset(&self, zone: &str, at: Timestamp) -> Option<Offset>;
}
