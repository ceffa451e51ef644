//! The context that the stages of a request share.

use std::future::Future;
use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use web_sys::Request;
use worker::{Context, Env};

use crate::http::url::RequestUrl;
use crate::platform::executor::run;
use crate::platform::{await_promise, cf};
use crate::vm::Vm;
use crate::wake::RequestInfo;

/// A request, its VM, and its surroundings.
pub(super) struct RequestContext<'r> {
    /// The VM that serves the URL.
    pub vm: &'r Rc<Vm>,
    pub url: &'r RequestUrl<'r>,
    pub request: &'r Request,
    pub env: &'r Env,
    pub ctx: &'r Context,
}

impl RequestContext<'_> {
    /// Runs a task that outlives the response.
    pub fn run_in_background(&self, task: impl Future<Output = ()> + 'static) {
        let done = run(async {
            task.await;
            JsValue::UNDEFINED
        });
        keep_alive(self.ctx, done);
    }
}

/// As the rules of `wake` see it: a property is read when a rule needs it.
impl RequestInfo for RequestContext<'_> {
    fn method(&self) -> String {
        self.request.method()
    }

    fn path(&self) -> &str {
        self.url.path
    }

    fn header(&self, name: &str) -> Option<String> {
        self.request.headers().get(name).ok().flatten()
    }

    fn country(&self) -> Option<String> {
        cf::country(self.request)
    }

    fn is_of_verified_bot(&self) -> bool {
        cf::is_of_verified_bot(self.request)
    }
}

/// Keeps the Worker alive until a promise settles. Not generic, so that its code is needed once.
fn keep_alive(ctx: &Context, promise: Promise) {
    ctx.wait_until(async { drop(await_promise(promise).await) });
}
