//! The Worker's variables and secrets.

use js_sys::Reflect;
use wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::SecretStoreSys;
use worker::Env;

use super::{await_promise, describe};

/// Returns the variable or secret `name`: a string as it is, anything else as JSON. `None` means
/// that it is not set.
///
/// `[[vars.VMS]]` arrives as a JavaScript array, which `Env::object_var` refuses.
pub(crate) fn variable(env: &Env, name: &str) -> Option<String> {
    let value = Reflect::get(env, &JsValue::from_str(name)).ok()?;
    if value.is_undefined() || value.is_null() {
        return None;
    }
    value.as_string().or_else(|| js_sys::JSON::stringify(&value).ok()?.as_string())
}

/// A secret, by where it is stored.
pub(crate) enum Secret {
    /// A secret of the Worker.
    Own(String),
    /// A secret in a Secrets Store, which has to be fetched.
    Stored(SecretStoreSys),
}

/// Returns the secret `name`; `None` means that it is not set.
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
    /// Returns the value.
    ///
    /// # Errors
    /// The text of the exception, if the Secrets Store does not return the value.
    pub async fn read(self) -> Result<String, String> {
        let store = match self {
            Secret::Own(text) => return Ok(text),
            Secret::Stored(store) => store,
        };
        let promise = store.get().map_err(|error| describe(&error))?;
        let value = await_promise(promise).await.map_err(|error| describe(&error))?;
        value
            .as_string()
            .ok_or_else(|| "the Secrets Store returned something that is not a string".to_owned())
    }
}
