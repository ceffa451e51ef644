//! What reaches the driver, and what it needs of the machine that it runs on.

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
        /// The object's name, which is the VM's, if the runtime knows it: it leads to the configuration of a VM whose
        /// record cannot be read.
        name: Option<String>,
    },
    /// The alarm could not be set to this time.
    AlarmNotSet(Timestamp),
    /// A timer, or what has become of a call, a probe or a busy check.
    Event(Event),
}

/// What the storage holds.
#[derive(Clone, Debug)]
pub enum Stored {
    /// Nothing: the object is new.
    Nothing,
    /// A record of this version.
    Record(Box<Record>),
    /// Something that this version cannot read.
    Unreadable,
}

/// What the driver needs of the machine that it runs on. Random numbers are drawn only where they are needed.
pub trait Host {
    /// A random number that tells this VM's requests from those of any other.
    fn identity(&mut self) -> u64;

    /// A secret from which the tokens of this life of the object are made.
    fn seed(&mut self) -> Seed;

    /// How far a time zone's clock is ahead of UTC. `None` means that the zone is unknown.
    fn offset(&self, zone: &str, at: Timestamp) -> Option<Offset>;
}
