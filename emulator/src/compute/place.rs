//! Where a resource is, and how the URLs that point there are read.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// A zone of the project.
pub struct Place<'a> {
    pub project: &'a str,
    pub zone: &'a str,
    /// The API's root up to and with the project's name.
    pub project_url: &'a str,
}

/// What a collection is part of: `zones/us-central1-a`, `regions/us-central1` or `global`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope(String);

impl Scope {
    /// All of the project.
    pub fn global() -> Self {
        Self("global".into())
    }

    /// One of its regions.
    pub fn region(name: &str) -> Self {
        Self(format!("regions/{name}"))
    }

    /// One of its zones.
    pub fn zone(name: &str) -> Self {
        Self(format!("zones/{name}"))
    }

    /// The path of a resource, below the project.
    pub fn path(&self, collection: &str, name: &str) -> String {
        format!("{self}/{collection}/{name}")
    }

    /// The name of the field that tells it, if it is a part of the project.
    pub fn field(&self) -> Option<&'static str> {
        match self.0.split_once('/')?.0 {
            "zones" => Some("zone"),
            _ => Some("region"),
        }
    }
}

impl Display for Scope {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A full URL without its root; a partial one as it is.
pub fn resource_path(url: &str) -> &str {
    match url.split_once("/compute/v1/") {
        Some((root, path)) if root.starts_with("http") => path,
        _ => url.trim_start_matches('/'),
    }
}

/// The path below the project of what a URL names, such as `global/instanceTemplates/t`.
///
/// # Errors
/// It is another project's.
pub fn path_in_project<'a>(url: &'a str, project: &str, permission: &str) -> Result<&'a str, ApiError> {
    let path = resource_path(url);
    match path.strip_prefix("projects/").and_then(|rest| rest.split_once('/')) {
        None => Ok(path),
        Some((owner, path)) if owner == project => Ok(path),
        Some(_) => Err(ApiError::forbidden(permission, path)),
    }
}
