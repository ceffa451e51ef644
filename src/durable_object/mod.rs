//! The Durable Object that owns a VM's life: one object per VM, and the only one to call the Compute API for it.
//!
//! It is a thin shell around [`Lifecycle`](crate::lifecycle::Lifecycle): load, handle the event, persist, act,
//! set the alarm last.

mod client;
mod compute_client;
mod credentials;
mod message;
mod news;
mod object;
mod planner;
mod shell;
mod store;
#[cfg(test)]
mod tests;
mod vm_text;
mod watchers;

pub(crate) use client::ObjectClient;
pub(crate) use credentials::check_credentials;
pub(crate) use message::{Command, GoDown, Hold, Message, Reply, Wake, Watch};
pub use object::VmObject;
