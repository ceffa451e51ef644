//! Reports of a VM's activity while its responses last.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::time::Duration;

use futures::future::{select, Either};

use super::Resolver;
use crate::platform::{aborted, sleep};
use crate::proxy::context::RequestContext;
use crate::vm::Vm;

/// Reports the activity of one request. All requests of an isolate together send at most one report
/// per touch interval.
///
/// Each report is a subrequest of the request that sends it, whose number is limited. So the
/// reports of a long response become less frequent, and one more follows when it ends.
pub(in crate::proxy) struct ActivityReporter<'r> {
    resolver: Resolver<'r>,
    /// `true` if the request is activity.
    is_activity: bool,
    /// The time for which the last report stays valid.
    interval: Cell<Duration>,
}

impl<'r> ActivityReporter<'r> {
    /// Runs the work of a request, and reports activity meanwhile, so that the VM is not considered
    /// idle. Returns the reporter for the rest of the request as well.
    pub async fn during<T>(
        resolver: Resolver<'r>,
        is_activity: bool,
        work: impl Future<Output = T> + Unpin,
    ) -> (T, Self) {
        let interval = Cell::new(resolver.vm.touch_interval());
        let reporter = Self { resolver, is_activity, interval };
        let output = reporter.report_during(work).await;
        (output, reporter)
    }

    /// Runs the rest of the request in the background, and reports activity meanwhile and at the
    /// end.
    pub fn finish(self, cx: &RequestContext<'_>, rest: Option<Pin<Box<dyn Future<Output = ()>>>>) {
        if rest.is_none() && !self.is_late() {
            return;
        }
        let client = rest.is_some().then(|| cx.request.signal());
        let (vm, env) = (Rc::clone(cx.vm), cx.env.clone());
        let Self { is_activity, interval, .. } = self;
        cx.run_in_background(async move {
            let reporter = ActivityReporter { resolver: Resolver::new(&vm, &env), is_activity, interval };
            if let (Some(rest), Some(client)) = (rest, client) {
                // A client that has disconnected needs neither the rest of the response nor the VM.
                let disconnected = pin!(aborted(&client));
                select(pin!(reporter.report_during(rest)), disconnected).await;
            }
            reporter.flush().await;
        });
    }

    async fn report_during<T>(&self, work: impl Future<Output = T> + Unpin) -> T {
        // The reporter's timer is set first, and is the earliest: the work's own timers need none
        // of the runtime's then.
        match select(pin!(self.keep_reporting()), work).await {
            Either::Left((never, _)) => match never {},
            Either::Right((output, _)) => output,
        }
    }

    /// Returns whether the object does not know how long the work has lasted.
    fn is_late(&self) -> bool {
        self.interval.get() > self.resolver.vm.touch_interval()
    }

    /// Reports the end of the work, from which the idle timeout counts.
    async fn flush(&self) {
        if self.is_late() && self.claim(self.resolver.vm.touch_interval()).is_ok() {
            self.report().await;
        }
    }

    async fn keep_reporting(&self) -> Infallible {
        let shortest = self.resolver.vm.touch_interval();
        let mut left = shortest;
        loop {
            sleep(left).await;
            left = match self.claim(self.interval.get()) {
                Ok(()) => {
                    // A lost report is repeated soon.
                    let interval = if self.report().await { self.interval.get() } else { shortest };
                    self.interval.set(next_interval(self.resolver.vm, interval));
                    self.interval.get()
                }
                Err(left) => left,
            };
        }
    }

    fn claim(&self, interval: Duration) -> Result<(), Duration> {
        if self.is_activity {
            self.resolver.claim_report(interval)
        } else {
            Err(interval)
        }
    }

    async fn report(&self) -> bool {
        // The next report of a long response comes when no isolate trusts this one any longer.
        self.resolver.report_activity(!self.is_late()).await
    }
}

/// Returns the interval after `interval`.
fn next_interval(vm: &Vm, interval: Duration) -> Duration {
    (interval * 2).min(vm.longest_touch_interval())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how long this many reports of one response last, with the interval after the last
    /// one.
    fn lasts(vm: &Vm, reports: usize) -> Duration {
        let next = |interval: &Duration| Some(next_interval(vm, *interval));
        std::iter::successors(Some(vm.touch_interval()), next).take(reports + 1).sum()
    }

    #[test]
    fn a_long_answer_reports_ever_more_seldom_but_soon_enough_to_lose_one_report() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        for idle_timeout in
            [Duration::from_millis(900), Duration::from_secs(60), minutes(15), minutes(24 * 60)]
        {
            let vm = Vm { idle_timeout, ..Vm::default() };
            let mut interval = vm.touch_interval();
            for _ in 0..100 {
                let next = next_interval(&vm, interval);
                assert!(
                    next >= interval && next * 3 <= idle_timeout.max(vm.touch_interval() * 3),
                    "{idle_timeout:?}: {next:?}"
                );
                interval = next;
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
