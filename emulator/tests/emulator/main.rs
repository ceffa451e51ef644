//! The emulator from outside, as its users see it.

mod catalogue;
mod console;
mod control;
mod demo;
mod edits;
mod events;
mod faults;
mod harness;
mod ipv6;
mod life;
mod limits;
mod program;
mod requests;
mod resources;
mod run_limit;
mod state;
mod templates;
mod token;
