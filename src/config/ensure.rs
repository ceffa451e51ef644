//! What the checks are made of.

use super::ConfigError;

/// What holds of the value at a key.
pub(super) fn at(key: &str, result: Result<(), ConfigError>) -> Result<(), ConfigError> {
    result.map_err(|error| error.below(key))
}

pub(super) fn need(holds: bool, key: &str, problem: &str) -> Result<(), ConfigError> {
    check(holds, key, || problem.to_owned())
}

pub(super) fn check(holds: bool, key: &str, problem: impl FnOnce() -> String) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError::new(key, problem()))
    }
}
