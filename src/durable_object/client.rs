//! The Worker's side: sends commands to a VM's object.

use std::rc::Rc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use web_sys::Response;
use worker::Env;

use super::command::{ObjectCommand, PROMPT};
use super::{Command, Message, Reply, Watch};
use crate::config::{ConfigError, OBJECT_BINDING};
use crate::error::Error;
use crate::platform::fetch::text_request;
use crate::platform::{describe, now, sleep, within};
use crate::vm::Vm;

/// Objects restart at each deployment, and when the platform moves them. A message that is lost
/// with an object is sent again, after a pause that grows from `FIRST_PAUSE` to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A client of the VMs' objects.
pub(crate) struct ObjectClient {
    env: Env,
}

impl ObjectClient {
    pub fn new(env: &Env) -> Self {
        Self { env: env.clone() }
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// [`Error::Config`] without the Durable Object binding, else [`Error::Internal`]: there was no
    /// reply in time, or one to another command.
    pub async fn call<C: ObjectCommand>(&self, vm: &Vm, command: C) -> Result<C::Reply, Error> {
        let (command, limit) = command.into_command(vm, now());
        self.reply(vm, command, limit).await?.try_into()
    }

    /// Not generic, so that its code is needed once; and boxed, so that its callers do not contain
    /// it.
    fn reply<'c>(
        &'c self,
        vm: &'c Vm,
        command: Command,
        limit: Duration,
    ) -> LocalBoxFuture<'c, Result<Reply, Error>> {
        Box::pin(async move { self.reply_to(&vm.instance.name, &serialize(vm, command)?, limit).await })
    }

    async fn reply_to(&self, name: &str, body: &str, limit: Duration) -> Result<Reply, Error> {
        let deadline = now() + limit;
        let mut pause = FIRST_PAUSE;
        loop {
            let left = deadline.since(now());
            let replied = within(left, self.exchange(name, body)).await;
            let error = match replied {
                Some(Ok(reply)) => {
                    return crate::json::from_str(&reply).map_err(|error| {
                        Error::internal(format!("the VM's object replied {reply:?}: {error}"))
                    })
                }
                Some(Err(error)) => error,
                None => return Err(late()),
            };
            if matches!(error, Error::Config(_)) || deadline.since(now()) <= pause {
                return Err(error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Watches the VM's start. The object's response is passed on as it is.
    ///
    /// # Errors
    /// As [`ObjectClient::call`].
    pub async fn watch(&self, vm: &Vm, watch: Watch) -> Result<Response, Error> {
        let body = serialize(vm, Command::Watch(watch))?;
        match within(PROMPT, self.send(&vm.instance.name, &body)).await {
            Some(response) => Ok(response?.into()),
            None => Err(late()),
        }
    }

    async fn exchange(&self, name: &str, body: &str) -> Result<String, Error> {
        self.send(name, body).await?.text().await.map_err(failed)
    }

    async fn send(&self, name: &str, body: &str) -> Result<worker::Response, Error> {
        let namespace = self.env.durable_object(OBJECT_BINDING).map_err(|error| {
            let problem = format!("the Durable Object binding is missing: {error}");
            ConfigError::new(OBJECT_BINDING, problem)
        })?;
        // The host is not resolved: the request only needs a URL.
        let request = text_request("POST", "http://vm/", &[], Some(body), None)
            .map_err(|error| Error::internal(describe(&error)))?;
        let stub = namespace.get_by_name(name).map_err(failed)?;
        stub.fetch_with_request(request.into()).await.map_err(failed)
    }
}

fn serialize(vm: &Vm, command: Command) -> Result<String, Error> {
    let message = Message { vm: Rc::new(vm.clone()), command };
    serde_json::to_string(&message).map_err(|error| Error::internal(error.to_string()))
}

fn late() -> Error {
    Error::internal("the VM's object did not reply in time")
}

fn failed(error: worker::Error) -> Error {
    Error::internal(format!("the VM's object failed: {error}"))
}
