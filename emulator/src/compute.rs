//! Compute Engine itself: instances, operations and the rules between them. Nothing here waits, listens or
//! reads a clock.

pub mod change;
mod console;
pub mod edit;
mod fingerprint;
pub mod images;
pub mod insert;
pub mod instance;
pub mod machine_types;
pub mod operation;
mod operations;
pub mod place;
pub mod request_id;
mod scheduling;
pub mod world;
pub mod zones;
