//! vmproxy lets a Compute Engine VM scale to zero behind a Cloudflare Worker: the first request
//! starts (or creates) the VM, waits until its health path responds and is forwarded; later
//! requests are forwarded directly; after the idle timeout the VM is stopped, suspended or deleted.
//!
//! The ready-made Worker is configured in `wrangler.toml` alone. As a library, vmproxy takes a few
//! lines in a Worker of your own:
//!
//! ```no_run
//! # mod own {
//! use vmproxy::{Instance, Vm};
//! use worker::{event, Context, Env, Result};
//!
//! #[event(fetch)]
//! async fn fetch(
//!     request: web_sys::Request,
//!     env: Env,
//!     ctx: Context,
//! ) -> Result<web_sys::Response> {
//!     let vm = Vm {
//!         path: "/".into(),
//!         instance: Instance {
//!             name: "backend".into(),
//!             zone: "us-central1-a".into(),
//!             ..Instance::default()
//!         },
//!         ..Vm::default()
//!     };
//!     Ok(vm.serve(&request, &env, &ctx).await)
//! }
//! # }
//! ```
//!
//! Such a Worker binds the Durable Object class [`VmObject`], and depends on this crate without its
//! default feature `ready-made`, which adds the ready-made Worker's `fetch` handler.

// A panic resets the wasm instance and leaves concurrent requests hanging.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::indexing_slicing
)]

mod admin;
pub mod auth;
mod collections;
pub mod compute;
pub mod config;
pub mod driver;
mod durable_object;
mod error;
mod http;
mod json;
pub mod lifecycle;
mod pages;
mod platform;
mod problem;
mod proxy;
pub mod schedule;
mod secret;
mod text;
pub mod time;
mod upstream;
mod vm;
mod vm_api;
mod wake;
mod worker_entry;

pub use config::ConfigError;
pub use durable_object::VmObject;
pub use error::Error;
pub use ipnet::IpNet;
pub use lifecycle::{Phase, Progress};
pub use proxy::Proxy;
pub use vm::{
    Accelerator, Address, AsleepResponse, ColdStart, ColdStartRecord, Endpoint, Instance, OnDrift, OnIdle,
    Percentiles, PhaseEstimates, StartEstimates, StartKind, Status, Vm, VmState, WakePolicy,
    DEFAULT_IGNORED_PATHS, DEFAULT_IMAGE, DEFAULT_MACHINE_TYPE, DEFAULT_TAG, WAITING_PAGE,
};
pub use worker_entry::{follow_configured_schedules, serve_configured};

/// The `User-Agent` of requests to Google and to the VMs' health paths.
pub(crate) const USER_AGENT: &str = concat!("vmproxy/", env!("CARGO_PKG_VERSION"));
