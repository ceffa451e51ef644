//! `Promise.prototype.then`.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::JsCast;

/// Registers callbacks for a promise.
pub(super) fn then(promise: &Promise, fulfilled: &Function, rejected: &Function) {
    let _ = promise.unchecked_ref::<Thenable>().then(fulfilled, rejected);
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = Promise, js_name = Promise)]
    type Thenable;

    #[wasm_bindgen(method)]
    fn then(this: &Thenable, fulfilled: &Function, rejected: &Function) -> Promise;
}
