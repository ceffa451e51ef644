//! The functions that the checks are made of.

use crate::config::ConfigError;

/// Places the error of a value at its key.
pub(super) fn in_key(key: &str, result: Result<(), ConfigError>) -> Result<(), ConfigError> {
    result.map_err(|error| error.nested_in(key))
}

/// Returns the error `problem` at a key unless `holds`.
pub(super) fn require(holds: bool, key: &str, problem: &str) -> Result<(), ConfigError> {
    check(holds, key, || problem.to_owned())
}

/// Does the same as [`require`], but formats the problem only if it is needed.
pub(super) fn check(holds: bool, key: &str, problem: impl FnOnce() -> String) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError::new(key, problem()))
    }
}

/// A rule for a string.
pub(super) type Rule = fn(&str) -> Result<(), ConfigError>;

/// Checks a string that may be missing.
pub(super) fn option(key: &str, value: &Option<String>, rule: Rule) -> Result<(), ConfigError> {
    value.as_deref().map_or(Ok(()), |value| in_key(key, rule(value)))
}

/// Checks every string of an array.
pub(super) fn each(key: &str, values: &[String], rule: Rule) -> Result<(), ConfigError> {
    for (index, value) in values.iter().enumerate() {
        rule(value).map_err(|error| error.nested_in(&format!("{key}[{index}]")))?;
    }
    Ok(())
}
