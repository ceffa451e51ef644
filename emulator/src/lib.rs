//! An emulator of Google Compute Engine's REST API and Google's OAuth token server, for development
//! and tests.
//!
//! The program is `gce-emulator`. [`Emulator::start`] runs the same emulator inside a test.

#![forbid(unsafe_code)]

mod admission;
mod api;
mod auth;
mod clock;
mod compute;
mod control;
mod discovery;
mod emulator;
mod error;
mod faults;
mod guest;
mod http;
mod lifecycle;
mod log;
mod metadata;
mod options;
mod rate_limit;
mod run_limit;
mod server;
mod state;
mod timing;

pub use emulator::Emulator;
pub use options::Options;
pub use server::{Running, StartError};
pub use state::StateError;
pub use timing::Timing;
