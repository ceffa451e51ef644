//! What this isolate knows of where VMs are, so that warm requests need not ask.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use crate::lifecycle::Endpoint;
use crate::time::Timestamp;

/// The endpoints that this isolate has been told of, by the instance's name.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    known: HashMap<String, Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    endpoint: Endpoint,
    told_at: Timestamp,
    touched_at: Timestamp,
}

thread_local! {
    static ENDPOINTS: RefCell<Endpoints> = RefCell::default();
}

impl Endpoints {
    /// Does something with this isolate's endpoints.
    pub fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        ENDPOINTS.with_borrow_mut(work)
    }

    /// The VM's endpoint, if it was told less than `interval` ago.
    pub fn get(&self, vm: &str, now: Timestamp, interval: Duration) -> Option<Endpoint> {
        let known = self.known.get(vm)?;
        (now.since(known.told_at) < interval).then_some(known.endpoint)
    }

    /// The VM's object has told where the VM is; asking it was activity.
    pub fn learn(&mut self, vm: &str, endpoint: Endpoint, now: Timestamp) {
        self.known.insert(vm.to_owned(), Known { endpoint, told_at: now, touched_at: now });
    }

    /// The VM is not there any more.
    pub fn forget(&mut self, vm: &str) {
        self.known.remove(vm);
    }

    /// Whether activity is to be reported now: true once per `interval`.
    pub fn touch(&mut self, vm: &str, now: Timestamp, interval: Duration) -> bool {
        let Some(known) = self.known.get_mut(vm) else { return false };
        let due = now.since(known.touched_at) >= interval;
        if due {
            known.touched_at = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const TEN: Duration = Duration::from_secs(10);

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    #[test]
    fn an_endpoint_is_trusted_for_an_interval() {
        let endpoint = Endpoint { ip: IpAddr::from([127, 0, 0, 1]), port: 80, generation: 1 };
        let mut endpoints = Endpoints::default();
        assert_eq!(endpoints.get("a", at(0), TEN), None);
        endpoints.learn("a", endpoint, at(0));
        assert_eq!(endpoints.get("a", at(9), TEN), Some(endpoint));
        assert_eq!(endpoints.get("b", at(9), TEN), None);
        assert_eq!(endpoints.get("a", at(10), TEN), None);
        endpoints.learn("a", endpoint, at(10));
        endpoints.forget("a");
        assert_eq!(endpoints.get("a", at(11), TEN), None);
    }

    #[test]
    fn activity_is_reported_once_per_interval() {
        let endpoint = Endpoint { ip: IpAddr::from([127, 0, 0, 1]), port: 80, generation: 1 };
        let mut endpoints = Endpoints::default();
        endpoints.learn("a", endpoint, at(0));
        let reported: Vec<u64> = (0..40).filter(|s| endpoints.touch("a", at(*s), TEN)).collect();
        assert_eq!(reported, [10, 20, 30]);
        assert!(!endpoints.touch("b", at(99), TEN));
    }
}
