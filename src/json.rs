//! Reading JSON into types.

use serde::de::DeserializeOwned;
use serde_json::{from_str, from_value, Error, Value};

/// Reads a text in two steps. Straight from the text each type would bring a parser of its own into the wasm.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    from_value(from_str::<Value>(text)?)
}
