//! What a Worker does with a [`Vm`]: serve requests with it, start and stop it, ask how it is.

use std::net::IpAddr;

use web_sys::{Request, Response};
use worker::{Context, Env};

use crate::admin;
use crate::compute::TakeDown;
use crate::config::{check_schedule, check_vm, ConfigError};
use crate::durable_object::{Command, Hold, ObjectClient, Reply, TakeDownRequest, Wake};
use crate::error::Error;
use crate::lifecycle::{Endpoint, Outcome};
use crate::platform::now;
use crate::platform::time_zone::is_zone;
use crate::proxy::{Endpoints, Proxy};
use crate::vm::{Status, Vm, VmState};

impl Vm {
    /// Answers a request with the VM's answer: starts the VM if it is not running, waits until its health path
    /// answers, and forwards. Below `/_vmproxy/` the proxy answers itself. Whatever goes wrong is an answer too
    /// (RFC 9457), and its reason is in the log.
    ///
    /// A Worker that keeps a [`Proxy`](crate::Proxy) saves the check and the copy of the VM at each request.
    pub async fn serve(&self, request: &Request, env: &Env, ctx: &Context) -> Response {
        match Proxy::new(vec![self.clone()]) {
            Ok(proxy) => proxy.serve(request, env, ctx).await,
            Err(error) => Error::Config(error).answer(Some(self), request),
        }
    }

    /// Starts the VM, or creates it, and waits until its health path answers 2xx. A VM that runs already is left
    /// as it is.
    ///
    /// # Errors
    /// [`Error::StartupTimeout`] when it takes longer than [`startup_timeout`](Vm::startup_timeout),
    /// [`Error::Refused`] when Compute Engine does not want to, [`Error::Interrupted`] when it is stopped
    /// meanwhile.
    pub async fn start(&self, env: &Env) -> Result<Endpoint, Error> {
        self.check()?;
        let wake =
            Command::Wake(Wake { unreachable: None, hold: Hold::UntilDone, force: true, client: None });
        match ObjectClient::new(env).call(self, &wake).await? {
            Reply::Outcome(Outcome::Ready { endpoint, .. }) => Ok(endpoint),
            Reply::Outcome(Outcome::Failed(failure)) => Err(Error::from_failure(self, &failure, now())),
            Reply::Pending(_) | Reply::Status(_) | Reply::Endpoint(_) | Reply::Done | Reply::Forbidden => {
                Err(Error::internal("the VM's object gave the wrong answer"))
            }
        }
    }

    /// Stops the VM and waits until it is `TERMINATED`. It is not deleted: its disks are kept.
    ///
    /// # Errors
    /// [`Error::Refused`] when Compute Engine does not want to, [`Error::Internal`] when it is not down within
    /// [`startup_timeout`](Vm::startup_timeout); in both cases it is still being tried.
    pub async fn stop(&self, env: &Env) -> Result<(), Error> {
        self.take_down(env, TakeDown::Stop).await
    }

    /// Suspends the VM, memory and all, and waits until it is `SUSPENDED`. A VM that cannot be suspended is
    /// stopped.
    ///
    /// # Errors
    /// As [`Vm::stop`].
    pub async fn suspend(&self, env: &Env) -> Result<(), Error> {
        self.take_down(env, TakeDown::Suspend).await
    }

    /// Terminates and removes the instance, with the disks that are marked for it, and waits until it is gone.
    ///
    /// # Errors
    /// As [`Vm::stop`].
    pub async fn delete(&self, env: &Env) -> Result<(), Error> {
        self.take_down(env, TakeDown::Delete).await
    }

    /// Whether the VM runs and its health path has answered.
    ///
    /// # Errors
    /// [`Error::Internal`]: its object did not answer.
    pub async fn is_running(&self, env: &Env) -> Result<bool, Error> {
        Ok(self.status(env).await?.state == VmState::Running)
    }

    /// The VM's external address; `None` unless it is booting or running.
    ///
    /// # Errors
    /// [`Error::Internal`]: its object did not answer.
    pub async fn public_ip(&self, env: &Env) -> Result<Option<IpAddr>, Error> {
        let known =
            Endpoints::with(|endpoints| endpoints.get(&self.instance.name, now(), self.touch_interval()));
        match known {
            Some(endpoint) => Ok(Some(endpoint.ip)),
            None => Ok(self.status(env).await?.public_ip.and_then(|ip| ip.parse().ok())),
        }
    }

    /// How the VM is.
    ///
    /// # Errors
    /// [`Error::Internal`]: its object did not answer.
    pub async fn status(&self, env: &Env) -> Result<Status, Error> {
        self.check()?;
        admin::status(self, &ObjectClient::new(env)).await
    }

    /// Tells the VM's object of [`keep_awake`](Vm::keep_awake) and [`wake_at`](Vm::wake_at), which it follows from then
    /// on. It learns of a change by the next request too; but after a deployment none may come. So a Worker calls this
    /// in its `scheduled` handler, for which it needs a cron trigger.
    ///
    /// # Errors
    /// As [`Vm::status`].
    pub async fn follow_schedule(&self, env: &Env) -> Result<(), Error> {
        self.status(env).await.map(drop)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_vm(self)?;
        check_schedule(self, is_zone)
    }

    async fn take_down(&self, env: &Env, take_down: TakeDown) -> Result<(), Error> {
        self.check()?;
        let down = Command::TakeDown(TakeDownRequest { take_down, wait: true });
        Endpoints::with(|endpoints| endpoints.forget(&self.instance.name));
        match ObjectClient::new(env).call(self, &down).await? {
            Reply::Outcome(Outcome::Failed(failure)) => Err(Error::from_failure(self, &failure, now())),
            _ => Ok(()),
        }
    }
}
