//! Where an instance is, and how the URLs that point there are read.

/// A zone of the project.
pub struct Place<'a> {
    pub project: &'a str,
    pub zone: &'a str,
    /// The API's root up to and with the project's name.
    pub project_url: &'a str,
}

/// A full URL without its root; a partial one as it is.
pub fn resource_path(url: &str) -> &str {
    match url.split_once("/compute/v1/") {
        Some((root, path)) if root.starts_with("http") => path,
        _ => url.trim_start_matches('/'),
    }
}
