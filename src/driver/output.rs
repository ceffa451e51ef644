//! The outputs of the driver.

use std::rc::Rc;

use super::{Reply, Watch};
use crate::compute::Call;
use crate::error::Level;
use crate::lifecycle::{CallId, Endpoint};
use crate::time::Timestamp;
use crate::vm::Vm;

/// Identifies a message that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// An output of the driver, which the object carries out.
#[derive(Clone, Debug)]
pub enum Output {
    /// Write a line of the log.
    Log(Level, String),
    /// Store [`Driver::record`](super::Driver::record), if it has changed. If that fails, none of
    /// the outputs after it may be carried out.
    Store,
    /// Make this call and hand in its response as
    /// [`Event::Responded`](crate::lifecycle::Event::Responded).
    Call {
        /// Identifies the call.
        id: CallId,
        /// The call.
        call: Call,
        /// The zone of the instance.
        zone: String,
        /// The VM, with the metadata of its present boot.
        vm: Rc<Vm>,
    },
    /// Probe the health path and hand in the result as
    /// [`Event::Probed`](crate::lifecycle::Event::Probed).
    Probe {
        /// The address.
        endpoint: Endpoint,
        /// The VM.
        vm: Rc<Vm>,
    },
    /// Request the busy path and hand in the result as
    /// [`Event::BusyChecked`](crate::lifecycle::Event::BusyChecked).
    CheckBusy {
        /// The address.
        endpoint: Endpoint,
        /// The VM.
        vm: Rc<Vm>,
    },
    /// Send this reply to the messages with these tickets.
    Reply {
        /// The messages.
        to: Vec<Ticket>,
        /// The reply to each of them.
        reply: Reply,
    },
    /// Show the start's status to the sender of the message with this ticket.
    Show(Ticket, Watch),
    /// Send the start's status to all who watch it, if it has changed.
    Publish,
    /// Hand in [`Event::Timer`](crate::lifecycle::Event::Timer) at this time. It replaces the timer
    /// before it.
    SetTimer(Timestamp),
    /// Set the alarm to this time.
    SetAlarm(Timestamp),
}
