//! All instances and operations of the project, and which change is allowed when.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::instance::{Instance, State};
use super::operation::{Operation, OperationError, OperationState};
use super::request_id::{RequestId, REMEMBERED};
use crate::clock::millis;
use crate::error::ApiError;

/// A change of an instance that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    Start,
    Stop,
    Suspend,
    Resume,
    Delete,
    Preempt,
}

/// A change that is to be carried out, now that its operation exists.
#[derive(Debug, Clone)]
pub struct Work {
    pub instance: u64,
    pub task: Task,
    /// The operation's name.
    pub operation: String,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Bring a new instance up.
    Create,
    /// Bring it up again.
    Start,
    /// Shut it down; the address stays until it is down.
    Stop,
    Suspend,
    Resume,
    /// Shut it down and forget it.
    Delete,
}

/// An operation, and the work that it stands for unless it was done at once or is known already.
pub type Begun = (Operation, Option<Work>);

/// The project's state.
pub struct World {
    project: String,
    instances: BTreeMap<(String, String), Instance>,
    operations: BTreeMap<(String, String), Operation>,
    requests: HashMap<Request, (SystemTime, Operation)>,
    last_id: u64,
}

/// A repeated call is one of the same id, method and target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Request {
    id: RequestId,
    method: &'static str,
    zone: String,
    instance: String,
}

impl World {
    /// Nothing yet; ids count from the time, so that they are as long as Google's and never come again.
    pub fn new(project: &str, now: SystemTime) -> Self {
        let last_id = u64::try_from(millis(now)).unwrap_or_default() * 1_000_000;
        Self {
            project: project.to_owned(),
            instances: BTreeMap::new(),
            operations: BTreeMap::new(),
            requests: HashMap::new(),
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

    /// Every instance, by zone and name.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    /// An operation by name.
    ///
    /// # Errors
    /// There is none.
    pub fn operation(&self, zone: &str, name: &str) -> Result<&Operation, ApiError> {
        let by_name = self.operations.get(&(zone.to_owned(), name.to_owned()));
        let by_id = || self.operations.values().find(|o| o.zone == zone && o.id.to_string() == name);
        by_name.or_else(by_id).ok_or_else(|| ApiError::not_found(&self.path(zone, "operations", name)))
    }

    /// Every operation, by zone and name.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
    }

    /// Forgets an operation.
    ///
    /// # Errors
    /// There is none.
    pub fn delete_operation(&mut self, zone: &str, name: &str) -> Result<(), ApiError> {
        let name = self.operation(zone, name)?.name.clone();
        self.operations.remove(&(zone.to_owned(), name));
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
        let request = request_id.map(|id| Request::new(id, "insert", zone, &name));
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
            definition: self.with_private_address(definition, id),
            state: State::Provisioning,
            operation: Some(operation.name.clone()),
            boots: 0,
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
        let request = request_id.map(|id| Request::new(id, change.operation_type(), zone, name));
        if let Some(known) = self.repeated(request.as_ref(), now) {
            return Ok((known, None));
        }
        let instance = self.instance(zone, name)?;
        let (id, name) = (instance.id, instance.name.clone());
        if instance.operation.is_some() {
            return Err(ApiError::not_ready(&self.path(zone, "instances", &name)));
        }
        let task = change.task(instance)?;
        let operation = self.record(change.operation_type(), zone, (name, id), request, now);
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

    /// The operation's work begins.
    pub fn run(&mut self, operation: &str, now: SystemTime) {
        if let Some(operation) = self.operation_named(operation) {
            operation.state = OperationState::Running { since: now };
        }
    }

    /// The operation is over and the instance is free for the next.
    pub fn finish(&mut self, operation: &str, error: Option<OperationError>, now: SystemTime) {
        if let Some(operation) = self.operation_named(operation) {
            let since = match operation.state {
                OperationState::Pending => now,
                OperationState::Running { since } | OperationState::Done { since, .. } => since,
            };
            operation.state = OperationState::Done { since, end: now, error };
        }
        for instance in self.instances.values_mut() {
            if instance.operation.as_deref() == Some(operation) {
                instance.operation = None;
            }
        }
    }

    /// An instance enters a state; `None` if it is gone.
    pub fn enter(&mut self, instance: u64, state: State, now: SystemTime) -> Option<&Instance> {
        let instance = self.by_id(instance)?;
        match state {
            State::Running(_) => instance.last_start = Some(now),
            State::Terminated => instance.last_stop = Some(now),
            State::Suspended => instance.last_suspended = Some(now),
            _ => {}
        }
        instance.state = state;
        Some(instance)
    }

    /// An instance runs and boots; `None` if it is gone.
    pub fn boot(&mut self, instance: u64, address: SocketAddr, now: SystemTime) -> Option<&Instance> {
        self.by_id(instance)?.boots += 1;
        self.enter(instance, State::Running(address), now)
    }

    /// An instance is again as it was before a change that failed.
    pub fn put_back(&mut self, instance: u64, before: State) {
        if let Some(instance) = self.by_id(instance) {
            instance.state = before;
        }
    }

    /// The state of an instance, if it is still there.
    pub fn state(&self, instance: u64) -> Option<State> {
        self.instances.values().find(|known| known.id == instance).map(|known| known.state)
    }

    /// An instance is gone.
    pub fn remove(&mut self, instance: u64) {
        self.instances.retain(|_, known| known.id != instance);
    }

    /// Everything is gone.
    pub fn clear(&mut self) {
        self.instances.clear();
        self.operations.clear();
        self.requests.clear();
    }

    fn repeated(&self, request: Option<&Request>, now: SystemTime) -> Option<Operation> {
        let (when, operation) = self.requests.get(request?)?;
        let recent = now.duration_since(*when).is_ok_and(|age| age < REMEMBERED);
        let current = self.operation(&operation.zone, &operation.name).unwrap_or(operation);
        recent.then(|| current.clone())
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
        self.operations.insert((zone.to_owned(), operation.name.clone()), operation.clone());
        if let Some(request) = request {
            self.requests.insert(request, (now, operation.clone()));
        }
        operation
    }

    fn with_private_address(&self, mut definition: Map<String, Value>, id: u64) -> Map<String, Value> {
        let interfaces = definition.get_mut("networkInterfaces").and_then(Value::as_array_mut);
        for (index, interface) in interfaces.into_iter().flatten().enumerate() {
            if interface.get("networkIP").is_none() {
                let host = id.wrapping_add(index as u64) % 250 + 2;
                interface["networkIP"] = Value::String(format!("10.128.{index}.{host}"));
            }
        }
        definition
    }

    fn by_id(&mut self, id: u64) -> Option<&mut Instance> {
        self.instances.values_mut().find(|instance| instance.id == id)
    }

    fn operation_named(&mut self, name: &str) -> Option<&mut Operation> {
        self.operations.values_mut().find(|operation| operation.name == name)
    }

    fn path(&self, zone: &str, collection: &str, name: &str) -> String {
        format!("projects/{}/zones/{zone}/{collection}/{name}", self.project)
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

impl Change {
    fn operation_type(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Delete => "delete",
            Self::Preempt => "compute.instances.preempted",
        }
    }

    /// What the change means in the instance's state: `None` where there is nothing to do.
    fn task(self, instance: &Instance) -> Result<Option<Task>, ApiError> {
        let refuse = |why: &str| Err(ApiError::bad_state(format!("{why} (instance '{}')", instance.name)));
        match (self, instance.state) {
            (Self::Start, State::Terminated) => Ok(Some(Task::Start)),
            (Self::Start, State::Suspended) => {
                refuse("You cannot start a suspended instance. Resume it with instances.resume.")
            }
            (Self::Start, _) => Ok(None),
            (Self::Stop, State::Terminated) => Ok(None),
            // "SUSPENDED: you can resume the VM or delete it": the life cycle's page.
            (Self::Stop, State::Suspended) => {
                refuse("You cannot stop a suspended instance. Resume or delete it.")
            }
            (Self::Stop, _) => Ok(Some(Task::Stop)),
            (Self::Suspend, State::Running(_)) => Ok(Some(Task::Suspend)),
            (Self::Suspend, State::Suspended) => refuse("You cannot suspend an already suspended instance."),
            (Self::Suspend, _) => refuse("You cannot suspend an instance that is stopped or terminated."),
            (Self::Resume, State::Suspended) => Ok(Some(Task::Resume)),
            (Self::Resume, _) => refuse("You cannot resume an instance that is not suspended."),
            (Self::Delete, _)
                if instance.definition.get("deletionProtection") == Some(&Value::Bool(true)) =>
            {
                refuse("Resource cannot be deleted if it's protected against deletion.")
            }
            (Self::Delete, _) => Ok(Some(Task::Delete)),
            (Self::Preempt, State::Running(_)) if instance.is_deleted_when_preempted() => {
                Ok(Some(Task::Delete))
            }
            (Self::Preempt, State::Running(_)) => Ok(Some(Task::Stop)),
            (Self::Preempt, _) => refuse("Only a running instance can be preempted."),
        }
    }
}

impl Request {
    fn new(id: RequestId, method: &'static str, zone: &str, instance: &str) -> Self {
        Self { id, method, zone: zone.to_owned(), instance: instance.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

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
