//! HTTP headers. Each call into the runtime costs more than what it does here, so many are made as one.

use std::cell::RefCell;

use js_sys::{Array, Function, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Headers;

use super::constant;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = js_sys::Object)]
    type Calls;

    #[wasm_bindgen(extends = Headers)]
    type Settable;

    #[wasm_bindgen(method, catch)]
    fn set(this: &Settable, name: &JsValue, value: &JsValue) -> Result<(), JsValue>;

    /// `Array.prototype.map`: calls a method of `of` with each name.
    #[wasm_bindgen(method, catch, js_name = map)]
    fn each(this: &Calls, method: &Function, of: &Headers) -> Result<Array, JsValue>;
}

/// Names of headers that are asked for, or removed, together.
pub(crate) struct Names {
    names: Vec<&'static str>,
    list: Calls,
    get: Function,
    delete: Function,
}

impl Names {
    /// Names in lower case.
    pub fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        let list: Array = names.iter().map(|name| JsValue::from_str(name)).collect();
        // `Headers` has both; a method that is none would throw where it is called.
        let prototype = Headers::new().map(JsValue::from).unwrap_or_default();
        let method = |name: &str| {
            Reflect::get(&prototype, &name.into()).map(JsCast::unchecked_into).unwrap_or_default()
        };
        Self { names, list: list.unchecked_into(), get: method("get"), delete: method("delete") }
    }

    /// Those of the headers that are there and not empty, as [`lines`] has them.
    pub fn lines_of(&self, headers: &Headers) -> String {
        let Ok(values) = self.list.each(&self.get, headers) else { return String::new() };
        let values = String::from(values.join("\n"));
        let found = self.names.iter().zip(values.split('\n')).filter(|(_, value)| !value.is_empty());
        let mut lines = String::with_capacity(2 * values.len());
        for part in found.flat_map(|(name, value)| [name, ",", value, "\n"]) {
            lines.push_str(part);
        }
        lines
    }

    /// Removes those that are there.
    ///
    /// # Errors
    /// The exception: the headers cannot be changed.
    pub fn remove_from(&self, headers: &Headers) -> Result<(), JsValue> {
        self.list.each(&self.delete, headers).map(drop)
    }
}

/// Every header as a line, `name,value`: the name in lower case, repeated headers as one, joined by commas (Fetch
/// standard, "sort and combine").
pub(crate) fn lines(headers: &Headers) -> String {
    // Each entry is an array, whose text is its parts joined by a comma.
    Array::from(headers).join("\n").into()
}

/// Sets a header. Its name is made a string of the runtime's once, not at each call.
///
/// # Errors
/// The exception: the value is none, or the headers cannot be changed.
pub(crate) fn set(headers: &Headers, name: &'static str, value: &str) -> Result<(), JsValue> {
    headers.unchecked_ref::<Settable>().set(&constant(name), &JsValue::from_str(value))
}

thread_local! {
    static LAST: RefCell<Vec<(&'static str, String, JsValue)>> = const { RefCell::new(Vec::new()) };
}

/// Sets a header to what is mostly the same value as before, which is not made a string of the runtime's again then.
///
/// # Errors
/// As [`set`].
pub(crate) fn set_again(headers: &Headers, name: &'static str, value: &str) -> Result<(), JsValue> {
    let value = LAST.with_borrow_mut(|last| {
        if let Some((_, _, string)) = last.iter().find(|(of, text, _)| *of == name && text == value) {
            return string.clone();
        }
        let string = JsValue::from_str(value);
        last.retain(|(of, ..)| *of != name);
        last.push((name, value.to_owned(), string.clone()));
        string
    });
    headers.unchecked_ref::<Settable>().set(&constant(name), &value)
}

/// The value of one header.
pub(crate) fn value(headers: &Headers, name: &str) -> Option<String> {
    headers.get(name).ok().flatten()
}
