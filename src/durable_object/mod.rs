//! The Durable Object that owns a VM's life: one object per VM, and the only one to call the
//! Compute API for it.
//!
//! The [`Driver`](crate::driver::Driver) decides, and this module carries its decisions out.

mod client;
mod command;
mod compute_client;
mod credentials;
mod effects;
mod event_streams;
mod object;
mod store;

pub(crate) use crate::driver::{Command, Hold, Message, Reply, TakeDownRequest, Wake, Watch};
pub(crate) use client::ObjectClient;
pub(crate) use command::{GetEndpoint, GetStatus, ReadyReply, TakeDownReply, Touch, WakeReply};
pub(crate) use credentials::check_credentials;
pub use object::VmObject;
