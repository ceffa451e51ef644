//! Images, which are names only: <https://cloud.google.com/compute/docs/images/os-details>.

use serde_json::{json, Value};

use crate::error::ApiError;

/// The families of the public projects. Every other project has families of all names.
const FAMILIES: &[(&str, &[&str])] = &[
    (
        "almalinux-cloud",
        &["almalinux-8", "almalinux-9", "almalinux-9-arm64", "almalinux-10", "almalinux-10-arm64"],
    ),
    (
        "centos-cloud",
        &["centos-stream-9", "centos-stream-9-arm64", "centos-stream-10", "centos-stream-10-arm64"],
    ),
    (
        "cos-cloud",
        &[
            "cos-109-lts",
            "cos-113-lts",
            "cos-117-lts",
            "cos-121-lts",
            "cos-125-lts",
            "cos-arm64-109-lts",
            "cos-arm64-113-lts",
            "cos-arm64-117-lts",
            "cos-arm64-121-lts",
            "cos-arm64-125-lts",
            "cos-arm64-beta",
            "cos-arm64-dev",
            "cos-arm64-stable",
            "cos-beta",
            "cos-dev",
            "cos-stable",
        ],
    ),
    ("debian-cloud", &["debian-11", "debian-12", "debian-12-arm64", "debian-13", "debian-13-arm64"]),
    (
        "fedora-coreos-cloud",
        &[
            "fedora-coreos-next",
            "fedora-coreos-next-arm64",
            "fedora-coreos-stable",
            "fedora-coreos-stable-arm64",
            "fedora-coreos-testing",
            "fedora-coreos-testing-arm64",
        ],
    ),
    ("opensuse-cloud", &["opensuse-leap", "opensuse-leap-arm64"]),
    ("rhel-cloud", &["rhel-7", "rhel-8", "rhel-9", "rhel-9-arm64", "rhel-10", "rhel-10-arm64"]),
    (
        "rocky-linux-cloud",
        &[
            "rocky-linux-8",
            "rocky-linux-8-optimized-gcp",
            "rocky-linux-8-optimized-gcp-arm64",
            "rocky-linux-9",
            "rocky-linux-9-arm64",
            "rocky-linux-9-optimized-gcp",
            "rocky-linux-9-optimized-gcp-arm64",
            "rocky-linux-10",
            "rocky-linux-10-arm64",
            "rocky-linux-10-optimized-gcp",
            "rocky-linux-10-optimized-gcp-arm64",
        ],
    ),
    ("suse-cloud", &["sles-12", "sles-15", "sles-15-arm64"]),
    (
        "ubuntu-os-cloud",
        &[
            "ubuntu-2204-lts",
            "ubuntu-2204-lts-arm64",
            "ubuntu-2404-lts-amd64",
            "ubuntu-2404-lts-arm64",
            "ubuntu-minimal-2204-lts",
            "ubuntu-minimal-2204-lts-arm64",
            "ubuntu-minimal-2404-lts-amd64",
            "ubuntu-minimal-2404-lts-arm64",
        ],
    ),
    (
        "windows-cloud",
        &[
            "windows-2016",
            "windows-2016-core",
            "windows-2019",
            "windows-2019-core",
            "windows-2022",
            "windows-2022-core",
            "windows-2025",
            "windows-2025-core",
        ],
    ),
];

/// The end of the name of the one image that each family has.
const VERSION: &str = "-v20251001";

/// Returns the newest image of a family. `url` is the project's.
///
/// # Errors
/// Returns an error if a public project does not have the family.
pub fn from_family(project: &str, url: &str, family: &str) -> Result<Value, ApiError> {
    match FAMILIES.iter().find(|(known, _)| *known == project) {
        Some((_, families)) if !families.contains(&family) => {
            Err(ApiError::not_found(&format!("projects/{project}/global/images/family/{family}")))
        }
        _ => Ok(resource(url, &format!("{family}{VERSION}"))),
    }
}

/// Returns an image. Images of all names exist, because no list of them would ever be complete.
pub fn resource(url: &str, name: &str) -> Value {
    let mut image = json!({
        "kind": "compute#image",
        "id": "4000",
        "name": name,
        "status": "READY",
        "sourceType": "RAW",
        "architecture": if name.contains("arm64") { "ARM64" } else { "X86_64" },
        "diskSizeGb": if name.starts_with("windows") { "50" } else { "10" },
        "creationTimestamp": "2025-10-01T00:00:00.000-07:00",
        "selfLink": format!("{url}/global/images/{name}"),
    });
    if let Some(family) = name.strip_suffix(VERSION) {
        image["family"] = json!(family);
    }
    image
}
