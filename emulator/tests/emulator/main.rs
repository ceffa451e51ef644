//! The emulator from outside, as its users see it.

mod catalogue;
mod console;
mod control;
mod demo;
mod edits;
mod faults;
mod harness;
mod life;
mod program;
mod requests;
mod run_limit;
mod token;
