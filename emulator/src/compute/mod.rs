//! Compute Engine itself: its resources, its operations and the rules between them. This module
//! does not wait, listen or read a clock.

pub mod addresses;
mod boot_log;
pub mod change;
mod console;
pub mod disks;
pub mod edit;
mod fingerprint;
pub mod host_addresses;
pub mod images;
pub mod insert;
pub mod instance;
mod labels;
pub mod machine_types;
mod network;
mod object;
pub mod operation;
pub mod operation_error;
mod operations;
pub mod place;
pub mod quotas;
pub mod request_id;
pub mod resource;
mod scheduling;
pub mod stockouts;
pub mod templates;
pub mod work;
pub mod world;
pub mod zones;
