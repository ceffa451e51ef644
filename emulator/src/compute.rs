//! Compute Engine itself: instances, operations and the rules between them. Nothing here waits, listens or
//! reads a clock.

pub mod insert;
pub mod instance;
pub mod operation;
pub mod request_id;
pub mod world;
pub mod zones;
