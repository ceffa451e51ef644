//! The ready-made Worker: the public API behind a `fetch` and a `scheduled` handler, configured by
//! the Worker's variables.

use std::cell::OnceCell;
use std::rc::Rc;

use web_sys::{Request, Response};
use worker::{Context, Env};

use crate::admin;
use crate::config::ConfigError;
use crate::error::Error;
use crate::http::url::RequestUrl;
use crate::pages;
use crate::platform::log::log;
use crate::proxy::Proxy;

thread_local! {
    /// Variables do not change while an isolate lives, so they are parsed and checked once.
    static CONFIGURED: OnceCell<Rc<Result<Proxy, ConfigError>>> = const { OnceCell::new() };
}

/// Responds to a request with the proxy that the Worker's variables describe.
pub async fn serve_configured(request: &Request, env: &Env, ctx: &Context) -> Response {
    match configured(env).as_ref() {
        Ok(proxy) => proxy.serve(request, env, ctx).await,
        Err(error) => misconfigured(error, request),
    }
}

/// Passes the schedules of the configured VMs to their objects: the `scheduled` handler of the
/// ready-made Worker.
pub async fn follow_configured_schedules(env: &Env) {
    match configured(env).as_ref() {
        Ok(proxy) => proxy.follow_schedules(env).await,
        Err(error) => {
            let error = Error::Config(error.clone());
            log(error.level(), &error);
        }
    }
}

fn configured(env: &Env) -> Rc<Result<Proxy, ConfigError>> {
    CONFIGURED.with(|cell| Rc::clone(cell.get_or_init(|| Rc::new(Proxy::from_env(env)))))
}

fn misconfigured(error: &ConfigError, request: &Request) -> Response {
    let response = pages::respond(&Error::Config(error.clone()), None, request);
    let url = request.url();
    match admin::path(&RequestUrl::parse(&url)) {
        Some("healthz") => admin::misconfigured(),
        _ => response,
    }
}

#[cfg(feature = "ready-made")]
mod handlers {
    use js_sys::{Array, Promise};
    use wasm_bindgen::prelude::wasm_bindgen;
    use wasm_bindgen::JsValue;
    use web_sys::Request;
    use worker::{worker_sys, Context, Env};

    use crate::platform::executor::run;
    use crate::proxy::Proxy;

    // As `#[event(fetch)]` writes it, except for the executor.
    #[wasm_bindgen]
    pub fn fetch(request: Request, env: Env, ctx: worker_sys::Context) -> Promise {
        let ctx = Context::new(ctx);
        run(async move { crate::serve_configured(&request, &env, &ctx).await.into() })
    }

    /// Handles a cron trigger, whichever it is.
    #[wasm_bindgen]
    pub fn scheduled(_event: JsValue, env: Env) -> Promise {
        run(async move {
            crate::follow_configured_schedules(&env).await;
            JsValue::UNDEFINED
        })
    }

    /// Returns what is wrong with the configuration of a Worker with this environment: the key and
    /// the problem. `undefined` means that it is valid. Used by `vmproxy check`, before the Worker
    /// is deployed.
    #[wasm_bindgen]
    pub fn check(env: Env) -> Option<Array> {
        let error = Proxy::from_env(&env).err()?;
        Some(Array::of2(&error.key.into(), &error.problem.into()))
    }
}
