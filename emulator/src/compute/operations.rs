//! The operations of the project.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::operation::{Operation, OperationState};
use super::operation_error::OperationError;
use super::place::Scope;

/// Every operation, by its path below the project.
#[derive(Default, Serialize, Deserialize)]
pub struct Operations(BTreeMap<String, Operation>);

impl Operations {
    /// An operation by name, or by id as the API allows.
    pub fn get(&self, scope: &Scope, name: &str) -> Option<&Operation> {
        let by_id = || self.all().find(|o| o.scope == *scope && o.id.to_string() == name);
        self.0.get(&scope.path("operations", name)).or_else(by_id)
    }

    /// All of them, in order.
    pub fn all(&self) -> impl Iterator<Item = &Operation> {
        self.0.values()
    }

    /// There is one more.
    pub fn add(&mut self, operation: Operation) {
        self.0.insert(operation.scope.path("operations", &operation.name), operation);
    }

    /// There is one less.
    pub fn remove(&mut self, scope: &Scope, name: &str) {
        self.0.remove(&scope.path("operations", name));
    }

    /// The operation's work begins, unless it has begun already.
    pub fn run(&mut self, name: &str, now: SystemTime) {
        if let Some(operation) = self.named(name) {
            if matches!(operation.state, OperationState::Pending) {
                operation.state = OperationState::Running { since: now };
            }
        }
    }

    /// The operation is over.
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
