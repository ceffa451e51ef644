//! The Durable Object that owns a VM's life: one object per VM, and the only one to call the Compute API for it.
//!
//! It is a thin shell around [`Lifecycle`](crate::lifecycle::Lifecycle): load, handle the event, persist, act,
//! set the alarm last.

mod client;
mod compute_client;
mod credentials;
mod event_streams;
mod object;
mod plan_cache;
mod protocol;
mod shell;
mod start_status;
mod store;
#[cfg(test)]
mod tests;
mod vm_json;

pub(crate) use client::ObjectClient;
pub(crate) use credentials::check_credentials;
pub use object::VmObject;
pub(crate) use protocol::{Command, Hold, Message, Reply, TakeDownRequest, Wake, Watch};
