//! The operations of the project.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::operation::{Operation, OperationError, OperationState};

/// Every operation, by zone and name.
#[derive(Default)]
pub struct Operations(BTreeMap<(String, String), Operation>);

impl Operations {
    /// An operation by name, or by id as the API allows.
    pub fn get(&self, zone: &str, name: &str) -> Option<&Operation> {
        let by_name = self.0.get(&(zone.to_owned(), name.to_owned()));
        by_name.or_else(|| self.all().find(|o| o.zone == zone && o.id.to_string() == name))
    }

    /// All of them, in order.
    pub fn all(&self) -> impl Iterator<Item = &Operation> {
        self.0.values()
    }

    /// There is one more.
    pub fn add(&mut self, operation: Operation) {
        self.0.insert((operation.zone.clone(), operation.name.clone()), operation);
    }

    /// There is one less.
    pub fn remove(&mut self, zone: String, name: String) {
        self.0.remove(&(zone, name));
    }

    /// The operation's work begins.
    pub fn run(&mut self, name: &str, now: SystemTime) {
        if let Some(operation) = self.named(name) {
            operation.state = OperationState::Running { since: now };
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

    /// All are gone.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn named(&mut self, name: &str) -> Option<&mut Operation> {
        self.0.values_mut().find(|operation| operation.name == name)
    }
}
