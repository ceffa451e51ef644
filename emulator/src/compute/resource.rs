//! The resources besides instances: disks, static addresses and instance templates.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value};

use crate::clock::pacific;

/// A resource, which does not change until it is deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    pub id: u64,
    /// The path below the project, such as `zones/us-central1-a/disks/vm`.
    pub path: String,
    pub created: SystemTime,
    pub body: Map<String, Value>,
}

/// A collection of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    Disks,
    Addresses,
    Templates,
}

impl Collection {
    /// Returns the collection of a method such as `disks.get`.
    pub fn of_method(id: &str) -> Option<Self> {
        match id.split_once('.')?.0 {
            "disks" => Some(Self::Disks),
            "addresses" => Some(Self::Addresses),
            "instanceTemplates" => Some(Self::Templates),
            _ => None,
        }
    }

    /// Returns the collection's name in paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disks => "disks",
            Self::Addresses => "addresses",
            Self::Templates => "instanceTemplates",
        }
    }

    /// Returns the path parameter that names a resource of the collection.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Disks => "disk",
            Self::Addresses => "address",
            Self::Templates => "instanceTemplate",
        }
    }

    /// Returns the name of the resources' schema in the discovery document.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Disks => "Disk",
            Self::Addresses => "Address",
            Self::Templates => "InstanceTemplate",
        }
    }

    fn of_path(path: &str) -> Option<Self> {
        let all = [Self::Disks, Self::Addresses, Self::Templates];
        all.into_iter().find(|collection| path.rsplit('/').nth(1) == Some(collection.name()))
    }
}

impl Resource {
    /// Returns the resource's name.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Returns `true` if the resource belongs to a collection.
    pub fn is_in(&self, collection: Collection) -> bool {
        Collection::of_path(&self.path) == Some(collection)
    }

    /// Returns the resource as the API shows it. `project_url` ends in the project's name; `users`
    /// are paths below it.
    pub fn resource(&self, project_url: &str, users: &[String]) -> Value {
        let mut resource = self.body.clone();
        let mut set = |name: &str, value: Value| resource.insert(name.to_owned(), value);
        set("id", json!(self.id.to_string()));
        set("name", json!(self.name()));
        set("creationTimestamp", json!(pacific(self.created)));
        set("selfLink", json!(format!("{project_url}/{}", self.path)));
        match self.path.split('/').collect::<Vec<_>>().as_slice() {
            ["zones", zone, ..] => _ = set("zone", json!(format!("{project_url}/zones/{zone}"))),
            ["regions", region, ..] => _ = set("region", json!(format!("{project_url}/regions/{region}"))),
            _ => {}
        }
        let Some(collection) = Collection::of_path(&self.path) else { return Value::Object(resource) };
        let schema = collection.schema();
        set("kind", json!(format!("compute#{}{}", schema[..1].to_lowercase(), &schema[1..])));
        match collection {
            Collection::Disks => _ = set("status", json!("READY")),
            Collection::Addresses => {
                set("status", json!(if users.is_empty() { "RESERVED" } else { "IN_USE" }));
            }
            Collection::Templates => {}
        }
        if !users.is_empty() {
            let urls: Vec<_> = users.iter().map(|user| format!("{project_url}/{user}")).collect();
            set("users", json!(urls));
        }
        Value::Object(resource)
    }
}
