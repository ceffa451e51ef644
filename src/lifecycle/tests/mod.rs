//! The lifecycle in virtual time: each test is a scenario, told as events and what is done about them.

mod drift;
mod failing;
pub(crate) mod harness;
mod limits;
mod moving;
mod progress;
mod ready;
mod schedule;
mod sleeping;
mod starting;
mod wakes;
mod zones;
