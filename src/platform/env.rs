//! The Worker's variables and secrets.

use wasm_bindgen::JsValue;
use worker::Env;

/// The variable or secret `name`: a string as it is, anything else as JSON. `None` if it is not set.
///
/// `[[vars.VMS]]` arrives as a JavaScript array, which `Env::object_var` refuses.
pub(crate) fn variable(env: &Env, name: &str) -> Option<String> {
    let value = js_sys::Reflect::get(env, &JsValue::from_str(name)).ok()?;
    if value.is_undefined() || value.is_null() {
        return None;
    }
    value.as_string().or_else(|| js_sys::JSON::stringify(&value).ok()?.as_string())
}
