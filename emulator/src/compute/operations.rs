//! The operations of the project.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::operation::{Operation, OperationState};
use super::operation_error::OperationError;
use super::place::Scope;

/// All operations, by their path below the project.
#[derive(Default, Serialize, Deserialize)]
pub struct Operations(BTreeMap<String, Operation>);

impl Operations {
    /// Finds an operation by name, or by id as the API allows.
    pub fn get(&self, scope: &Scope, name: &str) -> Option<&Operation> {
        let by_id = || self.all().find(|o| o.scope == *scope && o.id.to_string() == name);
        self.0.get(&scope.path("operations", name)).or_else(by_id)
    }

    /// Returns all operations in the order of their paths.
    pub fn all(&self) -> impl Iterator<Item = &Operation> {
        self.0.values()
    }

    /// Adds an operation.
    pub fn add(&mut self, operation: Operation) {
        self.0.insert(operation.scope.path("operations", &operation.name), operation);
    }

    /// Removes an operation.
    pub fn remove(&mut self, scope: &Scope, name: &str) {
        self.0.remove(&scope.path("operations", name));
    }

    /// Marks an operation as running, unless it has begun already.
    pub fn run(&mut self, name: &str, now: SystemTime) {
        if let Some(operation) = self.named(name) {
            if matches!(operation.state, OperationState::Pending) {
                operation.state = OperationState::Running { since: now };
            }
        }
    }

    /// Marks an operation as done.
    pub fn finish(&mut self, name: &str, error: Option<OperationError>, now: SystemTime) {
        if let Some(operation) = self.named(name) {
            let since = match operation.state {
                OperationState::Pending => now,
                OperationState::Running { since } | OperationState::Done { since, .. } => since,
            };
            operation.state = OperationState::Done { since, end: now, error };
        }
    }

    fn named(&mut self, name: &str) -> Option<&mut Operation> {
        self.0.values_mut().find(|operation| operation.name == name)
    }
}
