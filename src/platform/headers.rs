//! HTTP headers.

use js_sys::Array;
use web_sys::Headers;

/// Every header as a line, `name,value`: the name in lower case, repeated headers as one, joined by commas (Fetch
/// standard, "sort and combine"). One text crosses into wasm, not a list of lists.
pub(crate) fn lines(headers: &Headers) -> String {
    // Each entry is an array, whose text is its parts joined by a comma.
    Array::from(headers).join("\n").into()
}

/// The value of one header.
pub(crate) fn value(headers: &Headers, name: &str) -> Option<String> {
    headers.get(name).ok().flatten()
}
