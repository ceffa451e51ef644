//! Scopes of resources, and the URLs that name resources.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// A zone of the project.
pub struct Place<'a> {
    pub project: &'a str,
    pub zone: &'a str,
    /// The API's root up to and including the project's name.
    pub project_url: &'a str,
}

/// The scope of a collection: `zones/us-central1-a`, `regions/us-central1` or `global`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope(String);

impl Scope {
    /// Returns the scope of the whole project.
    pub fn global() -> Self {
        Self("global".into())
    }

    /// Returns the scope of a region.
    pub fn region(name: &str) -> Self {
        Self(format!("regions/{name}"))
    }

    /// Returns the scope of a zone.
    pub fn zone(name: &str) -> Self {
        Self(format!("zones/{name}"))
    }

    /// Returns the path of a resource below the project.
    pub fn path(&self, collection: &str, name: &str) -> String {
        format!("{self}/{collection}/{name}")
    }

    /// Returns the name of the resource's field that holds the scope. `None` means that the scope
    /// is global.
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

/// Strips the root from a full URL, and leaves a partial URL as it is.
pub fn resource_path(url: &str) -> &str {
    match url.split_once("/compute/v1/") {
        Some((root, path)) if root.starts_with("http") => path,
        _ => url.trim_start_matches('/'),
    }
}

/// Returns the path below the project that a URL names, such as `global/instanceTemplates/t`.
///
/// # Errors
/// Returns an error if the URL names another project.
pub fn path_in_project<'a>(url: &'a str, project: &str, permission: &str) -> Result<&'a str, ApiError> {
    let path = resource_path(url);
    match path.strip_prefix("projects/").and_then(|rest| rest.split_once('/')) {
        None => Ok(path),
        Some((owner, path)) if owner == project => Ok(path),
        Some(_) => Err(ApiError::forbidden(permission, path)),
    }
}
