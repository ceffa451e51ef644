//! Tests of the emulator from outside, as its users see it.

mod catalogue;
mod clock;
mod console;
mod control;
mod demo;
mod edits;
mod events;
mod faults;
mod harness;
mod impersonation;
mod ipv6;
mod life;
mod limits;
mod metadata;
mod program;
mod requests;
mod resources;
mod run_limit;
mod state;
mod templates;
mod token;
