//! What the emulator does for each method that it implements.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{json, Map, Value};
use tokio::time::{timeout_at, Instant};

use super::{lists, Call};
use crate::compute::change::Change;
use crate::compute::edit::Edit;
use crate::compute::place::Place;
use crate::compute::request_id::RequestId;
use crate::compute::world::Begun;
use crate::compute::{images, insert, machine_types, zones};
use crate::discovery::Method;
use crate::emulator::Emulator;
use crate::error::ApiError;
use crate::lifecycle::carry_out;

/// `zoneOperations.wait` answers after two minutes at the latest, done or not:
/// <https://cloud.google.com/compute/docs/reference/rest/v1/zoneOperations/wait>.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Calls a method; some have nothing to answer.
///
/// # Errors
/// What the API refuses.
pub async fn call(emulator: &Arc<Emulator>, method: &Method, call: &Call) -> Result<Option<Value>, ApiError> {
    let calling = Calling { emulator, call };
    match method.id.as_str() {
        "instances.get" => calling.get(),
        "instances.list" => lists::instances(emulator, call),
        "instances.insert" => calling.insert(),
        "instances.start" => calling.change(Change::Start),
        "instances.stop" => calling.change(Change::Stop),
        "instances.suspend" => calling.change(Change::Suspend),
        "instances.resume" => calling.change(Change::Resume),
        "instances.reset" => calling.change(Change::Reset),
        "instances.delete" => calling.change(Change::Delete),
        "instances.setMachineType" => calling.set_machine_type(),
        "instances.setScheduling" => calling.edit(Edit::Scheduling),
        "instances.setMetadata" => calling.edit(Edit::Metadata),
        "instances.setTags" => calling.edit(Edit::Tags),
        "instances.setLabels" => calling.edit(Edit::Labels),
        "instances.getSerialPortOutput" => calling.serial_port_output(),
        "zoneOperations.get" => calling.operation(),
        "zoneOperations.wait" => return calling.wait().await.map(Some),
        "zoneOperations.list" => lists::operations(emulator, call),
        "zoneOperations.delete" => return calling.delete_operation().map(|()| None),
        "zones.get" => zones::resource(&emulator.project_url(), call.path("zone")),
        "zones.list" => lists::zones(emulator, call),
        "machineTypes.get" => calling.machine_type(),
        "machineTypes.list" => lists::machine_types(emulator, call),
        "images.get" => Ok(images::resource(&calling.image_url(), call.path("image"))),
        "images.getFromFamily" => {
            images::of_family(call.path("project"), &calling.image_url(), call.path("family"))
        }
        id => Err(ApiError::not_implemented(&format!("compute.{id}"))),
    }
    .map(Some)
}

impl Call {
    /// A parameter of the path.
    pub fn path(&self, name: &str) -> &str {
        self.path.get(name).map(String::as_str).unwrap_or_default()
    }

    fn request_id(&self) -> Result<Option<RequestId>, ApiError> {
        self.query.get("requestId").map(|text| RequestId::parse(text)).transpose()
    }
}

struct Calling<'a> {
    emulator: &'a Arc<Emulator>,
    call: &'a Call,
}

impl Calling<'_> {
    fn get(&self) -> Result<Value, ApiError> {
        let (zone, name) = (self.call.path("zone"), self.call.path("instance"));
        self.emulator.look(|world| Ok(world.instance(zone, name)?.resource(&self.emulator.project_url())))
    }

    fn insert(&self) -> Result<Value, ApiError> {
        for source in ["sourceInstanceTemplate", "sourceMachineImage"] {
            if self.call.query.contains_key(source) {
                return Err(ApiError::not_implemented(source));
            }
        }
        let zone = self.call.path("zone");
        let request_id = self.call.request_id()?;
        let project_url = self.emulator.project_url();
        let definition = insert::definition(self.call.body.clone(), &self.place(&project_url))?;
        self.begin(self.emulator.change(|world, now| world.insert(zone, definition, request_id, now))?)
    }

    fn change(&self, change: Change) -> Result<Value, ApiError> {
        let (zone, name) = (self.call.path("zone"), self.call.path("instance"));
        let request_id = self.call.request_id()?;
        self.begin(self.emulator.change(|world, now| world.change(change, zone, name, request_id, now))?)
    }

    fn set_machine_type(&self) -> Result<Value, ApiError> {
        let given = self.call.body.get("machineType").and_then(Value::as_str);
        let url = machine_types::url(given, &self.place(&self.emulator.project_url()))?;
        self.change(Change::Edit(Edit::MachineType(url)))
    }

    fn edit(&self, edit: impl FnOnce(Map<String, Value>) -> Edit) -> Result<Value, ApiError> {
        self.change(Change::Edit(edit(self.call.body.clone())))
    }

    fn serial_port_output(&self) -> Result<Value, ApiError> {
        let number = |name: &str| self.call.query.get(name).and_then(|text| text.parse().ok());
        let (zone, name) = (self.call.path("zone"), self.call.path("instance"));
        let mut output = self
            .emulator
            .look(|world| world.serial_port_output(zone, name, number("port"), number("start")))?;
        let path = format!("zones/{zone}/instances/{name}/serialPort");
        output["selfLink"] = json!(format!("{}/{path}", self.emulator.project_url()));
        Ok(output)
    }

    fn begin(&self, (operation, work): Begun) -> Result<Value, ApiError> {
        if let Some(work) = work {
            carry_out(self.emulator, work, self.call.operation_error.clone());
        }
        Ok(operation.resource(&self.emulator.project_url(), &self.emulator.account.email))
    }

    fn operation(&self) -> Result<Value, ApiError> {
        self.look_at_operation().map(|(resource, _)| resource)
    }

    async fn wait(&self) -> Result<Value, ApiError> {
        let mut changes = self.emulator.watch();
        let deadline = Instant::now() + LONGEST_WAIT;
        loop {
            let (resource, done) = self.look_at_operation()?;
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

    /// Images are those of the project in the path.
    fn image_url(&self) -> String {
        format!("{}/compute/v1/projects/{}", self.emulator.endpoint, self.call.path("project"))
    }

    fn place<'b>(&'b self, project_url: &'b str) -> Place<'b> {
        Place { project: &self.emulator.options.project, zone: self.call.path("zone"), project_url }
    }

    fn delete_operation(&self) -> Result<(), ApiError> {
        let (zone, name) = (self.call.path("zone"), self.call.path("operation"));
        self.emulator.change(|world, _| world.delete_operation(zone, name))
    }

    fn look_at_operation(&self) -> Result<(Value, bool), ApiError> {
        let (zone, name) = (self.call.path("zone"), self.call.path("operation"));
        self.emulator.look(|world| {
            let operation = world.operation(zone, name)?;
            let resource = operation.resource(&self.emulator.project_url(), &self.emulator.account.email);
            Ok((resource, operation.is_done()))
        })
    }
}
