//! HTTP headers.

use wasm_bindgen::JsCast;
use web_sys::Headers;

/// Every header, in the runtime's order, its name in lower case. Each `set-cookie` is an entry of its own;
/// other repeated headers are one, joined by commas (Fetch standard, "sort and combine").
pub(crate) fn entries(headers: &Headers) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    let Ok(Some(iterator)) = js_sys::try_iter(headers) else { return entries };
    for entry in iterator.flatten() {
        let Ok(pair) = entry.dyn_into::<js_sys::Array>() else { continue };
        if let (Some(name), Some(value)) = (pair.get(0).as_string(), pair.get(1).as_string()) {
            entries.push((name, value));
        }
    }
    entries
}

/// The value of one header.
pub(crate) fn value(headers: &Headers, name: &str) -> Option<String> {
    headers.get(name).ok().flatten()
}
