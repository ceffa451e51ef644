//! The emulator from outside, as its users see it.

mod control;
mod demo;
mod faults;
mod harness;
mod life;
mod program;
mod requests;
mod token;
