//! What the emulator does for each method that it implements.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{json, Value};
use tokio::time::{timeout_at, Instant};

use super::Call;
use crate::compute::insert::{self, Place};
use crate::compute::request_id::RequestId;
use crate::compute::world::{Begun, Change};
use crate::compute::zones;
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
    let instances = Calling { emulator, call };
    match method.id.as_str() {
        "instances.get" => instances.get(),
        "instances.list" => instances.list(),
        "instances.insert" => instances.insert(),
        "instances.start" => instances.change(Change::Start),
        "instances.stop" => instances.change(Change::Stop),
        "instances.suspend" => instances.change(Change::Suspend),
        "instances.resume" => instances.change(Change::Resume),
        "instances.delete" => instances.change(Change::Delete),
        "zoneOperations.get" => instances.operation(),
        "zoneOperations.wait" => return instances.wait().await.map(Some),
        "zoneOperations.list" => instances.operations(),
        "zoneOperations.delete" => return instances.delete_operation().map(|()| None),
        "zones.get" => zones::resource(&emulator.project_url(), call.path("zone")),
        "zones.list" => instances.zones(),
        id => Err(ApiError::not_implemented(&format!("compute.{id}"))),
    }
    .map(Some)
}

impl Call {
    fn path(&self, name: &str) -> &str {
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

    fn list(&self) -> Result<Value, ApiError> {
        let zone = self.call.path("zone");
        let url = self.emulator.project_url();
        let items = self.emulator.look(|world| {
            world.instances().filter(|i| i.zone == zone).map(|i| (i.name.clone(), i.resource(&url))).collect()
        });
        self.page("compute#instanceList", &format!("zones/{zone}/instances"), items)
    }

    fn insert(&self) -> Result<Value, ApiError> {
        for source in ["sourceInstanceTemplate", "sourceMachineImage"] {
            if self.call.query.contains_key(source) {
                return Err(ApiError::not_implemented(source));
            }
        }
        let zone = self.call.path("zone");
        let project_url = self.emulator.project_url();
        let place = Place { project: &self.emulator.options.project, zone, project_url: &project_url };
        let request_id = self.call.request_id()?;
        let definition = insert::definition(self.call.body.clone(), &place)?;
        self.begin(self.emulator.change(|world, now| world.insert(zone, definition, request_id, now))?)
    }

    fn change(&self, change: Change) -> Result<Value, ApiError> {
        let (zone, name) = (self.call.path("zone"), self.call.path("instance"));
        let request_id = self.call.request_id()?;
        self.begin(self.emulator.change(|world, now| world.change(change, zone, name, request_id, now))?)
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

    fn operations(&self) -> Result<Value, ApiError> {
        let zone = self.call.path("zone");
        let (url, user) = (self.emulator.project_url(), &self.emulator.account.email);
        let items = self.emulator.look(|world| {
            world
                .operations()
                .filter(|o| o.zone == zone)
                .map(|o| (o.name.clone(), o.resource(&url, user)))
                .collect()
        });
        self.page("compute#operationList", &format!("zones/{zone}/operations"), items)
    }

    fn delete_operation(&self) -> Result<(), ApiError> {
        let (zone, name) = (self.call.path("zone"), self.call.path("operation"));
        self.emulator.change(|world, _| world.delete_operation(zone, name))
    }

    fn zones(&self) -> Result<Value, ApiError> {
        let url = self.emulator.project_url();
        let items =
            zones::names().filter_map(|name| Some((name.clone(), zones::resource(&url, &name).ok()?)));
        self.page("compute#zoneList", "zones", items.collect())
    }

    fn look_at_operation(&self) -> Result<(Value, bool), ApiError> {
        let (zone, name) = (self.call.path("zone"), self.call.path("operation"));
        self.emulator.look(|world| {
            let operation = world.operation(zone, name)?;
            let resource = operation.resource(&self.emulator.project_url(), &self.emulator.account.email);
            Ok((resource, operation.is_done()))
        })
    }

    /// A page of a list that is in the order of its names; the next page begins after the token, which is a
    /// name.
    fn page(&self, kind: &str, path: &str, items: Vec<(String, Value)>) -> Result<Value, ApiError> {
        let query = &self.call.query;
        for parameter in ["filter", "orderBy"] {
            if query.contains_key(parameter) {
                return Err(ApiError::not_implemented(&format!("{parameter} in lists")));
            }
        }
        let size = match query.get("maxResults").and_then(|size| size.parse().ok()) {
            None | Some(0) => 500,
            Some(size) => size,
        };
        let after = query.get("pageToken");
        let mut rest =
            items.into_iter().filter(|(name, _)| after.is_none_or(|after| name > after)).peekable();
        let page: Vec<_> = rest.by_ref().take(size).collect();
        let project = &self.emulator.options.project;
        let mut list = json!({
            "kind": kind,
            "id": format!("projects/{project}/{path}"),
            "selfLink": format!("{}/{path}", self.emulator.project_url()),
        });
        if let (Some((last, _)), Some(_)) = (page.last(), rest.peek()) {
            list["nextPageToken"] = json!(last);
        }
        // Google leaves an empty list out.
        if !page.is_empty() {
            list["items"] = page.into_iter().map(|(_, item)| item).collect();
        }
        Ok(list)
    }
}
