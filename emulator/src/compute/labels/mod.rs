//! The rules of labels: <https://cloud.google.com/compute/docs/labeling-resources#restrictions>.

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::error::ApiError;

const MOST: usize = 64;
const LONGEST: usize = 63;

/// Checks a resource's labels.
///
/// # Errors
/// Returns an error if there are too many labels, or one is invalid.
pub fn check(labels: Option<&Value>) -> Result<(), ApiError> {
    let Some(labels) = labels.and_then(Value::as_object) else { return Ok(()) };
    let refuse = |value: &str, why: &str| Err(ApiError::invalid_field("resource.labels", value, why));
    if labels.len() > MOST {
        return refuse("", &format!("There can be at most {MOST} labels."));
    }
    for (key, value) in labels {
        if !key.starts_with(|first: char| first.is_lowercase()) || !fits(key) {
            return refuse(
                key,
                "Label keys have up to 63 lowercase letters, digits, '_' and '-', a letter first.",
            );
        }
        let value = value.as_str().unwrap_or_default();
        if !fits(value) {
            return refuse(value, "Label values have up to 63 lowercase letters, digits, '_' and '-'.");
        }
    }
    Ok(())
}

/// Returns `true` if a key or a value is valid: "Only lowercase letters, numeric characters,
/// underscores, and dashes. All characters must use UTF-8 encoding, and international characters
/// are allowed."
fn fits(text: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() && !c.is_uppercase() || c == '_' || c == '-';
    text.chars().count() <= LONGEST && text.chars().all(allowed)
}
