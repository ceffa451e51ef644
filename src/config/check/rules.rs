//! The forms of names and addresses. Those of Compute Engine are the patterns of its
//! [discovery document](https://compute.googleapis.com/discovery/v1/apis/compute/v1/rest).

use crate::config::ConfigError;

/// Returns an error with the `rule` unless it `holds` for the string.
pub(super) fn check(text: &str, holds: bool, rule: &str) -> Result<(), ConfigError> {
    match () {
        () if holds => Ok(()),
        () if text.is_empty() => Err(ConfigError::new("", "missing")),
        () => Err(ConfigError::new("", format!("{text:?} is not {rule}"))),
    }
}

/// Checks a Compute Engine name: of an instance, zone, machine type or tag.
pub(super) fn name(text: &str) -> Result<(), ConfigError> {
    let rule = "a Compute Engine name: 1 to 63 lowercase letters, digits or \"-\", starting with a letter, not ending in \"-\"";
    check(text, is_name(text), rule)
}

/// Checks a project: its ID, `domain:id`, or its number.
pub(super) fn project(text: &str) -> Result<(), ConfigError> {
    let rule = "a project number, or a project ID such as \"my-project\" or \"example.com:my-project\"";
    check(text, is_project(text), rule)
}

/// Checks the name or the path of a resource.
pub(super) fn resource(text: &str, forms: &[&str], rule: &str) -> Result<(), ConfigError> {
    check(text, is_name(text) || is_resource(text, forms), rule)
}

/// Checks the path of the boot disk's image.
pub(super) fn image(text: &str) -> Result<(), ConfigError> {
    let forms = ["global/images/*", "global/images/family/*", "zones/*/imageFamilyViews/*"];
    let rule = "an image such as \"projects/debian-cloud/global/images/family/debian-12\"";
    check(text, is_resource(text, &forms), rule)
}

/// Checks the key or value of a
/// [label](https://cloud.google.com/compute/docs/labeling-resources#requirements): lowercase and
/// international letters are allowed.
pub(super) fn label(text: &str, is_key: bool) -> Result<(), ConfigError> {
    let is_letter = |c: char| c.is_ascii_lowercase() || !c.is_ascii();
    let fits = text.chars().all(|c| is_letter(c) || c.is_ascii_digit() || "-_".contains(c));
    let begins = !is_key || text.starts_with(is_letter);
    let rule = "a label: at most 63 lowercase letters, digits, \"-\" or \"_\"; a key starts with a letter";
    check(text, fits && begins && text.chars().count() <= 63, rule)
}

/// Checks the key of a metadata item: `[a-zA-Z0-9-_]{1,128}`.
pub(super) fn metadata_key(text: &str) -> Result<(), ConfigError> {
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let rule = "a metadata key: 1 to 128 letters, digits, \"-\" or \"_\"";
    check(text, fits && (1..=128).contains(&text.len()), rule)
}

/// Checks a service account's email address.
pub(super) fn email(text: &str) -> Result<(), ConfigError> {
    let is_address = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    let rule = "a service account such as \"name@my-project.iam.gserviceaccount.com\" or \"default\"";
    check(text, text == "default" || is_address && is_one_word(text), rule)
}

/// Checks a URL with one of these schemes.
pub(super) fn url(text: &str, schemes: &[&str], rule: &str) -> Result<(), ConfigError> {
    let has_scheme =
        schemes.iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    check(text, has_scheme && is_one_word(text), rule)
}

/// Checks a CSS color. It must not be able to end the declaration that contains it.
pub(super) fn color(text: &str) -> Result<(), ConfigError> {
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"#%., /()-".contains(&b));
    let open = text.bytes().try_fold(0_usize, |open, b| match b {
        b'(' => open.checked_add(1),
        b')' => open.checked_sub(1),
        _ => Some(open),
    });
    let rule = "a CSS color such as \"#2563eb\" or \"light-dark(#2563eb, #7aa7ff)\"";
    check(text, fits && open == Some(0) && !text.is_empty(), rule)
}

/// Checks the form of a language tag (RFC 5646).
pub(super) fn language(text: &str) -> Result<(), ConfigError> {
    let is_part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    check(text, text.split('-').all(is_part), "a language tag such as \"de\" or \"pt-BR\"")
}

/// Checks the public address of a Worker.
pub(super) fn public_address(text: &str) -> Result<(), ConfigError> {
    let host =
        ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or_default();
    let fits = host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    let rule = "a scheme, a host and an optional port, such as \"https://app.example.com\"";
    check(text, fits && !host.is_empty(), rule)
}

/// Checks a request path.
pub(super) fn path(text: &str) -> Result<(), ConfigError> {
    let is_path = text.starts_with('/') && may_be_path(text);
    check(text, is_path, "a path: must start with \"/\", without query, fragment or space")
}

/// Checks a request method in the runtime's spelling.
pub(super) fn method(text: &str) -> Result<(), ConfigError> {
    check(text, consists(text, |b| b.is_ascii_uppercase()), "an uppercase HTTP method such as \"POST\"")
}

/// Checks a pattern for request paths.
pub(super) fn path_pattern(text: &str) -> Result<(), ConfigError> {
    let is_pattern = text.starts_with(['/', '*']) && may_be_path(text);
    check(
        text,
        is_pattern,
        "a path pattern: must start with \"/\" or \"*\", without query, fragment or space",
    )
}

/// Checks a pattern for a `User-Agent`.
pub(super) fn agent_pattern(text: &str) -> Result<(), ConfigError> {
    check(text, !text.is_empty(), "a pattern")
}

/// Checks a country: ISO 3166-1 alpha-2, or `T1`, which is
/// [Cloudflare's code for Tor](https://developers.cloudflare.com/network/onion-routing/).
pub(super) fn country(text: &str) -> Result<(), ConfigError> {
    let is_code = text.len() == 2 && consists(text, |b| b.is_ascii_uppercase());
    check(
        text,
        is_code || text == "T1",
        "a country code: two uppercase letters such as \"DE\", or \"T1\" for Tor",
    )
}

/// Checks a header name (RFC 9110, section 5.1).
pub(super) fn header(text: &str) -> Result<(), ConfigError> {
    let is_name = consists(text, |b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    check(text, is_name, "a header name")
}

/// Checks the name of a secret.
pub(super) fn secret(text: &str) -> Result<(), ConfigError> {
    let is_name = consists(text, |b| b.is_ascii_alphanumeric() || b == b'_');
    let begins = !text.starts_with(|c: char| c.is_ascii_digit());
    check(text, is_name && begins, "a secret name such as \"WAKE_SECRET\"")
}

/// Checks a media type with optional parameters.
pub(super) fn media_type(text: &str) -> Result<(), ConfigError> {
    let is_type = text.contains('/') && consists(text, |b| b.is_ascii_graphic() || b == b' ');
    check(text, is_type, "a media type such as \"text/html; charset=utf-8\"")
}

/// Returns whether the string is not empty and all of its bytes match.
fn consists(text: &str, of: fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(of)
}

fn may_be_path(text: &str) -> bool {
    !text.contains(['?', '#', ' ']) && text.is_ascii()
}

fn is_one_word(text: &str) -> bool {
    !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Matches `[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?`.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase()) && is_label(text)
}

/// Matches a label of a domain name: a name that may also start with a digit.
fn is_label(text: &str) -> bool {
    let fits = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    fits && (1..=63).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-')
}

/// `(?:(?:[-a-z0-9]{1,63}\.)*(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?):)?(?:[0-9]{1,19}|(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?))`
fn is_project(text: &str) -> bool {
    match text.rsplit_once(':') {
        Some((domain, id)) => is_label(id) && domain.split('.').all(is_label),
        None => is_label(text),
    }
}

/// Returns whether this is the path of a resource in one of these forms, in which `*` stands for a
/// name: alone, after its project, or as the complete URL.
fn is_resource(text: &str, forms: &[&str]) -> bool {
    let whole = text.strip_prefix("https://").and_then(|url| url.split_once("/compute/v1/"));
    let whole = whole.filter(|(host, _)| host.split('.').all(is_label));
    let path = whole.map_or(text, |(_, path)| path);
    let path = match path.strip_prefix("projects/").map(|path| path.split_once('/')) {
        None => path,
        Some(Some((project, path))) if is_project(project) => path,
        Some(_) => return false,
    };
    forms.iter().any(|form| {
        let mut parts = path.split('/');
        let fits = |want: &str| parts.next().is_some_and(|part| part == want || want == "*" && is_name(part));
        form.split('/').all(fits) && parts.next().is_none()
    })
}
