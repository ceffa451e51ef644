//! HTTP headers. A call into the runtime costs more than its work here, so several are made as one.

use std::cell::RefCell;

use js_sys::{Array, Function, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Headers;

use super::with_constant;
use crate::text::split_at_byte;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = js_sys::Object)]
    type Calls;

    /// Headers by JavaScript strings: a Rust string would be copied out of WebAssembly at each
    /// call.
    #[wasm_bindgen(extends = Headers)]
    type Strings;

    #[wasm_bindgen(method, catch)]
    fn get(this: &Strings, name: &JsValue) -> Result<Option<String>, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn set(this: &Strings, name: &JsValue, value: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(extends = Array)]
    type Parts;

    #[wasm_bindgen(method)]
    fn join(this: &Parts, separator: &JsValue) -> String;

    /// `Array.prototype.map`: calls a method of `of` with each name.
    #[wasm_bindgen(method, catch, js_name = map)]
    fn each(this: &Calls, method: &Function, of: &Headers) -> Result<Parts, JsValue>;
}

/// Names of headers that are read, or removed, together.
pub(crate) struct Names {
    names: Vec<&'static str>,
    list: Calls,
    get: Function,
    delete: Function,
}

impl Names {
    /// Takes names in lower case.
    pub fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        let list: Array = names.iter().map(|name| JsValue::from_str(name)).collect();
        // `Headers` has both methods; a missing one would throw where it is called.
        let prototype = Headers::new().map(JsValue::from).unwrap_or_default();
        let method = |name: &str| {
            Reflect::get(&prototype, &name.into()).map(JsCast::unchecked_into).unwrap_or_default()
        };
        Self { names, list: list.unchecked_into(), get: method("get"), delete: method("delete") }
    }

    /// Returns the named headers that are present and not empty, in the form of [`lines`].
    pub fn lines_of(&self, headers: &Headers) -> String {
        let Ok(values) = self.list.each(&self.get, headers) else { return String::new() };
        let values = with_constant("\n", |separator| values.join(separator));
        let (mut lines, mut rest) = (String::with_capacity(2 * values.len()), values.as_str());
        for name in &self.names {
            let (value, others) = split_at_byte(rest, b'\n');
            if !value.is_empty() {
                for part in [name, ",", value, "\n"] {
                    lines.push_str(part);
                }
            }
            rest = others.get(1..).unwrap_or_default();
        }
        lines
    }

    /// Removes the named headers.
    ///
    /// # Errors
    /// The exception: the headers cannot be changed.
    pub fn remove_from(&self, headers: &Headers) -> Result<(), JsValue> {
        self.list.each(&self.delete, headers).map(drop)
    }
}

/// Returns every header as a line, `name,value`: the name in lower case, the values of a repeated
/// header joined by commas (Fetch standard, "sort and combine").
pub(crate) fn lines(headers: &Headers) -> String {
    // Each entry is an array, which becomes a string by joining its parts with a comma.
    let entries: Parts = Array::from(headers).unchecked_into();
    with_constant("\n", |separator| entries.join(separator))
}

/// The last value of a header.
struct Last {
    name: &'static str,
    text: String,
    value: JsValue,
}

thread_local! {
    static LAST: RefCell<Vec<Last>> = const { RefCell::new(Vec::new()) };
}

/// Sets a header. The JavaScript string of the last value is reused if the value is the same, as a
/// Worker's host mostly is.
///
/// # Errors
/// The exception: the value is not valid, or the headers cannot be changed.
pub(crate) fn set(headers: &Headers, name: &'static str, text: &str) -> Result<(), JsValue> {
    let headers: &Strings = headers.unchecked_ref();
    let set = |value: &JsValue| with_constant(name, |name| headers.set(name, value));
    LAST.with_borrow_mut(|last| {
        if let Some(last) = last.iter_mut().find(|last| std::ptr::eq(last.name, name)) {
            if last.text != text {
                (last.text, last.value) = (text.to_owned(), JsValue::from_str(text));
            }
            return set(&last.value);
        }
        let value = JsValue::from_str(text);
        let done = set(&value);
        last.push(Last { name, text: text.to_owned(), value });
        done
    })
}

/// Returns the value of one header.
pub(crate) fn value(headers: &Headers, name: &'static str) -> Option<String> {
    let headers: &Strings = headers.unchecked_ref();
    with_constant(name, |name| headers.get(name)).ok().flatten()
}
