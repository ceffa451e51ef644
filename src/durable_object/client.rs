//! The Worker's side: talking to a VM's object.

use std::time::Duration;

use web_sys::Response;
use worker::Env;

use super::{Command, Hold, Message, Reply, TakeDownRequest, Wake, Watch};
use crate::config::{ConfigError, OBJECT_BINDING};
use crate::error::Error;
use crate::platform::fetch::text_request;
use crate::platform::{describe, now, sleep, within};
use crate::vm::Vm;

/// How long an object may take to answer what it need not wait for.
const PROMPT: Duration = Duration::from_secs(10);

/// How long after the end of the wait a held answer may come: the object itself ends it.
const GRACE: Duration = Duration::from_secs(5);

/// Objects restart: at each deployment, and when the platform moves them. A message that is lost with one is sent
/// again, after a pause that grows from the first to the second of these.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Talks to the objects of the VMs.
pub(crate) struct ObjectClient {
    env: Env,
}

impl ObjectClient {
    pub fn new(env: &Env) -> Self {
        Self { env: env.clone() }
    }

    /// Sends a command and waits for the answer.
    ///
    /// # Errors
    /// [`Error::Config`] without the Durable Object binding, else [`Error::Internal`]: there was no answer in
    /// time. Every command may be sent again.
    pub async fn call(&self, vm: &Vm, command: &Command) -> Result<Reply, Error> {
        let body = written(vm, command)?;
        let limit = match command {
            Command::Wake(Wake { hold: Hold::UntilDone, .. }) => vm.startup_timeout + GRACE,
            Command::Wake(Wake { hold: Hold::Until(end), .. }) => end.since(now()) + GRACE,
            Command::TakeDown(TakeDownRequest { wait: true, .. }) => vm.startup_timeout + GRACE,
            Command::Wake(_)
            | Command::TakeDown(_)
            | Command::Touch
            | Command::GetEndpoint
            | Command::Status
            | Command::Watch(_)
            | Command::Ready(_) => PROMPT,
        };
        let deadline = now() + limit;
        let mut pause = FIRST_PAUSE;
        loop {
            let left = deadline.since(now());
            let answer = within(left, self.exchange(&vm.instance.name, &body)).await;
            let error = match answer {
                Some(Ok(answer)) => {
                    return crate::json::from_str(&answer).map_err(|error| {
                        Error::internal(format!("the VM's object answered {answer:?}: {error}"))
                    })
                }
                Some(Err(error)) => error,
                None => return Err(Error::internal("the VM's object did not answer in time")),
            };
            if matches!(error, Error::Config(_)) || deadline.since(now()) <= pause {
                return Err(error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// How the VM's start is, as the object shows it to visitors. The answer is handed on as it is.
    ///
    /// # Errors
    /// As [`ObjectClient::call`].
    pub async fn watch(&self, vm: &Vm, watch: Watch) -> Result<Response, Error> {
        let body = written(vm, &Command::Watch(watch))?;
        match within(PROMPT, self.send(&vm.instance.name, &body)).await {
            Some(answer) => Ok(answer?.into()),
            None => Err(Error::internal("the VM's object did not answer in time")),
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
        // The host is never looked up: it only has to be a URL.
        let request = text_request("POST", "http://vm/", &[], Some(body), None)
            .map_err(|error| Error::internal(describe(&error)))?;
        let stub = namespace.get_by_name(name).map_err(failed)?;
        stub.fetch_with_request(request.into()).await.map_err(failed)
    }
}

fn written(vm: &Vm, command: &Command) -> Result<String, Error> {
    let message = Message { vm: vm.clone(), command: command.clone() };
    serde_json::to_string(&message).map_err(|error| Error::internal(error.to_string()))
}

fn failed(error: worker::Error) -> Error {
    Error::internal(format!("the VM's object failed: {error}"))
}
