//! All that the project has, and the beginning of each change.

mod limits;
mod progress;
mod resources;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::Change;
use super::console::Console;
use super::insert::Definition;
use super::instance::{Instance, State};
use super::network::with_internal_addresses;
use super::operation::{system_event, Operation, OperationState, Target};
use super::operation_error::OperationError;
use super::operations::Operations;
use super::place::Scope;
use super::quotas::Quotas;
use super::request_id::{Request, RequestId, Requests};
use super::resource::Resource;
use super::stockouts::Stockout;
use super::work::{Step, Task, Work};
use crate::clock::millis;
use crate::error::ApiError;

/// An operation, and the work that it stands for unless it was done at once or is known already.
pub type Accepted = (Operation, Option<Work>);

/// The project's state. Instances and resources are known by their path below the project.
#[derive(Serialize, Deserialize)]
pub struct World {
    project: String,
    instances: BTreeMap<String, Instance>,
    resources: BTreeMap<String, Resource>,
    operations: Operations,
    /// What the operations that are not over stand for.
    #[serde(rename = "under_way")]
    pending_work: Vec<Work>,
    requests: Requests,
    pub quotas: Quotas,
    pub stockouts: Vec<Stockout>,
    last_id: u64,
}

/// What a caller says beside the change itself.
#[derive(Default)]
pub struct RequestContext {
    pub request_id: Option<RequestId>,
    /// The operation is to fail.
    pub failure: Option<OperationError>,
}

impl World {
    /// Nothing yet; ids count from the time, so that they are as long as Google's and never come again.
    pub fn new(project: &str, now: SystemTime) -> Self {
        let last_id = u64::try_from(millis(now)).unwrap_or_default() * 1_000_000;
        Self {
            project: project.to_owned(),
            instances: BTreeMap::new(),
            resources: BTreeMap::new(),
            operations: Operations::default(),
            pending_work: Vec::new(),
            requests: Requests::default(),
            quotas: Quotas::default(),
            stockouts: Vec::new(),
            last_id,
        }
    }

    /// The project's id.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// An instance by name, or by id as the API allows.
    ///
    /// # Errors
    /// There is none.
    pub fn instance(&self, zone: &str, name: &str) -> Result<&Instance, ApiError> {
        let path = Scope::zone(zone).path("instances", name);
        let by_id = || self.instances.values().find(|i| i.zone == zone && i.id.to_string() == name);
        self.instances.get(&path).or_else(by_id).ok_or_else(|| ApiError::not_found(&self.full_path(&path)))
    }

    /// An instance by its id alone, if it is still there.
    pub fn instance_by_id(&self, instance: u64) -> Option<&Instance> {
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
        if instance.state.addresses().is_none() {
            return Err(ApiError::not_ready(&self.full_path(&instance.path())));
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
    pub fn operation(&self, scope: &Scope, name: &str) -> Result<&Operation, ApiError> {
        let known = self.operations.get(scope, name);
        known.ok_or_else(|| ApiError::not_found(&self.full_path(&scope.path("operations", name))))
    }

    /// Every operation, by scope and name.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.all()
    }

    /// What is to be carried out yet.
    pub fn pending_work(&self) -> &[Work] {
        &self.pending_work
    }

    /// Forgets an operation.
    ///
    /// # Errors
    /// There is none.
    pub fn delete_operation(&mut self, scope: &Scope, name: &str) -> Result<(), ApiError> {
        let name = self.operation(scope, name)?.name.clone();
        self.operations.remove(scope, &name);
        Ok(())
    }

    /// Creates an instance from its checked definition; `internal` is to be its address if it has none that
    /// is reached from outside.
    ///
    /// # Errors
    /// A name that is taken, or a disk or an address that it cannot have.
    pub fn insert(
        &mut self,
        zone: &str,
        definition: Definition,
        internal: Option<String>,
        context: RequestContext,
        now: SystemTime,
    ) -> Result<Accepted, ApiError> {
        let name = definition.instance.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let path = Scope::zone(zone).path("instances", &name);
        if let Some(known) = self.find_repeated(&context, "insert", &path, now) {
            return Ok((known, None));
        }
        if self.instances.contains_key(&path) {
            return Err(ApiError::already_exists(&self.full_path(&path)));
        }
        let scope = Scope::zone(zone);
        let id = self.next_id();
        let instance = Instance {
            id,
            name,
            zone: zone.to_owned(),
            definition: with_internal_addresses(definition.instance, id, internal),
            state: State::Provisioning,
            operation: None,
            boots: 0,
            console: Console::default(),
            created: now,
            last_start: None,
            last_stop: None,
            last_suspended: None,
        };
        self.check_disks_and_address(&instance, &definition.disks)?;
        let failure = context.failure.or_else(|| self.missing_resource_for_new(&instance, &definition.disks));
        for disk in definition.disks {
            self.add_disk(&scope, disk, now);
        }
        let target = Target { path: path.clone(), id };
        let operation = self.record_operation("insert".into(), scope, target, context.request_id, now);
        let task = Task::Instance { id, before: State::Provisioning, step: Step::Create };
        self.instances.insert(path, Instance { operation: Some(operation.name.clone()), ..instance });
        let work = self.add_work(&operation, task, failure);
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
        context: RequestContext,
        now: SystemTime,
    ) -> Result<Accepted, ApiError> {
        let kind = change.operation_type();
        let requested = Scope::zone(zone).path("instances", name);
        if let Some(known) = self.find_repeated(&context, &kind, &requested, now) {
            return Ok((known, None));
        }
        let instance = self.instance(zone, name)?;
        let (id, before, path) = (instance.id, instance.state, instance.path());
        if instance.operation.is_some() {
            return Err(ApiError::not_ready(&self.full_path(&path)));
        }
        let step = change.step(instance)?;
        let missing_resource =
            step.as_ref().filter(|step| step.brings_up()).and_then(|_| self.missing_resource(instance));
        let failure = context.failure.or(missing_resource);
        let scope = Scope::zone(zone);
        let operation =
            self.record_operation(kind, scope.clone(), Target { path, id }, context.request_id, now);
        let Some(step) = step else {
            self.start_operation(&operation.name, now);
            self.finish_operation(&operation.name, None, now);
            return Ok((self.operation(&scope, &operation.name)?.clone(), None));
        };
        if let Some(instance) = self.instance_mut(id) {
            instance.operation = Some(operation.name.clone());
        }
        let work = self.add_work(&operation, Task::Instance { id, before, step }, failure);
        Ok((operation, Some(work)))
    }

    /// Everything is gone.
    pub fn clear(&mut self) {
        let last_id = self.last_id;
        *self = Self { last_id, ..Self::new(&self.project, SystemTime::UNIX_EPOCH) };
    }

    fn find_repeated(
        &self,
        context: &RequestContext,
        kind: &str,
        target: &str,
        now: SystemTime,
    ) -> Option<Operation> {
        let request = request(context.request_id.clone()?, kind.to_owned().into(), target);
        let accepted = self.requests.find(&request, now)?;
        // It has come further since, unless it was deleted.
        Some(self.operations.get(&accepted.scope, &accepted.name).unwrap_or(accepted).clone())
    }

    fn record_operation(
        &mut self,
        kind: Cow<'static, str>,
        scope: Scope,
        target: Target,
        request_id: Option<RequestId>,
        now: SystemTime,
    ) -> Operation {
        let id = self.next_id();
        let origin = if system_event(&kind).is_some() { "systemevent" } else { "operation" };
        let request = request_id.map(|id| request(id, kind.clone(), &target.path));
        let operation = Operation {
            id,
            name: format!("{origin}-{}-{id:x}", millis(now)),
            scope,
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

    fn add_work(&mut self, operation: &Operation, task: Task, failure: Option<OperationError>) -> Work {
        let work = Work { operation: operation.name.clone(), task, failure };
        self.pending_work.push(work.clone());
        work
    }

    /// A path with the project.
    fn full_path(&self, path: &str) -> String {
        format!("projects/{}/{path}", self.project)
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

fn request(id: RequestId, method: Cow<'static, str>, target: &str) -> Request {
    Request { id, method, target: target.to_owned() }
}
