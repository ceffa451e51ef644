//! What this isolate knows of where VMs are, so that warm requests need not ask.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::lifecycle::Endpoint;
use crate::time::Timestamp;
use crate::vm::{Origin, Vm};

/// What is known of each VM, by its instance's name. There are so few that a list is searched fastest.
#[derive(Debug, Default)]
pub(crate) struct Endpoints(Vec<(String, Place)>);

/// What this isolate knows of one VM.
#[derive(Debug, Default)]
struct Place {
    known: Option<Known>,
    /// When activity was last reported.
    touched: Option<Timestamp>,
    /// When the colo's cache was last asked.
    recalled: Option<Timestamp>,
    /// Where requests go, and for which endpoint and template that was worked out.
    origin: Option<(Endpoint, String, Rc<Origin>)>,
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
        let known = self.0.iter().find(|(name, _)| name == vm)?.1.known?;
        known.is_trusted(now, touch_interval).then_some(known.endpoint)
    }

    /// The VM's object has told where the VM is; asking it was activity.
    pub fn learn(&mut self, vm: &str, known: Known) {
        self.at(vm, |place| (place.known, place.touched) = (Some(known), Some(known.told_at)));
    }

    /// The VM's object has told where the VM is, and asking it was no activity.
    pub fn hear(&mut self, vm: &str, known: Known) {
        self.at(vm, |place| place.known = Some(known));
    }

    /// Whether the colo's cache is to be asked for the VM now: true once per touch interval, however many requests are
    /// held.
    pub fn recall(&mut self, vm: &str, now: Timestamp, touch_interval: Duration) -> bool {
        self.at(vm, |place| once_per(touch_interval, &mut place.recalled, now).is_ok())
    }

    /// The VM is not there any more.
    pub fn forget(&mut self, vm: &str) {
        self.at(vm, |place| place.known = None);
    }

    /// Where requests for a VM at this endpoint go. Worked out once, and not for each request.
    ///
    /// # Errors
    /// As [`Origin::of`].
    pub fn origin(&mut self, vm: &Vm, endpoint: &Endpoint) -> Result<Rc<Origin>, String> {
        self.at(&vm.instance.name, |place| {
            if let Some((known, template, origin)) = &place.origin {
                if known == endpoint && *template == vm.origin && origin.binding() == vm.vpc.as_deref() {
                    return Ok(Rc::clone(origin));
                }
            }
            let origin = Rc::new(Origin::of(vm, endpoint)?);
            place.origin = Some((*endpoint, vm.origin.clone(), Rc::clone(&origin)));
            Ok(origin)
        })
    }

    /// Whether activity is to be reported now: once per interval.
    ///
    /// # Errors
    /// How long the last report still does.
    pub fn touch(&mut self, vm: &str, now: Timestamp, interval: Duration) -> Result<(), Duration> {
        self.at(vm, |place| once_per(interval, &mut place.touched, now))
    }

    fn at<T>(&mut self, vm: &str, work: impl FnOnce(&mut Place) -> T) -> T {
        if let Some((_, place)) = self.0.iter_mut().find(|(name, _)| name == vm) {
            return work(place);
        }
        let mut place = Place::default();
        let done = work(&mut place);
        self.0.push((vm.to_owned(), place));
        done
    }
}

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
        let reported: Vec<u64> = (0..20).filter(|s| endpoints.touch("a", at(*s), FIVE).is_ok()).collect();
        assert_eq!(reported, [5, 10, 15]);
        assert_eq!(endpoints.touch("a", at(18), FIVE), Err(Duration::from_secs(2)));
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
            if endpoints.touch("a", at(second), FIVE).is_ok() {
                endpoints.learn("a", known(second));
            }
        }
    }

    #[test]
    fn a_stream_to_a_vm_that_was_forgotten_still_reports_activity() {
        let mut endpoints = Endpoints::default();
        assert!(endpoints.touch("a", at(0), FIVE).is_ok());
        assert!(endpoints.touch("a", at(1), FIVE).is_err());
    }
}
