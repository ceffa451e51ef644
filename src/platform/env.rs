//! The Worker's variables and secrets.

use js_sys::Reflect;
use wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::SecretStoreSys;
use worker::Env;

use super::{describe, settled};

/// The variable or secret `name`: a string as it is, anything else as JSON. `None` if it is not set.
///
/// `[[vars.VMS]]` arrives as a JavaScript array, which `Env::object_var` refuses.
pub(crate) fn variable(env: &Env, name: &str) -> Option<String> {
    let value = Reflect::get(env, &JsValue::from_str(name)).ok()?;
    if value.is_undefined() || value.is_null() {
        return None;
    }
    value.as_string().or_else(|| js_sys::JSON::stringify(&value).ok()?.as_string())
}

/// A secret, wherever it is kept.
pub(crate) enum Secret {
    /// The Worker's own.
    Own(String),
    /// In a Secrets Store: it has to be fetched.
    Stored(SecretStoreSys),
}

/// The secret `name`; `None` if it is not set.
///
/// See <https://developers.cloudflare.com/secrets-store/integrations/workers/>.
pub(crate) fn secret(env: &Env, name: &str) -> Option<Secret> {
    let binding = Reflect::get(env, &JsValue::from_str(name)).ok()?;
    let can_get =
        binding.is_object() && Reflect::get(&binding, &"get".into()).is_ok_and(|get| get.is_function());
    if can_get {
        return Some(Secret::Stored(binding.unchecked_into()));
    }
    variable(env, name).map(Secret::Own)
}

impl Secret {
    /// What it holds.
    ///
    /// # Errors
    /// The Secrets Store does not give it; the text of the exception.
    pub async fn read(self) -> Result<String, String> {
        let store = match self {
            Secret::Own(text) => return Ok(text),
            Secret::Stored(store) => store,
        };
        let promise = store.get().map_err(|error| describe(&error))?;
        let value = settled(promise).await.map_err(|error| describe(&error))?;
        value.as_string().ok_or_else(|| "the Secrets Store gave something that is no text".to_owned())
    }
}
