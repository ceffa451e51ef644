//! Telling a VM's object that the VM is in use.

use std::convert::Infallible;
use std::future::Future;
use std::rc::Rc;

use futures::future::{select, Either};
use futures::pin_mut;
use worker::Env;

use super::endpoints::Known;
use super::{colo, log, Endpoints};
use crate::durable_object::{Command, ObjectClient, Reply};
use crate::platform::{now, sleep};
use crate::vm::Vm;

/// Reports activity of a VM. All that one isolate reports together is at most one message per touch interval.
pub(super) struct Reporter {
    vm: Rc<Vm>,
    env: Env,
    /// Whether this is activity.
    counts: bool,
}

impl Reporter {
    pub fn new(vm: &Rc<Vm>, env: &Env, counts: bool) -> Self {
        Self { vm: Rc::clone(vm), env: env.clone(), counts }
    }

    /// Reports as long as the work lasts: a VM is not put to sleep while it answers.
    pub async fn report_during<T>(&self, work: impl Future<Output = T>) -> T {
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
            if self.counts && Endpoints::with(|endpoints| endpoints.touch(name, now(), interval)) {
                self.report().await;
            }
        }
    }

    /// Reports activity, and learns where the VM is now.
    pub async fn report(&self) {
        let name = &self.vm.instance.name;
        match ObjectClient::new(&self.env).call(&self.vm, &Command::Touch).await {
            Ok(Reply::Endpoint(Some(endpoint))) => {
                let known = Known { endpoint, told_at: now() };
                Endpoints::with(|endpoints| endpoints.learn(name, known));
                colo::tell(&self.vm, &self.env, &known).await;
            }
            Ok(_) => {
                Endpoints::with(|endpoints| endpoints.forget(name));
                colo::forget(&self.vm, &self.env).await;
            }
            Err(error) => log(name, &format!("activity could not be reported: {error}")),
        }
    }
}
