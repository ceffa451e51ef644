//! Deserialization of JSON.

use serde::de::DeserializeOwned;
use serde_json::{from_value, Error, Value};

/// Deserializes a value from JSON in two steps. With `serde_json::from_str` alone, every type would
/// add a parser of its own to the wasm.
pub(crate) fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    from_value(serde_json::from_str::<Value>(text)?)
}
