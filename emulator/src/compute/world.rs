//! All instances and operations of the project, and the beginning of each change.

mod progress;

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::change::{Change, Task, Work};
use super::console::Console;
use super::insert::with_private_addresses;
use super::instance::{Instance, State};
use super::operation::{Operation, OperationState};
use super::operations::Operations;
use super::request_id::{Request, RequestId, Requests};
use crate::clock::millis;
use crate::error::ApiError;

/// An operation, and the work that it stands for unless it was done at once or is known already.
pub type Begun = (Operation, Option<Work>);

/// The project's state.
pub struct World {
    project: String,
    instances: BTreeMap<(String, String), Instance>,
    operations: Operations,
    requests: Requests,
    last_id: u64,
}

impl World {
    /// Nothing yet; ids count from the time, so that they are as long as Google's and never come again.
    pub fn new(project: &str, now: SystemTime) -> Self {
        let last_id = u64::try_from(millis(now)).unwrap_or_default() * 1_000_000;
        Self {
            project: project.to_owned(),
            instances: BTreeMap::new(),
            operations: Operations::default(),
            requests: Requests::default(),
            last_id,
        }
    }

    /// An instance by name, or by id as the API allows.
    ///
    /// # Errors
    /// There is none.
    pub fn instance(&self, zone: &str, name: &str) -> Result<&Instance, ApiError> {
        let by_name = self.instances.get(&(zone.to_owned(), name.to_owned()));
        let by_id = || self.instances.values().find(|i| i.zone == zone && i.id.to_string() == name);
        by_name.or_else(by_id).ok_or_else(|| ApiError::not_found(&self.path(zone, "instances", name)))
    }

    /// An instance by its id alone, if it is still there.
    pub fn known(&self, instance: u64) -> Option<&Instance> {
        self.instances.values().find(|known| known.id == instance)
    }

    /// What an instance wrote to one of its serial ports, from a byte on.
    ///
    /// # Errors
    /// No such instance, or it is not running.
    pub fn serial_port_output(
        &self,
        zone: &str,
        name: &str,
        port: Option<i64>,
        start: Option<i64>,
    ) -> Result<Value, ApiError> {
        let instance = self.instance(zone, name)?;
        if instance.state.address().is_none() {
            return Err(ApiError::not_ready(&self.path(zone, "instances", &instance.name)));
        }
        // The guest writes to the first port only.
        let console = if port.is_none_or(|port| port == 1) { &instance.console } else { &Console::default() };
        Ok(console.output(start.unwrap_or_default()))
    }

    /// Every instance, by zone and name.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    /// An operation by name.
    ///
    /// # Errors
    /// There is none.
    pub fn operation(&self, zone: &str, name: &str) -> Result<&Operation, ApiError> {
        let known = self.operations.get(zone, name);
        known.ok_or_else(|| ApiError::not_found(&self.path(zone, "operations", name)))
    }

    /// Every operation, by zone and name.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.all()
    }

    /// Forgets an operation.
    ///
    /// # Errors
    /// There is none.
    pub fn delete_operation(&mut self, zone: &str, name: &str) -> Result<(), ApiError> {
        let name = self.operation(zone, name)?.name.clone();
        self.operations.remove(zone.to_owned(), name);
        Ok(())
    }

    /// Creates an instance from its checked definition.
    ///
    /// # Errors
    /// The name is taken.
    pub fn insert(
        &mut self,
        zone: &str,
        definition: Map<String, Value>,
        request_id: Option<RequestId>,
        now: SystemTime,
    ) -> Result<Begun, ApiError> {
        let name = definition.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let request = request_id.map(|id| request(id, "insert", zone, &name));
        if let Some(known) = self.repeated(request.as_ref(), now) {
            return Ok((known, None));
        }
        let key = (zone.to_owned(), name.clone());
        if self.instances.contains_key(&key) {
            return Err(ApiError::already_exists(&self.path(zone, "instances", &name)));
        }
        let id = self.next_id();
        let operation = self.record("insert", zone, (name.clone(), id), request, now);
        let instance = Instance {
            id,
            name,
            zone: zone.to_owned(),
            definition: with_private_addresses(definition, id),
            state: State::Provisioning,
            operation: Some(operation.name.clone()),
            boots: 0,
            console: Console::default(),
            created: now,
            last_start: None,
            last_stop: None,
            last_suspended: None,
        };
        self.instances.insert(key, instance);
        let work = Work { instance: id, task: Task::Create, operation: operation.name.clone() };
        Ok((operation, Some(work)))
    }

    /// Begins a change of an instance.
    ///
    /// # Errors
    /// No such instance, another operation at work on it, or a state that does not allow the change.
    pub fn change(
        &mut self,
        change: Change,
        zone: &str,
        name: &str,
        request_id: Option<RequestId>,
        now: SystemTime,
    ) -> Result<Begun, ApiError> {
        let kind = change.operation_type();
        let request = request_id.map(|id| request(id, kind, zone, name));
        if let Some(known) = self.repeated(request.as_ref(), now) {
            return Ok((known, None));
        }
        let instance = self.instance(zone, name)?;
        let (id, name) = (instance.id, instance.name.clone());
        if instance.operation.is_some() {
            return Err(ApiError::not_ready(&self.path(zone, "instances", &name)));
        }
        let task = change.task(instance)?;
        let operation = self.record(kind, zone, (name, id), request, now);
        let Some(task) = task else {
            self.run(&operation.name, now);
            self.finish(&operation.name, None, now);
            return Ok((self.operation(zone, &operation.name)?.clone(), None));
        };
        if let Some(instance) = self.by_id(id) {
            instance.operation = Some(operation.name.clone());
        }
        Ok((operation.clone(), Some(Work { instance: id, task, operation: operation.name })))
    }

    /// Everything is gone.
    pub fn clear(&mut self) {
        self.instances.clear();
        self.operations.clear();
        self.requests.clear();
    }

    fn repeated(&self, request: Option<&Request>, now: SystemTime) -> Option<Operation> {
        let begun = self.requests.begun(request?, now)?;
        // It has come further since, unless it was deleted.
        Some(self.operations.get(&begun.zone, &begun.name).unwrap_or(begun).clone())
    }

    fn record(
        &mut self,
        kind: &'static str,
        zone: &str,
        target: (String, u64),
        request: Option<Request>,
        now: SystemTime,
    ) -> Operation {
        let id = self.next_id();
        let operation = Operation {
            id,
            name: format!("operation-{}-{id:x}", millis(now)),
            zone: zone.to_owned(),
            kind,
            target,
            inserted: now,
            state: OperationState::Pending,
        };
        self.operations.add(operation.clone());
        if let Some(request) = request {
            self.requests.remember(request, operation.clone(), now);
        }
        operation
    }

    fn path(&self, zone: &str, collection: &str, name: &str) -> String {
        format!("projects/{}/zones/{zone}/{collection}/{name}", self.project)
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

fn request(id: RequestId, method: &'static str, zone: &str, instance: &str) -> Request {
    Request { id, method, zone: zone.to_owned(), instance: instance.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::request_id::REMEMBERED;
    use super::*;

    const ZONE: &str = "us-central1-a";

    fn definition() -> Map<String, Value> {
        Map::from_iter([("name".to_owned(), json!("vm"))])
    }

    #[test]
    fn a_request_id_is_known_for_an_hour() {
        let begin = SystemTime::UNIX_EPOCH;
        let id = || RequestId::parse("0f8fad5b-d9cb-469f-a165-70867728950e").ok();
        let mut world = World::new("p", begin);
        let (first, work) = world.insert(ZONE, definition(), id(), begin).unwrap();
        assert!(work.is_some());

        let late = begin + REMEMBERED - Duration::from_secs(1);
        let (again, work) = world.insert(ZONE, definition(), id(), late).unwrap();
        assert_eq!((again.name, work.is_none()), (first.name, true));

        let too_late = begin + REMEMBERED;
        assert_eq!(world.insert(ZONE, definition(), id(), too_late).unwrap_err().reason, "alreadyExists");
    }

    #[test]
    fn an_instance_is_also_known_by_its_id() {
        let now = SystemTime::UNIX_EPOCH;
        let mut world = World::new("p", now);
        let (operation, _) = world.insert(ZONE, definition(), None, now).unwrap();
        let id = operation.target.1.to_string();
        assert_eq!(world.instance(ZONE, &id).unwrap().name, "vm");
        assert_eq!(world.instance("us-east1-b", &id).unwrap_err().reason, "notFound");
    }
}
