//! The methods of the API.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{json, Map, Value};
use tokio::time::{timeout_at, Instant};

use super::call::Call;
use super::lists;
use crate::compute::change::Change;
use crate::compute::edit::Edit;
use crate::compute::host_addresses::{AddressRequest, Ipv4Request};
use crate::compute::place::Place;
use crate::compute::resource::Collection;
use crate::compute::world::Accepted;
use crate::compute::{addresses, disks, images, insert, machine_types, templates, zones};
use crate::discovery::Method;
use crate::emulator::Emulator;
use crate::error::ApiError;
use crate::guest::address_pool::has_ipv6;
use crate::lifecycle::execute;

/// The time after which `zoneOperations.wait` returns, whether or not the operation is done:
/// <https://cloud.google.com/compute/docs/reference/rest/v1/zoneOperations/wait>.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Executes a method. `None` means that the response has no body.
///
/// # Errors
/// Returns the error of the API if the call is refused.
pub async fn call(emulator: &Arc<Emulator>, method: &Method, call: &Call) -> Result<Option<Value>, ApiError> {
    let invocation = Invocation { emulator, call, collection: Collection::of_method(&method.id) };
    match method.id.as_str() {
        "instances.get" => invocation.get(),
        "instances.list" => lists::instances(emulator, call),
        "instances.aggregatedList" => lists::all_instances(emulator, call),
        "instances.insert" => invocation.insert(),
        "instances.start" => invocation.change(Change::Start),
        "instances.stop" => invocation.change(Change::Stop),
        "instances.suspend" => invocation.change(Change::Suspend),
        "instances.resume" => invocation.change(Change::Resume),
        "instances.reset" => invocation.change(Change::Reset),
        "instances.delete" => invocation.change(Change::Delete),
        "instances.setMachineType" => invocation.set_machine_type(),
        "instances.getSerialPortOutput" => invocation.serial_port_output(),
        "zoneOperations.get" | "regionOperations.get" | "globalOperations.get" => invocation.operation(),
        "zoneOperations.wait" | "regionOperations.wait" | "globalOperations.wait" => {
            return invocation.wait().await.map(Some)
        }
        "zoneOperations.list" | "regionOperations.list" | "globalOperations.list" => {
            lists::operations(emulator, call)
        }
        "zoneOperations.delete" | "regionOperations.delete" | "globalOperations.delete" => {
            return invocation.delete_operation().map(|()| None)
        }
        "disks.insert" => invocation.insert_disk(),
        "addresses.insert" => invocation.insert_address(),
        "instanceTemplates.insert" => invocation.insert_template(),
        "disks.get" | "addresses.get" | "instanceTemplates.get" => invocation.resource(),
        "disks.list" | "addresses.list" | "instanceTemplates.list" => {
            lists::resources(emulator, call, &method.id)
        }
        "disks.delete" | "addresses.delete" | "instanceTemplates.delete" => invocation.delete_resource(),
        "regions.get" => zones::region_resource(
            &emulator.project_url(),
            call.path("region"),
            &invocation.quotas(call.path("region")),
        ),
        "regions.list" => lists::regions(emulator, call),
        "zones.get" => zones::resource(&emulator.project_url(), call.path("zone")),
        "zones.list" => lists::zones(emulator, call),
        "machineTypes.get" => invocation.machine_type(),
        "machineTypes.list" => lists::machine_types(emulator, call),
        "images.get" => Ok(images::resource(&invocation.image_url(), call.path("image"))),
        "images.getFromFamily" => {
            images::from_family(call.path("project"), &invocation.image_url(), call.path("family"))
        }
        id => match Edit::of_method(id) {
            Some(edit) => invocation.edit(edit),
            None => Err(ApiError::not_implemented(&format!("compute.{id}"))),
        },
    }
    .map(Some)
}

/// A call with its emulator.
struct Invocation<'a> {
    emulator: &'a Arc<Emulator>,
    call: &'a Call,
    collection: Option<Collection>,
}

impl Invocation<'_> {
    fn get(&self) -> Result<Value, ApiError> {
        let (zone, name) = (self.call.path("zone"), self.call.path("instance"));
        self.emulator.read(|world| Ok(world.instance(zone, name)?.resource(&self.emulator.project_url())))
    }

    fn insert(&self) -> Result<Value, ApiError> {
        if self.call.query.contains_key("sourceMachineImage") {
            return Err(ApiError::not_implemented("sourceMachineImage"));
        }
        let (zone, context) = (self.call.path("zone"), self.call.context()?);
        let project_url = self.emulator.project_url();
        let body = match self.call.query.get("sourceInstanceTemplate") {
            Some(url) => {
                let path = templates::path(url, &self.emulator.options.project)?;
                self.emulator.read(|world| {
                    let template = &world.resource(&path)?.body;
                    Ok(templates::apply(template, self.call.body.clone(), zone))
                })?
            }
            None => self.call.body.clone(),
        };
        let definition = insert::definition(body, &self.place(&project_url))?;
        let interface = definition.instance.get("networkInterfaces").and_then(|interfaces| interfaces.get(0));
        let request = AddressRequest::of(interface);
        if request.v6 && !has_ipv6() {
            return Err(ApiError::not_implemented("IPv6 on a machine without the address ::1"));
        }
        self.execute(self.emulator.change(|world, now| {
            let internal =
                self.internal_address(request, &world.taken_addresses(self.emulator.options.instance_port));
            world.insert(zone, definition, internal, context, now)
        })?)
    }

    /// Returns an internal address that can be reached on this machine. `None` means that the
    /// instance needs none, because it has an external address or a fixed one.
    fn internal_address(&self, request: AddressRequest, taken: &HashSet<SocketAddr>) -> Option<String> {
        let needs_one = request.v4 == Some(Ipv4Request::Ephemeral) && !request.external_v4;
        let address = needs_one.then(|| self.emulator.guests.address_pool().next(taken))?;
        Some(address.ok()?.ip().to_string())
    }

    fn insert_disk(&self) -> Result<Value, ApiError> {
        let mut body = self.call.body.clone();
        if let Some(image) = self.call.query.get("sourceImage") {
            body.insert("sourceImage".into(), json!(image));
        }
        let body = disks::definition(body, &self.place(&self.emulator.project_url()))?;
        self.insert_resource(Collection::Disks, body)
    }

    fn insert_template(&self) -> Result<Value, ApiError> {
        self.insert_resource(Collection::Templates, templates::definition(self.call.body.clone())?)
    }

    fn insert_address(&self) -> Result<Value, ApiError> {
        if self.emulator.guests.address_pool().is_single_address() {
            return Err(ApiError::not_implemented("static addresses where only 127.0.0.1 can be bound"));
        }
        let context = self.call.context()?;
        self.execute(self.emulator.change(|world, now| {
            let next = self
                .emulator
                .guests
                .address_pool()
                .next(&world.taken_addresses(self.emulator.options.instance_port));
            let address = next.map_err(|error| ApiError::bad_state(error.to_string()))?;
            let body = addresses::definition(self.call.body.clone(), address.ip())?;
            world.insert_resource(self.call.scope(), Collection::Addresses, body, context, now)
        })?)
    }

    fn insert_resource(&self, collection: Collection, body: Map<String, Value>) -> Result<Value, ApiError> {
        let (scope, context) = (self.call.scope(), self.call.context()?);
        self.execute(
            self.emulator
                .change(|world, now| world.insert_resource(scope, collection, body, context, now))?,
        )
    }

    fn resource(&self) -> Result<Value, ApiError> {
        self.emulator.read(|world| {
            let resource = world.resource(&self.resource_path())?;
            Ok(resource.resource(&self.emulator.project_url(), &world.users(resource)))
        })
    }

    fn delete_resource(&self) -> Result<Value, ApiError> {
        let (scope, path, context) = (self.call.scope(), self.resource_path(), self.call.context()?);
        self.execute(self.emulator.change(|world, now| world.delete_resource(scope, &path, context, now))?)
    }

    fn resource_path(&self) -> String {
        self.collection.map_or_else(String::new, |collection| {
            self.call.scope().path(collection.name(), self.call.path(collection.parameter()))
        })
    }

    fn quotas(&self, region: &str) -> Value {
        self.emulator.read(|world| world.quotas.resource(region, &world.usage(region)))
    }

    fn change(&self, change: Change) -> Result<Value, ApiError> {
        let (zone, name) = (self.call.path("zone"), self.call.path("instance"));
        let context = self.call.context()?;
        self.execute(self.emulator.change(|world, now| world.change(change, zone, name, context, now))?)
    }

    fn set_machine_type(&self) -> Result<Value, ApiError> {
        let given = self.call.body.get("machineType").and_then(Value::as_str);
        let url = machine_types::url(given, &self.place(&self.emulator.project_url()))?;
        self.change(Change::Edit(Edit::MachineType(url)))
    }

    fn edit(&self, edit: fn(Map<String, Value>) -> Edit) -> Result<Value, ApiError> {
        self.change(Change::Edit(edit(self.call.body.clone())))
    }

    fn serial_port_output(&self) -> Result<Value, ApiError> {
        let number = |name: &str| self.call.query.get(name).and_then(|text| text.parse().ok());
        let (zone, name) = (self.call.path("zone"), self.call.path("instance"));
        let mut output = self
            .emulator
            .read(|world| world.serial_port_output(zone, name, number("port"), number("start")))?;
        let path = format!("zones/{zone}/instances/{name}/serialPort");
        output["selfLink"] = json!(format!("{}/{path}", self.emulator.project_url()));
        Ok(output)
    }

    /// Executes accepted work and returns its operation.
    fn execute(&self, (operation, work): Accepted) -> Result<Value, ApiError> {
        if let Some(work) = work {
            execute(self.emulator, work);
        }
        Ok(operation.resource(&self.emulator.project_url(), &self.emulator.account.email))
    }

    fn operation(&self) -> Result<Value, ApiError> {
        self.read_operation().map(|(resource, _)| resource)
    }

    async fn wait(&self) -> Result<Value, ApiError> {
        let mut changes = self.emulator.watch();
        let deadline = Instant::now() + LONGEST_WAIT;
        loop {
            let (resource, done) = self.read_operation()?;
            if done || timeout_at(deadline, changes.changed()).await.is_err() {
                return Ok(resource);
            }
        }
    }

    fn machine_type(&self) -> Result<Value, ApiError> {
        let (zone, name) = (self.call.path("zone"), self.call.path("machineType"));
        let known = machine_types::find(name).ok_or_else(|| {
            let project = &self.emulator.options.project;
            ApiError::not_found(&format!("projects/{project}/zones/{zone}/machineTypes/{name}"))
        })?;
        Ok(known.resource(&self.place(&self.emulator.project_url())))
    }

    /// Returns the URL of the project in the path, which may be another one in the case of images.
    fn image_url(&self) -> String {
        format!("{}/compute/v1/projects/{}", self.emulator.endpoint, self.call.path("project"))
    }

    fn place<'b>(&'b self, project_url: &'b str) -> Place<'b> {
        Place { project: &self.emulator.options.project, zone: self.call.path("zone"), project_url }
    }

    fn delete_operation(&self) -> Result<(), ApiError> {
        let (scope, name) = (self.call.scope(), self.call.path("operation"));
        self.emulator.change(|world, _| world.delete_operation(&scope, name))
    }

    fn read_operation(&self) -> Result<(Value, bool), ApiError> {
        let (scope, name) = (self.call.scope(), self.call.path("operation"));
        self.emulator.read(|world| {
            let operation = world.operation(&scope, name)?;
            let resource = operation.resource(&self.emulator.project_url(), &self.emulator.account.email);
            Ok((resource, operation.is_done()))
        })
    }
}
