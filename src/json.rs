//! Reading JSON into types.

use serde::de::DeserializeOwned;
use serde_json::{from_value, Error, Value};

/// Reads a text in two steps. Straight from the text each type would bring a parser of its own into the wasm.
pub(crate) fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    from_value(serde_json::from_str::<Value>(text)?)
}
