//! The project's disks, static addresses and templates.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::{Accepted, RequestContext, World};
use crate::compute::host_addresses::Ipv4Request;
use crate::compute::instance::Instance;
use crate::compute::operation::Target;
use crate::compute::operation_error::OperationError;
use crate::compute::place::{resource_path, Scope};
use crate::compute::quotas;
use crate::compute::resource::{Collection, Resource};
use crate::compute::work::Task;
use crate::error::ApiError;

impl World {
    /// Finds a resource by path, or by id as the API allows.
    ///
    /// # Errors
    /// Returns an error if there is no such resource.
    pub fn resource(&self, path: &str) -> Result<&Resource, ApiError> {
        let by_id = || {
            let (collection, id) = path.rsplit_once('/')?;
            let there = |known: &&Resource| known.path.rsplit_once('/').is_some_and(|(c, _)| c == collection);
            self.resources.values().filter(there).find(|known| known.id.to_string() == id)
        };
        self.resources.get(path).or_else(by_id).ok_or_else(|| ApiError::not_found(&self.full_path(path)))
    }

    /// Returns all resources of a collection, in order.
    pub fn resources(&self, scope: &Scope, collection: Collection) -> impl Iterator<Item = &Resource> {
        let prefix = scope.path(collection.name(), "");
        self.resources.values().filter(move |known| known.path.starts_with(&prefix))
    }

    /// Returns the paths of the instances that use a disk or an address.
    pub fn users(&self, resource: &Resource) -> Vec<String> {
        self.instances().filter(|instance| uses(instance, resource)).map(Instance::path).collect()
    }

    /// Returns the addresses that belong to an instance or are reserved, with the instances' port.
    pub fn taken_addresses(&self, port: u16) -> HashSet<SocketAddr> {
        let reserved = self.resources.values().filter_map(static_ip);
        let internal = self.instances().filter_map(|instance| instance.internal_ip()?.parse().ok());
        let at_port = reserved.chain(internal).map(|ip: IpAddr| SocketAddr::new(ip, port));
        let in_use = self.instances().filter_map(|instance| instance.state.addresses());
        at_port.chain(in_use.flat_map(|addresses| addresses.all())).collect()
    }

    /// Accepts the creation of a resource from its checked definition, which includes the name.
    ///
    /// # Errors
    /// Returns an error if the name is missing or taken.
    pub fn insert_resource(
        &mut self,
        scope: Scope,
        collection: Collection,
        body: Map<String, Value>,
        context: RequestContext,
        now: SystemTime,
    ) -> Result<Accepted, ApiError> {
        let Some(name) = body.get("name").and_then(Value::as_str) else {
            return Err(ApiError::required("resource.name", "A name must be given."));
        };
        let path = scope.path(collection.name(), name);
        if let Some(known) = self.find_repeated(&context, "insert", &path, now) {
            return Ok((known, None));
        }
        let is_coming = |task: &Task| matches!(task, Task::Add(resource) if resource.path == path);
        if self.resources.contains_key(&path) || self.pending_work.iter().any(|work| is_coming(&work.task)) {
            return Err(ApiError::already_exists(&self.full_path(&path)));
        }
        let resource = Resource { id: self.next_id(), path, created: now, body };
        let failure = context.failure.or_else(|| self.missing_quota_for(&scope, &resource));
        let target = Target { path: resource.path.clone(), id: resource.id };
        let operation = self.record_operation("insert".into(), scope, target, context.request_id, now);
        let work = self.add_work(&operation, Task::Add(resource), failure);
        Ok((operation, Some(work)))
    }

    /// Accepts the deletion of a resource.
    ///
    /// # Errors
    /// Returns an error if there is no such resource, or an instance uses it.
    pub fn delete_resource(
        &mut self,
        scope: Scope,
        path: &str,
        context: RequestContext,
        now: SystemTime,
    ) -> Result<Accepted, ApiError> {
        if let Some(known) = self.find_repeated(&context, "delete", path, now) {
            return Ok((known, None));
        }
        let resource = self.resource(path)?;
        if let Some(user) = self.users(resource).first() {
            return Err(self.in_use(resource, user));
        }
        let target = Target { path: resource.path.clone(), id: resource.id };
        let task = Task::Remove(resource.path.clone());
        let operation = self.record_operation("delete".into(), scope, target, context.request_id, now);
        let work = self.add_work(&operation, task, context.failure);
        Ok((operation, Some(work)))
    }

    /// Adds a resource.
    pub fn add_resource(&mut self, resource: Resource) {
        self.resources.insert(resource.path.clone(), resource);
    }

    /// Removes a resource.
    pub fn remove_resource(&mut self, path: &str) {
        self.resources.remove(path);
    }

    /// Adds a disk that is created with its instance.
    pub(super) fn add_disk(&mut self, scope: &Scope, body: Map<String, Value>, now: SystemTime) {
        let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
        let path = scope.path(Collection::Disks.name(), name);
        let id = self.next_id();
        self.add_resource(Resource { id, path, created: now, body });
    }

    /// Checks that a new instance can have its disks and its address.
    pub(super) fn check_disks_and_address(
        &self,
        instance: &Instance,
        made: &[Map<String, Value>],
    ) -> Result<(), ApiError> {
        let scope = Scope::zone(&instance.zone);
        let made: Vec<_> = made
            .iter()
            .filter_map(|disk| disk.get("name")?.as_str())
            .map(|name| scope.path(Collection::Disks.name(), name))
            .collect();
        for path in disks(instance) {
            if made.contains(&path) {
                if self.resources.contains_key(&path) {
                    return Err(ApiError::already_exists(&self.full_path(&path)));
                }
                continue;
            }
            let disk = self.resource(&path)?;
            if let Some(user) = self.users(disk).first() {
                return Err(self.in_use(disk, user));
            }
        }
        self.check_address(instance)
    }

    fn check_address(&self, instance: &Instance) -> Result<(), ApiError> {
        let config =
            instance.definition.get("networkInterfaces").and_then(|i| i.pointer("/0/accessConfigs/0"));
        let Some(ip) = config.and_then(|config| config.get("natIP")).and_then(Value::as_str) else {
            return Ok(());
        };
        let region = instance.region();
        let known = self
            .resources(&Scope::region(region), Collection::Addresses)
            .find(|address| static_ip(address).is_some_and(|known| known.to_string() == ip));
        let Some(address) = known else {
            let why = format!("The specified external IP address '{ip}' was not found in region '{region}'.");
            let field = "resource.networkInterfaces[0].accessConfigs[0].natIP";
            return Err(ApiError::invalid_field(field, ip, &why));
        };
        match self.users(address).is_empty() {
            true => Ok(()),
            false => Err(ApiError::address_in_use(ip)),
        }
    }

    fn in_use(&self, resource: &Resource, user: &str) -> ApiError {
        let kind = if resource.is_in(Collection::Disks) { "disk" } else { "address" };
        ApiError::in_use(kind, &self.full_path(&resource.path), &self.full_path(user))
    }

    fn missing_quota_for(&self, scope: &Scope, resource: &Resource) -> Option<OperationError> {
        let scope = scope.to_string();
        let (_, place) = scope.split_once('/')?;
        if resource.is_in(Collection::Addresses) {
            self.missing_quota(place, &quotas::address_usage())
        } else {
            let region = crate::compute::zones::region_of(place).ok()?;
            self.missing_quota(region, &quotas::disk_usage(&resource.body))
        }
    }
}

/// Returns the paths of an instance's disks.
pub fn disks(instance: &Instance) -> Vec<String> {
    let disks = instance.definition.get("disks").and_then(Value::as_array).into_iter().flatten();
    disks.filter_map(|disk| below_project(disk.get("source")?.as_str()?)).collect()
}

/// Returns the paths of the disks that are deleted with an instance.
pub fn disks_deleted_with(instance: &Instance) -> Vec<String> {
    let disks = instance.definition.get("disks").and_then(Value::as_array).into_iter().flatten();
    let with = disks.filter(|disk| disk.get("autoDelete") == Some(&Value::Bool(true)));
    with.filter_map(|disk| below_project(disk.get("source")?.as_str()?)).collect()
}

fn uses(instance: &Instance, resource: &Resource) -> bool {
    match static_ip(resource) {
        Some(ip) => {
            let address_request = instance.address_request();
            address_request.external_v4 && address_request.v4 == Some(Ipv4Request::Fixed(ip))
        }
        None => resource.is_in(Collection::Disks) && disks(instance).contains(&resource.path),
    }
}

fn static_ip(resource: &Resource) -> Option<IpAddr> {
    let ip = resource.is_in(Collection::Addresses).then(|| resource.body.get("address"))??;
    ip.as_str()?.parse().ok()
}

fn below_project(url: &str) -> Option<String> {
    let mut parts = resource_path(url).splitn(3, '/');
    (parts.next() == Some("projects") && parts.next().is_some()).then(|| parts.next().map(str::to_owned))?
}
