//! The methods of a [`Vm`]: to serve requests with it, start it, take it down, and get its status.

use std::net::IpAddr;

use web_sys::{Request, Response};
use worker::{Context, Env};

use crate::compute::TakeDown;
use crate::config::{check_schedule, check_vm, ConfigError};
use crate::durable_object::{GetStatus, Hold, ObjectClient, TakeDownReply, TakeDownRequest, Wake, WakeReply};
use crate::error::Error;
use crate::lifecycle::Endpoint;
use crate::pages;
use crate::platform::now;
use crate::platform::time_zone::is_zone;
use crate::proxy::{check_bindings, Proxy, Resolver};
use crate::vm::{Status, Vm, VmState};

impl Vm {
    /// Responds to a request with the VM's response: starts the VM if it does not run, waits until
    /// its health path responds, and forwards the request. Paths below `/_vmproxy/` are the proxy's
    /// own. An error becomes a response as well (RFC 9457), and its reason is logged.
    ///
    /// A Worker that keeps a [`Proxy`](crate::Proxy) saves the check and the copy of the VM for
    /// each request.
    pub async fn serve(&self, request: &Request, env: &Env, ctx: &Context) -> Response {
        match Proxy::new(vec![self.clone()]) {
            Ok(proxy) => proxy.serve(request, env, ctx).await,
            Err(error) => pages::respond(&Error::Config(error), Some(self), request),
        }
    }

    /// Starts the VM, or creates it, and waits until its health path responds 2xx. A VM that runs
    /// already is left as it is.
    ///
    /// # Errors
    /// [`Error::StartupTimeout`] if the start takes longer than
    /// [`startup_timeout`](Vm::startup_timeout), [`Error::Refused`] if Compute Engine refuses it,
    /// [`Error::Interrupted`] if the VM is stopped meanwhile.
    pub async fn start(&self, env: &Env) -> Result<Endpoint, Error> {
        self.check()?;
        check_bindings(self, env)?;
        let wake = Wake { unreachable: None, hold: Hold::UntilDone, force: true, client: None };
        match ObjectClient::new(env).call(self, wake).await? {
            WakeReply::Ready { endpoint, .. } => Ok(endpoint),
            WakeReply::Failed(failure) => Err(Error::from_failure(self, &failure, now())),
            WakeReply::Pending(_) => Err(Error::internal("the VM's object did not wait for the start")),
        }
    }

    /// Stops the VM and waits until it is `TERMINATED`. The instance and its disks are kept.
    ///
    /// # Errors
    /// [`Error::Refused`] if Compute Engine refuses, [`Error::Internal`] if the VM is not down
    /// within [`startup_timeout`](Vm::startup_timeout); in both cases the attempts go on.
    pub async fn stop(&self, env: &Env) -> Result<(), Error> {
        self.take_down(env, TakeDown::Stop).await
    }

    /// Suspends the VM with its memory, and waits until it is `SUSPENDED`. A VM that cannot be
    /// suspended is stopped.
    ///
    /// # Errors
    /// As [`Vm::stop`].
    pub async fn suspend(&self, env: &Env) -> Result<(), Error> {
        self.take_down(env, TakeDown::Suspend).await
    }

    /// Deletes the instance, with the disks that are marked for it, and waits until it is gone.
    ///
    /// # Errors
    /// As [`Vm::stop`].
    pub async fn delete(&self, env: &Env) -> Result<(), Error> {
        self.take_down(env, TakeDown::Delete).await
    }

    /// Returns whether the VM runs and its health path has responded.
    ///
    /// # Errors
    /// As [`Vm::status`].
    pub async fn is_running(&self, env: &Env) -> Result<bool, Error> {
        Ok(self.status(env).await?.state == VmState::Running)
    }

    /// Returns the VM's external address; `None` means that the VM is neither booting nor running.
    ///
    /// # Errors
    /// As [`Vm::status`].
    pub async fn public_ip(&self, env: &Env) -> Result<Option<IpAddr>, Error> {
        match Resolver::new(self, env).cached_ip() {
            Some(ip) => Ok(Some(ip)),
            None => Ok(self.status(env).await?.public_ip.and_then(|ip| ip.parse().ok())),
        }
    }

    /// Returns the VM's status.
    ///
    /// # Errors
    /// [`Error::Config`] if the VM is not configured correctly, [`Error::Internal`] if its object
    /// does not reply.
    pub async fn status(&self, env: &Env) -> Result<Status, Error> {
        self.check()?;
        ObjectClient::new(env).call(self, GetStatus).await
    }

    /// Passes [`keep_awake`](Vm::keep_awake) and [`wake_at`](Vm::wake_at) to the VM's object, which
    /// follows them from then on. The object learns of a change by the next request too, but after
    /// a deployment none may come. So a Worker calls this in its `scheduled` handler, for which it
    /// needs a cron trigger.
    ///
    /// # Errors
    /// As [`Vm::status`].
    pub async fn follow_schedule(&self, env: &Env) -> Result<(), Error> {
        check_bindings(self, env)?;
        self.status(env).await.map(drop)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_vm(self)?;
        check_schedule(self, is_zone)
    }

    async fn take_down(&self, env: &Env, take_down: TakeDown) -> Result<(), Error> {
        self.check()?;
        Resolver::new(self, env).invalidate().await;
        match ObjectClient::new(env).call(self, TakeDownRequest { take_down, wait: true }).await? {
            TakeDownReply::Accepted => Ok(()),
            TakeDownReply::Failed(failure) => Err(Error::from_failure(self, &failure, now())),
        }
    }
}
