//! Helpers for the JSON objects of request bodies.

use serde_json::{json, Map, Value};

/// Sets a field that is not set yet.
pub fn set_default(object: &mut Map<String, Value>, name: &str, value: Value) {
    object.entry(name).or_insert(value);
}

/// Returns a field that the schema defines as an array. A missing field becomes an empty array.
pub fn array_mut<'a>(object: &'a mut Map<String, Value>, name: &str) -> &'a mut Vec<Value> {
    match object.entry(name).or_insert_with(|| json!([])) {
        Value::Array(elements) => elements,
        _ => unreachable!("the schema defines {name} as an array"),
    }
}
