//! The ready-made Worker: the public API, and nothing else, behind a `fetch` and a `scheduled` handler.

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::JsValue;
use web_sys::Request;
use worker::{worker_sys, Context, Env};

use crate::platform::executor::run;
use crate::proxy::Proxy;

// As `#[event(fetch)]` writes it, but for who runs the future.
#[wasm_bindgen]
pub fn fetch(request: Request, env: Env, ctx: worker_sys::Context) -> Promise {
    let ctx = Context::new(ctx);
    run(async move { crate::serve_configured(&request, &env, &ctx).await.into() })
}

/// A cron trigger has fired. What kind of event it is makes no difference.
#[wasm_bindgen]
pub fn scheduled(_event: JsValue, env: Env) -> Promise {
    run(async move {
        crate::follow_configured_schedules(&env).await;
        JsValue::UNDEFINED
    })
}

/// Returns what is wrong with the configuration of a Worker that has `env`: the key and the problem. `undefined` means
/// that nothing is. For `vmproxy check`, before there is such a Worker.
#[wasm_bindgen]
pub fn check(env: Env) -> Option<Array> {
    let error = Proxy::from_env(&env).err()?;
    Some(Array::of2(&error.key.into(), &error.problem.into()))
}
