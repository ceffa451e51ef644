//! Telling a VM's object that the VM is in use.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{select, Either};
use worker::Env;

use super::colo_cache as colo;
use super::isolate_cache::Endpoints;
use super::isolate_cache::Known;
use crate::durable_object::{Command, ObjectClient, Reply};
use crate::platform::log::log;
use crate::platform::{now, sleep};
use crate::vm::Vm;

/// Reports activity of a VM. All that one isolate reports together is at most one message per touch interval.
///
/// Each report is a subrequest of the request that makes it, which may make so many and no more. So a long answer
/// reports ever more seldom, and once again when it ends.
pub(in crate::proxy) struct Reporter {
    vm: Rc<Vm>,
    env: Env,
    /// Whether this is activity.
    counts: bool,
    /// How long the last report does.
    pace: Cell<Duration>,
}

impl Reporter {
    pub fn new(vm: &Rc<Vm>, env: &Env, counts: bool) -> Self {
        Self { vm: Rc::clone(vm), env: env.clone(), counts, pace: Cell::new(vm.touch_interval()) }
    }

    /// Reports as long as the work lasts: a VM is not put to sleep while it answers.
    pub async fn report_during<T>(&self, work: impl Future<Output = T> + Unpin) -> T {
        // Its timer is set first, and is the soonest: the work's own need none of the runtime's then.
        match select(pin!(self.keep_reporting()), work).await {
            Either::Left((never, _)) => match never {},
            Either::Right((output, _)) => output,
        }
    }

    /// Whether the object does not know how long the work has lasted.
    pub fn is_behind(&self) -> bool {
        self.pace.get() > self.vm.touch_interval()
    }

    /// Reports that the work has ended: the idle time is counted from now.
    pub async fn catch_up(&self) {
        if self.is_behind() && self.touch(self.vm.touch_interval()).is_ok() {
            self.report().await;
        }
    }

    async fn keep_reporting(&self) -> Infallible {
        let shortest = self.vm.touch_interval();
        let mut left = shortest;
        loop {
            sleep(left).await;
            left = match self.touch(self.pace.get()) {
                Ok(()) => {
                    // One that was lost is made up for soon.
                    let pace = if self.report().await { self.pace.get() } else { shortest };
                    self.pace.set(slower(&self.vm, pace));
                    self.pace.get()
                }
                Err(left) => left,
            };
        }
    }

    fn touch(&self, interval: Duration) -> Result<(), Duration> {
        if !self.counts {
            return Err(interval);
        }
        Endpoints::with(|endpoints| endpoints.touch(&self.vm.instance.name, now(), interval))
    }

    /// Reports activity, and learns where the VM is now. Returns whether the object knows.
    pub async fn report(&self) -> bool {
        let name = &self.vm.instance.name;
        match ObjectClient::new(&self.env).call(&self.vm, &Command::Touch).await {
            Ok(Reply::Endpoint(Some(endpoint))) => {
                let known = Known { endpoint, told_at: now() };
                Endpoints::with(|endpoints| endpoints.learn(name, known));
                // Of a long answer, the next report comes when nobody trusts this one any more.
                if !self.is_behind() {
                    colo::tell(&self.vm, &self.env, &known).await;
                }
                true
            }
            Ok(_) => {
                Endpoints::with(|endpoints| endpoints.forget(name));
                colo::forget(&self.vm, &self.env).await;
                true
            }
            Err(error) => {
                log(name, &format!("activity could not be reported: {error}"));
                false
            }
        }
    }
}

/// The pace after `pace`.
fn slower(vm: &Vm, pace: Duration) -> Duration {
    (pace * 2).min(vm.longest_touch_interval())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long so many reports of one answer last, the last one's time with them.
    fn lasts(vm: &Vm, reports: usize) -> Duration {
        let paces = std::iter::successors(Some(vm.touch_interval()), |pace| Some(slower(vm, *pace)));
        paces.take(reports + 1).sum()
    }

    #[test]
    fn a_long_answer_reports_ever_more_seldom_but_soon_enough_to_lose_one_report() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        for idle_timeout in
            [Duration::from_millis(900), Duration::from_secs(60), minutes(15), minutes(24 * 60)]
        {
            let vm = Vm { idle_timeout, ..Vm::default() };
            let mut pace = vm.touch_interval();
            for _ in 0..100 {
                let next = slower(&vm, pace);
                assert!(
                    next >= pace && next * 3 <= idle_timeout.max(vm.touch_interval() * 3),
                    "{idle_timeout:?}: {next:?}"
                );
                pace = next;
            }
        }
    }

    #[test]
    fn the_subrequests_of_the_free_plan_last_for_hours() {
        // A few of the 50 are for other things.
        assert!(lasts(&Vm::default(), 44) > Duration::from_secs(3 * 60 * 60));
        assert!(lasts(&Vm::default(), 9_990) > Duration::from_secs(30 * 24 * 60 * 60));
    }
}
