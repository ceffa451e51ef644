//! The ready-made Worker: the public API, and nothing else, behind a `fetch` and a `scheduled` handler.

use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::JsValue;
use web_sys::Request;
use worker::{worker_sys, Context, Env};

use crate::platform::task::run;

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
