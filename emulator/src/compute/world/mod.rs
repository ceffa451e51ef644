//! All state of the project, and the acceptance of changes.

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

/// An accepted operation and its work. `None` means that the operation is done, or that the call is
/// a repeated one.
pub type Accepted = (Operation, Option<Work>);

/// The state of the project. Instances and resources are stored by their path below the project.
#[derive(Serialize, Deserialize)]
pub struct World {
    project: String,
    instances: BTreeMap<String, Instance>,
    resources: BTreeMap<String, Resource>,
    operations: Operations,
    /// The work of the operations that are not done.
    #[serde(rename = "under_way")]
    pending_work: Vec<Work>,
    requests: Requests,
    pub quotas: Quotas,
    pub stockouts: Vec<Stockout>,
    last_id: u64,
}

/// The parts of a request that apply to every change.
#[derive(Default)]
pub struct RequestContext {
    pub request_id: Option<RequestId>,
    /// The error with which the operation fails.
    pub failure: Option<OperationError>,
}

impl World {
    /// Creates an empty project. Ids count up from the time, so that they are as long as Google's
    /// and never repeat.
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

    /// Returns the project's id.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Finds an instance by name, or by id as the API allows.
    ///
    /// # Errors
    /// Returns an error if there is no such instance.
    pub fn instance(&self, zone: &str, name: &str) -> Result<&Instance, ApiError> {
        let path = Scope::zone(zone).path("instances", name);
        let by_id = || self.instances.values().find(|i| i.zone == zone && i.id.to_string() == name);
        self.instances.get(&path).or_else(by_id).ok_or_else(|| ApiError::not_found(&self.full_path(&path)))
    }

    /// Finds an instance by id in all zones.
    pub fn instance_by_id(&self, instance: u64) -> Option<&Instance> {
        self.instances.values().find(|known| known.id == instance)
    }

    /// Returns the output of one of an instance's serial ports, from a byte on.
    ///
    /// # Errors
    /// Returns an error if there is no such instance, or it is not running.
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

    /// Returns all instances, by zone and name.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    /// Finds an operation by name.
    ///
    /// # Errors
    /// Returns an error if there is no such operation.
    pub fn operation(&self, scope: &Scope, name: &str) -> Result<&Operation, ApiError> {
        let known = self.operations.get(scope, name);
        known.ok_or_else(|| ApiError::not_found(&self.full_path(&scope.path("operations", name))))
    }

    /// Returns all operations, by scope and name.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.all()
    }

    /// Returns the work of the operations that are not done.
    pub fn pending_work(&self) -> &[Work] {
        &self.pending_work
    }

    /// Deletes an operation.
    ///
    /// # Errors
    /// Returns an error if there is no such operation.
    pub fn delete_operation(&mut self, scope: &Scope, name: &str) -> Result<(), ApiError> {
        let name = self.operation(scope, name)?.name.clone();
        self.operations.remove(scope, &name);
        Ok(())
    }

    /// Accepts the creation of an instance from its checked definition. `internal` is the address
    /// of an instance that has no external one.
    ///
    /// # Errors
    /// Returns an error if the name is taken, or a disk or an address cannot be used.
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

    /// Accepts a change of an instance.
    ///
    /// # Errors
    /// Returns an error if there is no such instance, another operation is at work on it, or its
    /// state does not allow the change.
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

    /// Removes everything.
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
        // The stored operation has progressed since, unless it was deleted.
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

    /// Returns a path that begins with the project.
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
