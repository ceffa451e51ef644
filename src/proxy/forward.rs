//! Forwarding a request: resolve, send, and once more if the VM has gone or moved.

use std::pin::pin;

use web_sys::Response;

use super::context::RequestContext;
use super::endpoints::activity::ActivityReporter;
use super::endpoints::{Resolution, ResolvedEndpoint, Resolver};
use super::response::for_client;
use super::route::target;
use super::wake_check::WakeCheck;
use crate::error::{Error, Level};
use crate::platform::fetch::Fetcher;
use crate::platform::log::log;
use crate::upstream::{fetcher_of, ForwardError, Upstream, UpstreamRequest};
use crate::vm::ColdStartRecord;

/// Responds to a request with its VM's response, after starting the VM if need be.
pub(super) async fn with_retry(cx: &RequestContext<'_>) -> Result<Response, Error> {
    let fetcher = fetcher_of(cx.vm, cx.env)?;
    let wake_check = WakeCheck::new(cx)?;
    let resolver = Resolver::new(cx.vm, cx.env);
    let forwarder = Forwarder { cx, resolver, fetcher, is_activity: wake_check.is_activity };
    let mut resolution = resolver.resolve(cx, &wake_check).await?;
    let mut is_retry = false;
    loop {
        let (resolved, cold_start) = match resolution {
            Resolution::Ready(resolved, cold_start) => (resolved, cold_start),
            Resolution::Starting(strategy, progress) => {
                return strategy.respond(cx.vm, cx.url.target, progress).await
            }
        };
        let error = match forwarder.forward(&resolved, cold_start).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let (name, unreachable) = (&cx.vm.instance.name, resolved.endpoint.generation);
        if is_retry || !error.is_retryable(&cx.request.method(), cx.request.body().is_some()) {
            if !is_retry && error.implicates_vm() {
                resolver.search_in_background(cx, &wake_check, unreachable)?;
            }
            return Err(error.into_error(name));
        }
        log(Level::Warn, &format_args!("{name}: no response at {}: {error}", resolved.endpoint.ip));
        resolution = resolver.resolve_again(cx, &wake_check, unreachable).await?;
        is_retry = true;
    }
}

/// Forwards a request to an endpoint.
struct Forwarder<'r> {
    cx: &'r RequestContext<'r>,
    resolver: Resolver<'r>,
    fetcher: Fetcher,
    is_activity: bool,
}

impl Forwarder<'_> {
    /// Sends the request and returns the response for the client. The rest of the bodies follows in
    /// the background.
    async fn forward(
        &self,
        ResolvedEndpoint { origin, .. }: &ResolvedEndpoint,
        cold_start: Option<ColdStartRecord>,
    ) -> Result<Response, ForwardError> {
        let cx = self.cx;
        let target = target(cx.vm, cx.url);
        let request = UpstreamRequest { request: cx.request, url: cx.url, target, vm: cx.vm };
        let upstream = Upstream { origin, fetcher: &self.fetcher };
        let sending = pin!(upstream.send(request));
        let (sent, reporter) = ActivityReporter::during(self.resolver, self.is_activity, sending).await;
        let (response, body_task) = match sent {
            Ok(sent) => (Ok(sent.response), sent.body_task),
            Err(error) => (Err(error), None),
        };
        reporter.finish(cx, body_task);
        for_client(response?, cx, origin, cold_start)
    }
}
