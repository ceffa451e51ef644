//! The endpoints in this isolate's memory, so that warm requests wait for nothing.

use std::rc::Rc;
use std::time::Duration;

use crate::lifecycle::Endpoint;
use crate::time::Timestamp;
use crate::vm::{Origin, Vm};

/// An entry for each VM, by its instance's name. There are so few that a list is searched fastest.
#[derive(Debug)]
pub(super) struct IsolateCache(Vec<(String, Entry)>);

/// An isolate's knowledge of one VM.
#[derive(Debug, Default)]
struct Entry {
    cached: Option<CachedEndpoint>,
    /// When activity was last reported.
    reported_at: Option<Timestamp>,
    /// When the colo's cache was last read.
    colo_read_at: Option<Timestamp>,
    /// The origin of the VM, with the endpoint and the template that it was computed from.
    origin: Option<(Endpoint, String, Rc<Origin>)>,
}

/// An endpoint, and when the VM's object reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CachedEndpoint {
    pub endpoint: Endpoint,
    pub fetched_at: Timestamp,
}

impl CachedEndpoint {
    /// Returns how long an endpoint is valid: two touch intervals, so that under steady traffic
    /// each report renews it in time.
    pub fn lifetime(touch_interval: Duration) -> Duration {
        touch_interval * 2
    }

    /// Returns whether the endpoint is still valid.
    pub fn is_valid(&self, now: Timestamp, touch_interval: Duration) -> bool {
        now.since(self.fetched_at) < Self::lifetime(touch_interval)
    }
}

/// The result of a lookup.
pub(super) enum Lookup {
    /// The endpoint is known.
    Hit(CacheHit),
    /// The endpoint is not known. The colo's cache should be read if this is set, which it is once
    /// per touch interval, however many requests are held.
    Miss { should_read_colo: bool },
}

/// A known endpoint.
pub(super) struct CacheHit {
    pub endpoint: Endpoint,
    pub origin: Rc<Origin>,
    /// `true` if the request must report activity now.
    pub is_report_due: bool,
    /// `true` if the endpoint was unknown before.
    pub is_new: bool,
}

impl IsolateCache {
    /// Creates an empty cache.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Looks a VM up for a request, which is activity or not.
    ///
    /// # Errors
    /// As [`Origin::of`].
    pub fn look_up(&mut self, vm: &Vm, now: Timestamp, is_activity: bool) -> Result<Lookup, String> {
        self.entry(&vm.instance.name, |entry| match entry.endpoint(now, vm.touch_interval()) {
            Some(endpoint) => entry.hit(vm, endpoint, now, is_activity, false).map(Lookup::Hit),
            None => {
                let should_read_colo = once_per(vm.touch_interval(), &mut entry.colo_read_at, now).is_ok();
                Ok(Lookup::Miss { should_read_colo })
            }
        })
    }

    /// Returns a VM's endpoint if it is known.
    pub fn get(&self, vm: &Vm, now: Timestamp) -> Option<Endpoint> {
        let (_, entry) = self.0.iter().find(|(name, _)| *name == vm.instance.name)?;
        entry.endpoint(now, vm.touch_interval())
    }

    /// Inserts an endpoint that the VM's object reported. `reported_at` is the time of the report of
    /// activity to which it was the reply; `None` means that there was no such report.
    ///
    /// # Errors
    /// As [`Origin::of`].
    pub fn insert(
        &mut self,
        vm: &Vm,
        cached: CachedEndpoint,
        reported_at: Option<Timestamp>,
        now: Timestamp,
        is_activity: bool,
    ) -> Result<CacheHit, String> {
        self.entry(&vm.instance.name, |entry| {
            entry.reported_at = reported_at.or(entry.reported_at);
            let is_new = entry.endpoint(now, vm.touch_interval()) != Some(cached.endpoint);
            entry.cached = Some(cached);
            entry.hit(vm, cached.endpoint, now, is_activity, is_new)
        })
    }

    /// Removes a VM's endpoint.
    pub fn remove(&mut self, vm: &Vm) {
        self.entry(&vm.instance.name, |entry| entry.cached = None);
    }

    /// Claims the report of activity that is due once per interval.
    ///
    /// # Errors
    /// No report is due for this long.
    pub fn claim_report(&mut self, vm: &Vm, now: Timestamp, interval: Duration) -> Result<(), Duration> {
        self.entry(&vm.instance.name, |entry| once_per(interval, &mut entry.reported_at, now))
    }

    fn entry<T>(&mut self, vm: &str, work: impl FnOnce(&mut Entry) -> T) -> T {
        if let Some((_, entry)) = self.0.iter_mut().find(|(name, _)| name == vm) {
            return work(entry);
        }
        let mut entry = Entry::default();
        let done = work(&mut entry);
        self.0.push((vm.to_owned(), entry));
        done
    }
}

impl Entry {
    fn endpoint(&self, now: Timestamp, touch_interval: Duration) -> Option<Endpoint> {
        let cached = self.cached.filter(|cached| cached.is_valid(now, touch_interval));
        cached.map(|cached| cached.endpoint)
    }

    fn hit(
        &mut self,
        vm: &Vm,
        endpoint: Endpoint,
        now: Timestamp,
        is_activity: bool,
        is_new: bool,
    ) -> Result<CacheHit, String> {
        let origin = self.origin(vm, endpoint)?;
        let is_report_due = is_activity && once_per(vm.touch_interval(), &mut self.reported_at, now).is_ok();
        Ok(CacheHit { endpoint, origin, is_report_due, is_new })
    }

    /// Returns the origin of a VM at this endpoint, which is computed once and not for each
    /// request.
    fn origin(&mut self, vm: &Vm, endpoint: Endpoint) -> Result<Rc<Origin>, String> {
        if let Some((known, template, origin)) = &self.origin {
            if *known == endpoint && *template == vm.origin && origin.binding() == vm.vpc.as_deref() {
                return Ok(Rc::clone(origin));
            }
        }
        let origin = Rc::new(Origin::of(vm, &endpoint)?);
        self.origin = Some((endpoint, vm.origin.clone(), Rc::clone(&origin)));
        Ok(origin)
    }
}

/// Sets `last` to `now` if the interval has passed. An error is the rest of the interval.
fn once_per(interval: Duration, last: &mut Option<Timestamp>, now: Timestamp) -> Result<(), Duration> {
    match last.map(|last| now.since(last)) {
        Some(passed) if passed < interval => Err(interval - passed),
        _ => {
            *last = Some(now);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Instance;
    use std::net::IpAddr;

    const FIVE: Duration = Duration::from_secs(5);
    const ENDPOINT: Endpoint =
        Endpoint { ip: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port: 80, generation: 1 };

    /// A VM whose touch interval is five seconds.
    fn vm(name: &str) -> Vm {
        let vm = Vm { instance: Instance { name: name.into(), ..Instance::default() }, ..Vm::default() };
        assert_eq!(vm.touch_interval(), FIVE);
        vm
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    fn cached(fetched_at: u64) -> CachedEndpoint {
        CachedEndpoint { endpoint: ENDPOINT, fetched_at: at(fetched_at) }
    }

    fn insert(cache: &mut IsolateCache, vm: &Vm, second: u64) {
        cache.insert(vm, cached(second), Some(at(second)), at(second), true).unwrap();
    }

    fn should_read_colo(cache: &mut IsolateCache, vm: &Vm, second: u64) -> bool {
        matches!(cache.look_up(vm, at(second), true), Ok(Lookup::Miss { should_read_colo: true }))
    }

    #[test]
    fn an_endpoint_is_trusted_for_two_intervals() {
        let (mut cache, a) = (IsolateCache::new(), vm("a"));
        assert_eq!(cache.get(&a, at(0)), None);
        insert(&mut cache, &a, 0);
        assert_eq!(cache.get(&a, at(9)), Some(ENDPOINT));
        assert_eq!(cache.get(&vm("b"), at(9)), None);
        assert_eq!(cache.get(&a, at(10)), None);
        insert(&mut cache, &a, 10);
        cache.remove(&a);
        assert_eq!(cache.get(&a, at(11)), None);
    }

    #[test]
    fn activity_is_reported_once_per_interval() {
        let (mut cache, a) = (IsolateCache::new(), vm("a"));
        insert(&mut cache, &a, 0);
        let reported: Vec<u64> = (0..20).filter(|s| cache.claim_report(&a, at(*s), FIVE).is_ok()).collect();
        assert_eq!(reported, [5, 10, 15]);
        assert_eq!(cache.claim_report(&a, at(18), FIVE), Err(Duration::from_secs(2)));
    }

    #[test]
    fn the_colo_is_asked_once_per_interval() {
        let (mut cache, a) = (IsolateCache::new(), vm("a"));
        let read: Vec<u64> = (0..12).filter(|s| should_read_colo(&mut cache, &a, *s)).collect();
        assert_eq!(read, [0, 5, 10]);
        assert!(should_read_colo(&mut cache, &vm("b"), 11));
    }

    #[test]
    fn under_steady_traffic_each_report_renews_the_trust_before_it_ends() {
        let (mut cache, a) = (IsolateCache::new(), vm("a"));
        insert(&mut cache, &a, 0);
        for second in 1..100 {
            match cache.look_up(&a, at(second), true) {
                Ok(Lookup::Hit(hit)) if hit.is_report_due => insert(&mut cache, &a, second),
                Ok(Lookup::Hit(hit)) => assert_eq!(hit.endpoint, ENDPOINT, "{second}"),
                Ok(Lookup::Miss { .. }) | Err(_) => panic!("no endpoint in second {second}"),
            }
        }
    }

    #[test]
    fn a_stream_to_a_vm_that_was_forgotten_still_reports_activity() {
        let (mut cache, a) = (IsolateCache::new(), vm("a"));
        assert!(cache.claim_report(&a, at(0), FIVE).is_ok());
        assert!(cache.claim_report(&a, at(1), FIVE).is_err());
    }

    #[test]
    fn a_request_that_is_no_activity_claims_no_report() {
        let (mut cache, a) = (IsolateCache::new(), vm("a"));
        cache.insert(&a, cached(0), None, at(0), false).unwrap();
        assert!(matches!(cache.look_up(&a, at(1), false), Ok(Lookup::Hit(hit)) if !hit.is_report_due));
        assert!(matches!(cache.look_up(&a, at(2), true), Ok(Lookup::Hit(hit)) if hit.is_report_due));
    }
}
