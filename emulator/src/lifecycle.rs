//! Carries out the changes of instances, each in its own task, in the time that the timing says.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::sleep;

use crate::compute::change::{Task, Work};
use crate::compute::instance::State;
use crate::compute::operation::OperationError;
use crate::emulator::Emulator;
use crate::run_limit::limit_run;

/// Does the work in the background. The first state is entered at once, so that the next look already sees
/// it.
pub fn carry_out(emulator: &Arc<Emulator>, work: Work, failure: Option<OperationError>) {
    let job = Job { emulator: emulator.clone(), work };
    let Some(before) = emulator.look(|world| world.known(job.work.instance).map(|known| known.state)) else {
        return;
    };
    // A start that fails gets as far as PROVISIONING; everything else that fails has never begun.
    let begins = failure.is_none() || matches!(job.work.task, Task::Create | Task::Start | Task::Resume);
    if begins {
        job.begin(before);
    }
    tokio::spawn(async move {
        match failure {
            Some(failure) => job.fail(failure, before).await,
            None => job.succeed().await.unwrap_or_default(),
        }
    });
}

struct Job {
    emulator: Arc<Emulator>,
    work: Work,
}

impl Job {
    fn begin(&self, before: State) {
        let address = before.address();
        let first = match (&self.work.task, address) {
            (Task::Edit(_), _) => return,
            (Task::Reset, _) => None,
            (Task::Create | Task::Start | Task::Resume, _) => Some(State::Provisioning),
            (Task::Suspend, Some(address)) => Some(State::Suspending(address)),
            (Task::Suspend | Task::Stop | Task::Delete, _) => Some(State::Stopping(address)),
        };
        self.emulator.guests.cut(self.work.instance);
        if let Some(first) = first {
            self.enter(first);
        }
    }

    /// Ends early if the instance is gone, as it is after a reset.
    async fn succeed(&self) -> Option<()> {
        let (emulator, id) = (&self.emulator, self.work.instance);
        let timing = *emulator.timing();
        self.run();
        match &self.work.task {
            Task::Create | Task::Start => {
                sleep(timing.provision()).await;
                let address = self.address()?;
                self.enter(State::Staging(address))?;
                sleep(timing.stage()).await;
                self.start(address)?;
                self.boot()?;
            }
            Task::Resume => {
                let address = self.address()?;
                self.enter(State::Staging(address))?;
                sleep(timing.resume()).await;
                self.start(address)?;
                emulator.guests.resume(id, address);
            }
            // "Resetting an instance keeps the instance in RUNNING state throughout the process":
            // https://cloud.google.com/compute/docs/instances/instance-life-cycle
            Task::Reset => {
                sleep(timing.edit()).await;
                self.boot()?;
            }
            Task::Suspend => {
                sleep(timing.suspend()).await;
                self.enter(State::Suspended)?;
            }
            Task::Stop => {
                sleep(timing.stop()).await;
                self.enter(State::Terminated)?;
                emulator.guests.forget(id);
            }
            Task::Delete => {
                sleep(timing.stop()).await;
                emulator.change(|world, _| world.remove(id));
                emulator.guests.forget(id);
            }
            Task::Edit(fields) => {
                sleep(timing.edit()).await;
                emulator.change(|world, _| world.edit(id, fields.clone()));
            }
        }
        self.finish(None);
        Some(())
    }

    async fn fail(&self, failure: OperationError, before: State) {
        let timing = *self.emulator.timing();
        self.run();
        sleep(match &self.work.task {
            Task::Create | Task::Start => timing.provision(),
            Task::Resume => timing.resume(),
            Task::Suspend => timing.suspend(),
            Task::Stop | Task::Delete => timing.stop(),
            Task::Reset | Task::Edit(_) => timing.edit(),
        })
        .await;
        self.undo(before, failure);
    }

    /// Having no address is an operation's failure like any other.
    fn address(&self) -> Option<SocketAddr> {
        let before = if self.work.task == Task::Resume { State::Suspended } else { State::Terminated };
        let refused = |error: io::Error| self.undo(before, OperationError::no_address(&error.to_string()));
        self.emulator.guests.address().map_err(refused).ok()
    }

    fn enter(&self, state: State) -> Option<()> {
        let name = self.emulator.change(|world, now| {
            let instance = world.enter(self.work.instance, state, now)?;
            Some(format!("{}/{}", instance.zone, instance.name))
        })?;
        self.emulator.log.line(format_args!("{name} {}", state.status()));
        Some(())
    }

    /// The machine runs from now on.
    fn start(&self, address: SocketAddr) -> Option<()> {
        let emulator = &self.emulator;
        emulator.change(|world, now| {
            let instance = world.run_at(self.work.instance, address, now)?;
            limit_run(emulator, instance);
            emulator.log.line(format_args!("{}/{} RUNNING at {address}", instance.zone, instance.name));
            Some(())
        })
    }

    /// The guest of a running machine boots and its server comes up.
    fn boot(&self) -> Option<()> {
        let emulator = &self.emulator;
        let after = emulator.timing().boot();
        // In one step: a reset that comes between would leave a server without an instance.
        emulator.change(|world, _| {
            let instance = world.boot(self.work.instance)?;
            emulator.guests.boot(instance, instance.state.address()?, after);
            Some(())
        })
    }

    fn run(&self) {
        self.emulator.change(|world, now| world.run(&self.work.operation, now));
    }

    fn finish(&self, error: Option<OperationError>) {
        self.emulator.change(|world, now| world.finish(&self.work.operation, error, now));
    }

    fn undo(&self, before: State, error: OperationError) {
        self.emulator.log.line(format_args!("{} fails: {error}", self.work.operation));
        self.emulator.change(|world, now| {
            match &self.work.task {
                Task::Create => world.remove(self.work.instance),
                _ => world.put_back(self.work.instance, before),
            }
            world.finish(&self.work.operation, Some(error), now);
        });
    }
}
