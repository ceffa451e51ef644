//! Where the VMs are.

pub(super) mod activity;
pub(super) mod colo_cache;
pub(crate) mod isolate_cache;
