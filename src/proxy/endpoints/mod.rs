//! The endpoints of the VMs.
//!
//! An endpoint comes from this isolate's memory, from the colo's cache, or from the VM's object,
//! which alone knows. The [`Resolver`] owns both caches, and alone decides when an entry is
//! inserted and when it is invalidated.

pub(super) mod activity;
mod colo_cache;
mod isolate_cache;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use worker::Env;

use super::cold_start::ColdStartStrategy;
use super::context::RequestContext;
use super::wake_check::{Verdict, WakeCheck};
use crate::config::ConfigError;
use crate::durable_object::{GetEndpoint, Hold, ObjectClient, Touch, Wake, WakeReply};
use crate::error::{Error, Level};
use crate::lifecycle::{Endpoint, Progress};
use crate::platform::log::log;
use crate::platform::now;
use crate::time::Timestamp;
use crate::vm::{ColdStartRecord, Origin, Vm};
use isolate_cache::{CacheHit, CachedEndpoint, IsolateCache, Lookup};

thread_local! {
    static ISOLATE_CACHE: RefCell<IsolateCache> = const { RefCell::new(IsolateCache::new()) };
}

/// Finds a VM's endpoint.
#[derive(Clone, Copy)]
pub(crate) struct Resolver<'r> {
    vm: &'r Vm,
    env: &'r Env,
}

/// The result of a search for a VM.
pub(super) enum Resolution {
    /// The VM serves, possibly after a cold start.
    Ready(ResolvedEndpoint, Option<ColdStartRecord>),
    /// The VM starts, and the request gets this response meanwhile.
    Starting(ColdStartStrategy, Progress),
}

/// The endpoint of a VM, and how it is reached.
pub(super) struct ResolvedEndpoint {
    pub endpoint: Endpoint,
    pub origin: Rc<Origin>,
}

impl<'r> Resolver<'r> {
    /// Returns the resolver of a VM.
    pub fn new(vm: &'r Vm, env: &'r Env) -> Self {
        Self { vm, env }
    }

    /// Finds the VM for a request: in the caches, or by its object, which starts the VM if need be.
    /// Reports activity in the background if a report is due.
    pub(super) async fn resolve(
        &self,
        cx: &RequestContext<'_>,
        wake_check: &WakeCheck<'_>,
    ) -> Result<Resolution, Error> {
        let (now, is_activity) = (now(), wake_check.is_activity);
        let looked_up = ISOLATE_CACHE.with_borrow_mut(|cache| cache.look_up(self.vm, now, is_activity));
        let hit = match looked_up.map_err(origin_error)? {
            Lookup::Hit(hit) => hit,
            Lookup::Miss { should_read_colo } => {
                let cached = if should_read_colo { colo_cache::get(self.vm, self.env).await } else { None };
                match cached.filter(|cached| cached.is_valid(now, self.vm.touch_interval())) {
                    Some(cached) => self.insert(cached, Some(cached.fetched_at), is_activity)?,
                    None => return self.wake_by_object(cx, wake_check, None).await,
                }
            }
        };
        Ok(Resolution::Ready(self.ready(cx, hit), None))
    }

    /// Finds the VM again after the endpoint of this generation could not be reached. The object
    /// searches for the VM, and starts it if need be.
    pub(super) async fn resolve_again(
        &self,
        cx: &RequestContext<'_>,
        wake_check: &WakeCheck<'_>,
        unreachable: u64,
    ) -> Result<Resolution, Error> {
        self.invalidate().await;
        self.wake_by_object(cx, wake_check, Some(unreachable)).await
    }

    /// Makes the object search for the VM in the background, if this request may wake the VM. For a
    /// request that is not sent again: a VM that gets only such requests would otherwise never be
    /// found, while their activity keeps it awake.
    pub(super) fn search_in_background(
        &self,
        cx: &RequestContext<'_>,
        wake_check: &WakeCheck<'_>,
        unreachable: u64,
    ) -> Result<(), ConfigError> {
        let Verdict::Wakes { client } = wake_check.verdict()? else { return Ok(()) };
        run_in_background(cx, async move |resolver| {
            resolver.invalidate().await;
            let wake = Wake { unreachable: Some(unreachable), hold: Hold::No, force: false, client };
            if let Err(error) = ObjectClient::new(resolver.env).call(resolver.vm, wake).await {
                log(error.level(), &error);
            }
        });
        Ok(())
    }

    /// Reports activity to the object, whose reply is the present endpoint. Returns whether the
    /// object has got the report. `fill_colo` also stores the endpoint in the colo's cache.
    async fn report_activity(&self, fill_colo: bool) -> bool {
        match ObjectClient::new(self.env).call(self.vm, Touch).await {
            Ok(Some(endpoint)) => {
                let cached = CachedEndpoint { endpoint, fetched_at: now() };
                // An origin that cannot be computed is the error of the next request.
                let _ = self.insert(cached, Some(cached.fetched_at), false);
                if fill_colo {
                    colo_cache::put(self.vm, self.env, &cached).await;
                }
                true
            }
            Ok(None) => {
                self.invalidate().await;
                true
            }
            Err(error) => {
                let name = &self.vm.instance.name;
                log(Level::Warn, &format_args!("{name}: activity could not be reported: {error}"));
                false
            }
        }
    }

    /// Claims the report of activity that is due once per interval.
    ///
    /// # Errors
    /// No report is due for this long.
    fn claim_report(&self, interval: Duration) -> Result<(), Duration> {
        ISOLATE_CACHE.with_borrow_mut(|cache| cache.claim_report(self.vm, now(), interval))
    }

    /// Returns the VM's address if this isolate knows it.
    pub fn cached_ip(&self) -> Option<IpAddr> {
        ISOLATE_CACHE.with_borrow_mut(|cache| cache.get(self.vm, now())).map(|endpoint| endpoint.ip)
    }

    /// Drops the VM's endpoint from the caches: the VM does not serve, or is about to go down.
    pub async fn invalidate(&self) {
        ISOLATE_CACHE.with_borrow_mut(|cache| cache.remove(self.vm));
        colo_cache::remove(self.vm, self.env).await;
    }

    /// Requests the VM from its object, and waits for the VM if the request is to be held.
    async fn wake_by_object(
        &self,
        cx: &RequestContext<'_>,
        wake_check: &WakeCheck<'_>,
        unreachable: Option<u64>,
    ) -> Result<Resolution, Error> {
        let client = match wake_check.verdict()? {
            Verdict::Wakes { client } => client,
            Verdict::Blocked(rule) => {
                let resolved = self.get_from_object(cx, unreachable, rule, wake_check.is_activity);
                return Ok(Resolution::Ready(resolved.await?, None));
            }
        };
        let (strategy, hold) = ColdStartStrategy::of(self.vm, cx.request, now());
        let wake = Wake { unreachable, hold, force: false, client };
        match ObjectClient::new(self.env).call(self.vm, wake).await? {
            WakeReply::Ready { endpoint, cold_start } => {
                let cached = CachedEndpoint { endpoint, fetched_at: now() };
                let hit = self.insert(cached, Some(cached.fetched_at), false)?;
                // Of all requests that were held, the first fills the colo's cache.
                if hit.is_new {
                    run_in_background(cx, async move |resolver| {
                        colo_cache::put(resolver.vm, resolver.env, &cached).await
                    });
                }
                Ok(Resolution::Ready(ResolvedEndpoint { endpoint, origin: hit.origin }, cold_start))
            }
            WakeReply::Failed(failure) => Err(Error::from_failure(self.vm, &failure, now())),
            WakeReply::Pending(progress) => Ok(Resolution::Starting(strategy, progress)),
        }
    }

    /// Requests the endpoint from the VM's object, for a request that does not wake the VM by this
    /// rule.
    async fn get_from_object(
        &self,
        cx: &RequestContext<'_>,
        unreachable: Option<u64>,
        rule: &'static str,
        is_activity: bool,
    ) -> Result<ResolvedEndpoint, Error> {
        let vm = self.vm.instance.name.clone();
        match ObjectClient::new(self.env).call(self.vm, GetEndpoint).await? {
            None => Err(Error::Asleep { vm, rule }),
            Some(endpoint) if unreachable == Some(endpoint.generation) => {
                let reason = format!("no response at {}, and no search for the VM ({rule})", endpoint.ip);
                Err(Error::NoValidResponse { vm, reason })
            }
            Some(endpoint) => {
                let cached = CachedEndpoint { endpoint, fetched_at: now() };
                Ok(self.ready(cx, self.insert(cached, None, is_activity)?))
            }
        }
    }

    /// Returns the endpoint for a request, and reports activity if a report is due.
    fn ready(&self, cx: &RequestContext<'_>, hit: CacheHit) -> ResolvedEndpoint {
        if hit.is_report_due {
            run_in_background(cx, async move |resolver| {
                resolver.report_activity(true).await;
            });
        }
        ResolvedEndpoint { endpoint: hit.endpoint, origin: hit.origin }
    }

    fn insert(
        &self,
        cached: CachedEndpoint,
        reported_at: Option<Timestamp>,
        is_activity: bool,
    ) -> Result<CacheHit, ConfigError> {
        let inserted = ISOLATE_CACHE
            .with_borrow_mut(|cache| cache.insert(self.vm, cached, reported_at, now(), is_activity));
        inserted.map_err(origin_error)
    }
}

/// Runs a task with a resolver that outlives the response.
fn run_in_background(cx: &RequestContext<'_>, task: impl AsyncFnOnce(Resolver<'_>) + 'static) {
    let (vm, env) = (Rc::clone(cx.vm), cx.env.clone());
    cx.run_in_background(async move { task(Resolver::new(&vm, &env)).await });
}

fn origin_error(problem: String) -> ConfigError {
    ConfigError::new("origin", problem)
}
