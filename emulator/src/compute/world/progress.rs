//! The progress of instances and their operations.

use std::time::SystemTime;

use serde_json::{Map, Value};

use super::resources::{disks, disks_deleted_with};
use super::World;
use crate::compute::boot_log::boot_log;
use crate::compute::console::Console;
use crate::compute::fingerprint::fingerprint;
use crate::compute::host_addresses::HostAddresses;
use crate::compute::instance::{Instance, State};
use crate::compute::operation_error::OperationError;

impl World {
    /// Marks an operation as running.
    pub fn start_operation(&mut self, operation: &str, now: SystemTime) {
        self.operations.run(operation, now);
    }

    /// Marks an operation as done and frees its instance for the next one.
    pub fn finish_operation(&mut self, operation: &str, error: Option<OperationError>, now: SystemTime) {
        self.operations.finish(operation, error, now);
        self.pending_work.retain(|work| work.operation != operation);
        for instance in self.instances.values_mut() {
            if instance.operation.as_deref() == Some(operation) {
                instance.operation = None;
            }
        }
    }

    /// Moves an instance to a state. `None` means that the instance is gone.
    pub fn enter(&mut self, instance: u64, state: State, now: SystemTime) -> Option<&Instance> {
        let instance = self.instance_mut(instance)?;
        match state {
            State::Running { .. } => instance.last_start = Some(now),
            State::Terminated => {
                instance.last_stop = Some(now);
                instance.console = Console::default();
            }
            State::Suspended => instance.last_suspended = Some(now),
            _ => {}
        }
        instance.state = state;
        Some(instance)
    }

    /// Moves an instance to RUNNING, with the end of its run. `None` means that the instance is
    /// gone.
    pub fn enter_running(
        &mut self,
        instance: u64,
        addresses: HostAddresses,
        now: SystemTime,
    ) -> Option<&Instance> {
        let limit = self.instance_mut(instance)?.max_run_duration();
        self.enter(instance, State::Running { addresses, until: limit.map(|limit| now + limit) }, now)
    }

    /// Counts a boot of an instance and writes it to the console. `None` means that the instance is
    /// gone.
    pub fn boot(&mut self, instance: u64) -> Option<&Instance> {
        let instance = self.instance_mut(instance)?;
        instance.boots += 1;
        let log = boot_log(instance);
        instance.console.write(&log);
        Some(instance)
    }

    /// Sets fields of an instance's definition.
    pub fn edit(&mut self, instance: u64, fields: Map<String, Value>) {
        if let Some(instance) = self.instance_mut(instance) {
            instance.definition.extend(fields);
            let whole = fingerprint(&Value::Object(instance.definition.clone()));
            instance.definition.insert("fingerprint".into(), whole);
        }
    }

    /// Restores an instance's state after a change that failed.
    pub fn restore(&mut self, instance: u64, before: State) {
        if let Some(instance) = self.instance_mut(instance) {
            instance.state = before;
        }
    }

    /// Deletes an instance, and the disks that are deleted with it.
    pub fn remove_instance(&mut self, instance: u64) {
        let Some(instance) = self.instance_by_id(instance) else { return };
        let (path, disks) = (instance.path(), disks_deleted_with(instance));
        self.instances.remove(&path);
        self.resources.retain(|path, _| !disks.contains(path));
    }

    /// Discards an instance that could not be created, and the disks that were created with it.
    pub fn discard(&mut self, instance: u64) {
        let Some(instance) = self.instance_by_id(instance) else { return };
        let (path, created, disks) = (instance.path(), instance.created, disks(instance));
        self.instances.remove(&path);
        self.resources.retain(|path, known| !(disks.contains(path) && known.created == created));
    }

    pub(super) fn instance_mut(&mut self, id: u64) -> Option<&mut Instance> {
        self.instances.values_mut().find(|instance| instance.id == id)
    }
}
