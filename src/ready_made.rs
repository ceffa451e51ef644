//! The ready-made Worker: the public API, and nothing else, behind a `fetch` handler.

use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;
use worker::{worker_sys, Context, Env};

use crate::platform::task::run;

// As `#[event(fetch)]` writes it, but for who runs the future.
#[wasm_bindgen]
pub fn fetch(request: Request, env: Env, ctx: worker_sys::Context) -> Promise {
    let ctx = Context::new(ctx);
    run(async move { crate::serve_configured(&request, &env, &ctx).await.into() })
}
