//! Serving one request.

use std::time::Duration;

use futures::future::{select, Either};
use futures::pin_mut;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Request, Response, ResponseInit};
use worker::{Context, Env};

use super::headers::{for_vm, Client};
use super::origin::Origin;
use super::route::{target, RequestUrl};
use super::socket_origin::{self, Outgoing};
use super::{fetch_origin, Endpoints, ForwardError};
use crate::durable_object::{Command, ObjectClient, Reply, Wake};
use crate::error::Error;
use crate::lifecycle::{Endpoint, Outcome};
use crate::platform::headers::{entries, value};
use crate::platform::{describe, now, sleep};
use crate::vm::{ColdStart, ColdStartRecord, Vm};

/// Answers a request with its VM's answer, after starting the VM if need be.
pub(crate) async fn serve(vm: &Vm, request: &Request, env: &Env, ctx: &Context) -> Result<Response, Error> {
    let exchange = Exchange { vm, request, env, ctx };
    let name = &vm.instance.name;
    let interval = vm.touch_interval();
    let known = Endpoints::with(|endpoints| endpoints.get(name, now(), interval));
    let (endpoint, cold_start) = match known {
        Some(endpoint) => {
            exchange.touch();
            (endpoint, None)
        }
        None => exchange.find(None).await?,
    };
    match exchange.forward(&endpoint).await {
        Ok(response) => marked(response, cold_start),
        Err(ForwardError::NotSent(reason)) => {
            // The VM has gone, or moved: its object finds out, and wakes it again if need be.
            log(name, &format!("is not where it was: {reason}"));
            let (endpoint, cold_start) = exchange.find(Some(endpoint.generation)).await?;
            match exchange.forward(&endpoint).await {
                Ok(response) => marked(response, cold_start),
                Err(ForwardError::NotSent(reason) | ForwardError::NoAnswer(reason)) => {
                    Err(exchange.no_answer(reason))
                }
            }
        }
        Err(ForwardError::NoAnswer(reason)) => Err(exchange.no_answer(reason)),
    }
}

struct Exchange<'a> {
    vm: &'a Vm,
    request: &'a Request,
    env: &'a Env,
    ctx: &'a Context,
}

impl Exchange<'_> {
    /// Asks the VM's object where the VM is; holds until it is there.
    async fn find(&self, unreachable: Option<u64>) -> Result<(Endpoint, Option<ColdStartRecord>), Error> {
        let name = &self.vm.instance.name;
        if unreachable.is_some() {
            Endpoints::with(|endpoints| endpoints.forget(name));
        }
        let wait = self.vm.cold_start != ColdStart::Reject;
        let command = Command::Wake(Wake { unreachable, wait, insist: false });
        match ObjectClient::new(self.env).call(self.vm, &command).await? {
            Reply::Outcome(Outcome::Ready { endpoint, cold_start }) => {
                Endpoints::with(|endpoints| endpoints.learn(name, endpoint, now()));
                Ok((endpoint, cold_start))
            }
            Reply::Outcome(Outcome::Failed(failure)) => Err(Error::from_failure(self.vm, &failure, now())),
            Reply::Pending => Err(Error::Starting { vm: name.clone() }),
            Reply::Status(_) | Reply::Done => Err(Error::internal("the VM's object gave the wrong answer")),
        }
    }

    /// Reports activity in the background, if it is time to.
    fn touch(&self) {
        let (name, interval) = (&self.vm.instance.name, self.vm.touch_interval());
        if !Endpoints::with(|endpoints| endpoints.touch(name, now(), interval)) {
            return;
        }
        let (vm, object) = (self.vm.clone(), ObjectClient::new(self.env));
        self.ctx.wait_until(async move { report_activity(&vm, &object).await });
    }

    async fn forward(&self, endpoint: &Endpoint) -> Result<Response, ForwardError> {
        let url = self.request.url();
        let url = RequestUrl::parse(&url);
        let target = target(self.vm, &url);
        let headers = self.request.headers();
        let client = Client {
            address: value(&headers, "cf-connecting-ip"),
            scheme: url.scheme.to_owned(),
            host: value(&headers, "host").unwrap_or_else(|| url.authority.to_owned()),
        };
        let origin = Origin::of(&self.vm.origin, endpoint).map_err(ForwardError::NotSent)?;
        let (ip, port) = match origin {
            Origin::Socket { ip, port } => (ip, port),
            Origin::Name(base) => {
                return fetch_origin::forward(&base, &target, self.request, &client).await;
            }
        };
        let outgoing = Outgoing {
            method: self.request.method(),
            target,
            host: client.host.clone(),
            content_length: value(&headers, "content-length").and_then(|length| length.parse().ok()),
            headers: for_vm(entries(&headers), &client),
            body: self.request.body(),
        };
        let incoming = socket_origin::forward(ip, port, outgoing).await?;
        let (vm, object) = (self.vm.clone(), ObjectClient::new(self.env));
        let transfer = incoming.transfer;
        self.ctx.wait_until(async move { keep_awake_during(transfer, vm, object).await });
        Ok(incoming.response)
    }

    fn no_answer(&self, reason: String) -> Error {
        Error::NoAnswer { vm: self.vm.instance.name.clone(), reason }
    }
}

/// Drives a transfer to its end and reports activity as long as it lasts: a stream keeps its VM awake.
async fn keep_awake_during(
    mut transfer: std::pin::Pin<Box<dyn std::future::Future<Output = ()>>>,
    vm: Vm,
    object: ObjectClient,
) {
    let name = &vm.instance.name;
    let interval = vm.touch_interval();
    loop {
        let pause = sleep(interval + Duration::from_millis(1));
        pin_mut!(pause);
        match select(transfer, pause).await {
            Either::Left(((), _)) => return,
            Either::Right(((), rest)) => transfer = rest,
        }
        if Endpoints::with(|endpoints| endpoints.touch(name, now(), interval)) {
            report_activity(&vm, &object).await;
        }
    }
}

async fn report_activity(vm: &Vm, object: &ObjectClient) {
    if let Err(error) = object.call(vm, &Command::Touch).await {
        log(&vm.instance.name, &format!("activity could not be reported: {error}"));
    }
}

/// Says in the answer that it took a cold start, and how long each phase was.
fn marked(response: Response, cold_start: Option<ColdStartRecord>) -> Result<Response, Error> {
    let Some(record) = cold_start else { return Ok(response) };
    let ColdStartRecord { token_ms, api_ms, boot_ms, app_ms, total_ms, .. } = record;
    let timing = format!(
        "token;dur={token_ms}, api;dur={api_ms}, boot;dur={boot_ms}, app;dur={app_ms}, total;dur={total_ms}"
    );
    let add = |response: &Response| {
        response.headers().append("server-timing", &timing)?;
        response.headers().set("x-vmproxy-cold-start", "true")
    };
    let mark = || -> Result<Response, JsValue> {
        if add(&response).is_ok() {
            return Ok(response);
        }
        // The headers of an answer that came by fetch() cannot be changed; those of a copy of it can.
        let init: &ResponseInit = response.unchecked_ref();
        let copy = Response::new_with_opt_readable_stream_and_init(response.body().as_ref(), init)?;
        add(&copy)?;
        Ok(copy)
    };
    mark().map_err(|error| Error::internal(describe(&error)))
}

fn log(vm: &str, message: &str) {
    worker::console_log!("vmproxy: {vm}: {message}");
}
