//! Serving one request.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;

use futures::future::select;
use futures::pin_mut;
use wasm_bindgen::JsValue;
use web_sys::{Request, Response};
use worker::{Context, Env};

use super::cold_start::ColdAnswer;
use super::endpoints::activity::Reporter;
use super::endpoints::colo_cache as colo;
use super::endpoints::isolate_cache::Endpoints;
use super::endpoints::isolate_cache::Known;
use super::response::public_location;
use super::route::{target, RequestUrl};
use super::wake_check::Waking;
use crate::durable_object::{Command, ObjectClient, Reply, Wake};
use crate::error::Error;
use crate::http::headers::{for_vm, Client, HeaderLines, FORWARDED, TELLING};
use crate::http::http1::Field;
use crate::http::websocket::handshake::{is_asked_for, Handshake};
use crate::lifecycle::{Endpoint, Outcome, Progress};
use crate::platform::executor::run;
use crate::platform::fetch::{amend, Fetcher};
use crate::platform::headers::{lines, value, Names};
use crate::platform::log::log;
use crate::platform::{aborted, now, random_bytes, settled};
use crate::time::Timestamp;
use crate::upstream::error::ForwardError;
use crate::upstream::fetch as fetch_origin;
use crate::upstream::incoming::Incoming;
use crate::upstream::socket::{self as socket_origin, Outgoing};
use crate::vm::{ColdStartRecord, Origin, Vm};

thread_local! {
    static ALL_TELLING: Names = Names::new(TELLING);
    static TELLING_OR_TOLD: Names = Names::new(TELLING.into_iter().chain(FORWARDED));
}

/// Answers a request with its VM's answer, after starting the VM if need be.
pub(crate) async fn serve(
    vm: &Rc<Vm>,
    url: &RequestUrl<'_>,
    request: &Request,
    env: &Env,
    ctx: &Context,
) -> Result<Response, Error> {
    let waking = Waking::new(vm, url, request, env);
    let counts = waking.counts()?;
    let exchange = Exchange { vm, url, request, env, ctx, waking, counts };
    let now = now();
    let mut found = match exchange.known(now).await {
        Some(endpoint) => {
            exchange.touch(now);
            Found::Ready(endpoint, None)
        }
        None => exchange.find(None).await?,
    };
    let mut is_repeated = false;
    loop {
        let (endpoint, cold_start) = match found {
            Found::Ready(endpoint, cold_start) => (endpoint, cold_start),
            Found::Starting(answer, progress) => {
                return answer.while_starting(vm, url.target, progress).await
            }
        };
        let error = match exchange.forward(&endpoint).await {
            Ok(response) => return marked(response, cold_start),
            Err(error) => error,
        };
        if is_repeated || !error.may_repeat(&request.method(), request.body().is_some()) {
            return Err(exchange.no_answer(error));
        }
        log(&vm.instance.name, &format!("no answer at {}: {error}", endpoint.ip));
        // The VM has gone, or moved: its object finds out, and wakes it again if need be.
        found = exchange.find(Some(endpoint.generation)).await?;
        is_repeated = true;
    }
}

struct Exchange<'a> {
    vm: &'a Rc<Vm>,
    url: &'a RequestUrl<'a>,
    request: &'a Request,
    env: &'a Env,
    ctx: &'a Context,
    waking: Waking<'a>,
    /// Whether it keeps the VM awake.
    counts: bool,
}

/// What a VM's object says when it is asked for the VM.
enum Found {
    /// It is there, perhaps after a cold start.
    Ready(Endpoint, Option<ColdStartRecord>),
    /// It starts, and the request gets this meanwhile.
    Starting(ColdAnswer, Progress),
}

impl Exchange<'_> {
    /// Where the VM is, as far as this isolate or this colo knows.
    async fn known(&self, now: Timestamp) -> Option<Endpoint> {
        let (name, interval) = (&self.vm.instance.name, self.vm.touch_interval());
        let own = Endpoints::with(|endpoints| endpoints.get(name, now, interval));
        if own.is_some() {
            return own;
        }
        if !Endpoints::with(|endpoints| endpoints.recall(name, now, interval)) {
            return None;
        }
        let known = colo::recall(self.vm, self.env).await.filter(|known| known.is_trusted(now, interval))?;
        Endpoints::with(|endpoints| endpoints.learn(name, known));
        Some(known.endpoint)
    }

    /// Asks the VM's object where the VM is; held until it is there, if this request is to be held.
    async fn find(&self, unreachable: Option<u64>) -> Result<Found, Error> {
        let name = &self.vm.instance.name;
        if unreachable.is_some() {
            Endpoints::with(|endpoints| endpoints.forget(name));
            colo::forget(self.vm, self.env).await;
        }
        if let Some(rule) = self.waking.refused_by()? {
            return Ok(Found::Ready(self.find_awake(unreachable, rule).await?, None));
        }
        let answer = ColdAnswer::of(self.vm, self.request);
        let (hold, client) = (answer.hold(self.vm, now()), self.waking.client());
        let command = Command::Wake(Wake { unreachable, hold, force: false, client });
        match ObjectClient::new(self.env).call(self.vm, &command).await? {
            Reply::Outcome(Outcome::Ready { endpoint, cold_start }) => {
                self.learn(endpoint);
                Ok(Found::Ready(endpoint, cold_start))
            }
            Reply::Outcome(Outcome::Failed(failure)) => Err(Error::from_failure(self.vm, &failure, now())),
            Reply::Pending(progress) => Ok(Found::Starting(answer, progress)),
            Reply::Status(_) | Reply::Endpoint(_) | Reply::Done | Reply::Forbidden => {
                Err(Error::internal("the VM's object gave the wrong answer"))
            }
        }
    }

    /// Asks the VM's object where the VM is, for a request that does not wake it by this rule.
    async fn find_awake(&self, unreachable: Option<u64>, rule: &'static str) -> Result<Endpoint, Error> {
        let vm = self.vm.instance.name.clone();
        match ObjectClient::new(self.env).call(self.vm, &Command::GetEndpoint).await? {
            Reply::Endpoint(None) => Err(Error::Asleep { vm, rule }),
            Reply::Endpoint(Some(endpoint)) if unreachable == Some(endpoint.generation) => {
                let reason = format!("no answer at {}, and no search for it ({rule})", endpoint.ip);
                Err(Error::NoAnswer { vm, reason })
            }
            Reply::Endpoint(Some(endpoint)) => {
                let now = now();
                Endpoints::with(|endpoints| endpoints.hear(&vm, Known { endpoint, told_at: now }));
                self.touch(now);
                Ok(endpoint)
            }
            _ => Err(Error::internal("the VM's object gave the wrong answer")),
        }
    }

    fn learn(&self, endpoint: Endpoint) {
        let (name, interval) = (&self.vm.instance.name, self.vm.touch_interval());
        let known = Known { endpoint, told_at: now() };
        let is_news = Endpoints::with(|endpoints| {
            let before = endpoints.get(name, known.told_at, interval);
            endpoints.learn(name, known);
            before != Some(endpoint)
        });
        // Of all requests that were held, the first tells the others' isolates.
        if !is_news {
            return;
        }
        let (vm, env) = (Rc::clone(self.vm), self.env.clone());
        self.in_background(async move { colo::tell(&vm, &env, &known).await });
    }

    /// Reports activity in the background, if it is time to.
    fn touch(&self, now: Timestamp) {
        let (name, interval) = (&self.vm.instance.name, self.vm.touch_interval());
        if self.counts && Endpoints::with(|endpoints| endpoints.touch(name, now, interval)).is_ok() {
            let reporter = Reporter::new(self.vm, self.env, true);
            self.in_background(async move {
                let _ = reporter.report().await;
            });
        }
    }

    async fn forward(&self, endpoint: &Endpoint) -> Result<Response, ForwardError> {
        let target = target(self.vm, self.url);
        let reporter = Reporter::new(self.vm, self.env, self.counts);
        let origin = Endpoints::with(|endpoints| endpoints.origin(self.vm, endpoint));
        let origin = origin.map_err(ForwardError::NotSent)?;
        let incoming = match origin.as_ref() {
            &Origin::Socket { ip, port } => {
                let headers = HeaderLines::from_lines(lines(&self.request.headers()));
                let client = self.client(&headers);
                let outgoing = self.outgoing(&headers, &client, target);
                let forwarded = pin!(socket_origin::forward(ip, port, outgoing));
                reporter.report_during(forwarded).await
            }
            Origin::Fetch { base, binding } => {
                let telling = if self.vm.trust_forwarded { &TELLING_OR_TOLD } else { &ALL_TELLING };
                let telling = telling.with(|names| names.lines_of(&self.request.headers()));
                let telling = HeaderLines::from_lines(telling);
                let (fetcher, client) = (Fetcher::of(self.env, binding.as_deref()), self.client(&telling));
                let (fetcher, url) =
                    (fetcher.map_err(ForwardError::NotSent)?, [base.as_str(), &target].concat());
                let forwarded = pin!(fetch_origin::forward(&fetcher, &url, self.request, &telling, &client));
                reporter.report_during(forwarded).await
            }
        };
        let (response, transfer) = match incoming {
            Ok(Incoming { response, transfer }) => (Ok(response), transfer),
            Err(error) => (Err(error), None),
        };
        if let Some(transfer) = transfer {
            let client = self.request.signal();
            self.in_background(async move {
                // A client that has gone away needs neither the rest of the answer nor the VM.
                let gone = aborted(&client);
                pin_mut!(gone);
                select(pin!(reporter.report_during(transfer)), gone).await;
                reporter.catch_up().await;
            });
        } else if reporter.is_behind() {
            self.in_background(async move { reporter.catch_up().await });
        }
        self.relocated(response?, &origin)
    }

    /// Goes on with something when the request has been answered.
    fn in_background(&self, work: impl Future<Output = ()> + 'static) {
        let done = run(async {
            work.await;
            JsValue::UNDEFINED
        });
        self.ctx.wait_until(async { drop(settled(done).await) });
    }

    fn client<'h>(&'h self, headers: &'h HeaderLines) -> Client<'h> {
        Client {
            address: headers.get("cf-connecting-ip"),
            scheme: self.url.scheme,
            host: headers.get("host").unwrap_or(self.url.authority),
            is_trusted: self.vm.trust_forwarded,
        }
    }

    fn outgoing<'h>(&self, headers: &'h HeaderLines, client: &'h Client<'h>, target: String) -> Outgoing<'h> {
        let method = self.request.method();
        let for_vm = for_vm(headers, client);
        let (handshake, for_vm) = if is_asked_for(&method, headers.get("upgrade")) {
            let owned = |(name, value): Field<'_>| (name.into_owned(), value.into_owned());
            let (handshake, asking) = Handshake::new(for_vm.into_iter().map(owned).collect(), random_bytes());
            (Some(handshake), asking.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
        } else {
            (None, for_vm)
        };
        Outgoing {
            method,
            target,
            host: self.vm.host_header.clone().unwrap_or_else(|| client.host.to_owned()),
            content_length: headers.get("content-length").and_then(|length| length.parse().ok()),
            headers: for_vm,
            body: self.request.body(),
            connect_timeout: self.vm.connect_timeout,
            response_timeout: self.vm.response_timeout,
            handshake,
        }
    }

    /// Shows the client the public address where the VM redirects to its own.
    fn relocated(&self, response: Response, origin: &Origin) -> Result<Response, ForwardError> {
        // A Location has a meaning with these alone (RFC 9110, section 10.2.2).
        if !matches!(response.status(), 201 | 300..=399) {
            return Ok(response);
        }
        let location = value(&response.headers(), "location");
        match location.and_then(|location| public_location(&location, &origin.base(), self.vm, self.url)) {
            Some(public) => {
                amend(response, |headers| headers.set("location", &public)).map_err(ForwardError::Invalid)
            }
            None => Ok(response),
        }
    }

    fn no_answer(&self, error: ForwardError) -> Error {
        let (vm, reason) = (self.vm.instance.name.clone(), error.to_string());
        match error {
            ForwardError::Late(_) => Error::Late { vm, reason },
            _ => Error::NoAnswer { vm, reason },
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
    let marked = amend(response, |headers| {
        headers.append("server-timing", &timing)?;
        headers.set("x-vmproxy-cold-start", "true")
    });
    marked.map_err(Error::internal)
}
