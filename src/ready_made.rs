//! The ready-made Worker: the public API, and nothing else, behind a `fetch` handler.

use worker::{event, Context, Env, Result};

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, ctx: Context) -> Result<web_sys::Response> {
    Ok(crate::serve_configured(&request, &env, &ctx).await)
}
