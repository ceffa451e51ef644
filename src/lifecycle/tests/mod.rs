//! Tests of the lifecycle in virtual time: each is a scenario of events and the expected actions.

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
