//! What this isolate knows of where VMs are, so that warm requests need not ask.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use super::origin::Origin;
use crate::lifecycle::Endpoint;
use crate::time::Timestamp;
use crate::vm::Vm;

/// The endpoints that this isolate has been told of, by the instance's name, and when it last reported activity.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    known: HashMap<String, Known>,
    touched: HashMap<String, Timestamp>,
    recalled: HashMap<String, Timestamp>,
    origins: HashMap<String, (Endpoint, String, Rc<Origin>)>,
}

/// Where a VM is, and when its object said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub endpoint: Endpoint,
    pub told_at: Timestamp,
}

impl Known {
    /// Two touch intervals, so that under steady traffic each report brings the news before it is needed.
    pub fn trusted_for(touch_interval: Duration) -> Duration {
        touch_interval * 2
    }

    /// Whether it was said so recently that it can be trusted.
    pub fn is_trusted(&self, now: Timestamp, touch_interval: Duration) -> bool {
        now.since(self.told_at) < Self::trusted_for(touch_interval)
    }
}

thread_local! {
    static ENDPOINTS: RefCell<Endpoints> = RefCell::default();
}

impl Endpoints {
    /// Does something with this isolate's endpoints.
    pub fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        ENDPOINTS.with_borrow_mut(work)
    }

    /// The VM's endpoint, if what is known of it can be trusted.
    pub fn get(&self, vm: &str, now: Timestamp, touch_interval: Duration) -> Option<Endpoint> {
        let known = self.known.get(vm)?;
        known.is_trusted(now, touch_interval).then_some(known.endpoint)
    }

    /// The VM's object has told where the VM is; asking it was activity.
    pub fn learn(&mut self, vm: &str, known: Known) {
        self.known.insert(vm.to_owned(), known);
        self.touched.insert(vm.to_owned(), known.told_at);
    }

    /// The VM's object has told where the VM is, and asking it was no activity.
    pub fn hear(&mut self, vm: &str, known: Known) {
        self.known.insert(vm.to_owned(), known);
    }

    /// Whether the colo's cache is to be asked for the VM now: true once per touch interval, however many requests are
    /// held.
    pub fn recall(&mut self, vm: &str, now: Timestamp, touch_interval: Duration) -> bool {
        once_per(touch_interval, &mut self.recalled, vm, now)
    }

    /// The VM is not there any more.
    pub fn forget(&mut self, vm: &str) {
        self.known.remove(vm);
    }

    /// Where requests for a VM at this endpoint go. Worked out once, and not for each request.
    ///
    /// # Errors
    /// As [`Origin::of`].
    pub fn origin(&mut self, vm: &Vm, endpoint: &Endpoint) -> Result<Rc<Origin>, String> {
        let name = &vm.instance.name;
        if let Some((known, template, origin)) = self.origins.get(name) {
            if known == endpoint && *template == vm.origin && origin.binding() == vm.vpc.as_deref() {
                return Ok(Rc::clone(origin));
            }
        }
        let origin = Rc::new(Origin::of(vm, endpoint)?);
        self.origins.insert(name.clone(), (*endpoint, vm.origin.clone(), Rc::clone(&origin)));
        Ok(origin)
    }

    /// Whether activity is to be reported now: true once per touch interval.
    pub fn touch(&mut self, vm: &str, now: Timestamp, touch_interval: Duration) -> bool {
        once_per(touch_interval, &mut self.touched, vm, now)
    }
}

fn once_per(interval: Duration, last: &mut HashMap<String, Timestamp>, vm: &str, now: Timestamp) -> bool {
    let due = last.get(vm).is_none_or(|last| now.since(*last) >= interval);
    if due {
        last.insert(vm.to_owned(), now);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const FIVE: Duration = Duration::from_secs(5);
    const ENDPOINT: Endpoint =
        Endpoint { ip: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port: 80, generation: 1 };

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    fn known(told_at: u64) -> Known {
        Known { endpoint: ENDPOINT, told_at: at(told_at) }
    }

    #[test]
    fn an_endpoint_is_trusted_for_two_intervals() {
        let mut endpoints = Endpoints::default();
        assert_eq!(endpoints.get("a", at(0), FIVE), None);
        endpoints.learn("a", known(0));
        assert_eq!(endpoints.get("a", at(9), FIVE), Some(ENDPOINT));
        assert_eq!(endpoints.get("b", at(9), FIVE), None);
        assert_eq!(endpoints.get("a", at(10), FIVE), None);
        endpoints.learn("a", known(10));
        endpoints.forget("a");
        assert_eq!(endpoints.get("a", at(11), FIVE), None);
    }

    #[test]
    fn activity_is_reported_once_per_interval() {
        let mut endpoints = Endpoints::default();
        endpoints.learn("a", known(0));
        let reported: Vec<u64> = (0..20).filter(|s| endpoints.touch("a", at(*s), FIVE)).collect();
        assert_eq!(reported, [5, 10, 15]);
    }

    #[test]
    fn the_colo_is_asked_once_per_interval() {
        let mut endpoints = Endpoints::default();
        let asked: Vec<u64> = (0..12).filter(|s| endpoints.recall("a", at(*s), FIVE)).collect();
        assert_eq!(asked, [0, 5, 10]);
        assert!(endpoints.recall("b", at(11), FIVE));
    }

    #[test]
    fn under_steady_traffic_each_report_renews_the_trust_before_it_ends() {
        let mut endpoints = Endpoints::default();
        endpoints.learn("a", known(0));
        for second in 1..100 {
            assert_eq!(endpoints.get("a", at(second), FIVE), Some(ENDPOINT), "{second}");
            if endpoints.touch("a", at(second), FIVE) {
                endpoints.learn("a", known(second));
            }
        }
    }

    #[test]
    fn a_stream_to_a_vm_that_was_forgotten_still_reports_activity() {
        let mut endpoints = Endpoints::default();
        assert!(endpoints.touch("a", at(0), FIVE));
        assert!(!endpoints.touch("a", at(1), FIVE));
    }
}
