//! Serving one request.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;

use futures::future::{select, Either};
use futures::pin_mut;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Request, Response, ResponseInit};
use worker::{Context, Env};

use super::headers::{for_vm, Client};
use super::origin::Origin;
use super::route::{target, RequestUrl};
use super::socket_origin::{self, Outgoing};
use super::{fetch_origin, Endpoints, ForwardError, Incoming};
use crate::durable_object::{Command, ObjectClient, Reply, Wake};
use crate::error::Error;
use crate::lifecycle::{Endpoint, Outcome};
use crate::platform::headers::{entries, value};
use crate::platform::{aborted, describe, now, sleep};
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
    let error = match exchange.forward(&endpoint).await {
        Ok(response) => return marked(response, cold_start),
        Err(error) => error,
    };
    log(name, &format!("no answer at {}: {error}", endpoint.ip));
    if !error.may_repeat(&request.method(), request.body().is_some()) {
        return Err(exchange.no_answer(error));
    }
    // The VM has gone, or moved: its object finds out, and wakes it again if need be.
    let (endpoint, cold_start) = exchange.find(Some(endpoint.generation)).await?;
    match exchange.forward(&endpoint).await {
        Ok(response) => marked(response, cold_start),
        Err(error) => Err(exchange.no_answer(error)),
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
            Reply::Status(_) | Reply::Endpoint(_) | Reply::Done => {
                Err(Error::internal("the VM's object gave the wrong answer"))
            }
        }
    }

    /// Reports activity in the background, if it is time to.
    fn touch(&self) {
        let (name, interval) = (&self.vm.instance.name, self.vm.touch_interval());
        if Endpoints::with(|endpoints| endpoints.touch(name, now(), interval)) {
            let reporter = self.reporter();
            self.ctx.wait_until(async move { reporter.report().await });
        }
    }

    fn reporter(&self) -> Reporter {
        Reporter { vm: self.vm.clone(), object: ObjectClient::new(self.env) }
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
                let forwarded = fetch_origin::forward(&base, &target, self.request, &client);
                let incoming = self.reporter().report_during(forwarded).await?;
                return Ok(self.follow(incoming));
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
        let forwarded = socket_origin::forward(ip, port, outgoing);
        let incoming = self.reporter().report_during(forwarded).await?;
        Ok(self.follow(incoming))
    }

    /// Sees the transfer through to its end while the answer is on its way.
    fn follow(&self, Incoming { response, transfer }: Incoming) -> Response {
        if let Some(transfer) = transfer {
            let (reporter, client) = (self.reporter(), self.request.signal());
            self.ctx.wait_until(async move {
                // A client that has gone away needs neither the rest of the answer nor the VM.
                let gone = aborted(&client);
                pin_mut!(gone);
                select(pin!(reporter.report_during(transfer)), gone).await;
            });
        }
        response
    }

    fn no_answer(&self, error: ForwardError) -> Error {
        Error::NoAnswer { vm: self.vm.instance.name.clone(), reason: error.to_string() }
    }
}

/// Tells a VM's object that the VM is in use.
struct Reporter {
    vm: Vm,
    object: ObjectClient,
}

impl Reporter {
    /// Reports activity as long as the work lasts: a VM is not put to sleep while it answers.
    async fn report_during<T>(&self, work: impl Future<Output = T>) -> T {
        let reports = self.keep_reporting();
        pin_mut!(work, reports);
        match select(work, reports).await {
            Either::Left((output, _)) => output,
            Either::Right((never, _)) => match never {},
        }
    }

    async fn keep_reporting(&self) -> Infallible {
        let (name, interval) = (&self.vm.instance.name, self.vm.touch_interval());
        loop {
            sleep(interval).await;
            if Endpoints::with(|endpoints| endpoints.touch(name, now(), interval)) {
                self.report().await;
            }
        }
    }

    /// Reports activity, and learns where the VM is now.
    async fn report(&self) {
        let name = &self.vm.instance.name;
        match self.object.call(&self.vm, &Command::Touch).await {
            Ok(Reply::Endpoint(Some(endpoint))) => {
                Endpoints::with(|endpoints| endpoints.learn(name, endpoint, now()));
            }
            Ok(_) => Endpoints::with(|endpoints| endpoints.forget(name)),
            Err(error) => log(name, &format!("activity could not be reported: {error}")),
        }
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
