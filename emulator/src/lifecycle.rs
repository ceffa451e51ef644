//! Executes the changes of instances, each in a task of its own, in the time that the timing sets.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::sleep;

use crate::compute::change::Change;
use crate::compute::host_addresses::HostAddresses;
use crate::compute::instance::State;
use crate::compute::operation_error::OperationError;
use crate::compute::work::{Step, Task, Work};
use crate::compute::world::{RequestContext, World};
use crate::emulator::Emulator;

/// Executes work in the background. An instance's first state is entered before this returns, so
/// that the next read shows it. Work from a state file continues in the state that it had reached.
pub fn execute(emulator: &Arc<Emulator>, work: Work) {
    let emulator = emulator.clone();
    match work.task {
        Task::Instance { id, before, step } => {
            let job = Job { emulator, operation: work.operation, id, before, step };
            // A failing start still reaches PROVISIONING; other failing changes do not begin.
            if work.failure.is_none() || job.step.brings_up() {
                job.enter_first_state();
            }
            tokio::spawn(async move {
                match work.failure {
                    Some(failure) => job.fail(failure).await,
                    None => job.run().await.unwrap_or_default(),
                }
            });
        }
        task => _ = tokio::spawn(change_resource(emulator, work.operation, task, work.failure)),
    }
}

async fn change_resource(
    emulator: Arc<Emulator>,
    operation: String,
    task: Task,
    failure: Option<OperationError>,
) {
    let time = emulator.timing().edit();
    emulator.change(|world, now| world.start_operation(&operation, now));
    sleep(time).await;
    emulator.change(|world, now| {
        // A reset has removed the operation.
        if !world.pending_work().iter().any(|work| work.operation == operation) {
            return;
        }
        match task {
            Task::Add(resource) if failure.is_none() => world.add_resource(resource),
            Task::Remove(path) if failure.is_none() => world.remove_resource(&path),
            _ => {}
        }
        world.finish_operation(&operation, failure, now);
    });
}

/// The execution of a change of an instance.
struct Job {
    emulator: Arc<Emulator>,
    operation: String,
    /// The id of the instance.
    id: u64,
    before: State,
    step: Step,
}

impl Job {
    fn enter_first_state(&self) {
        if self.state() != Some(self.before) {
            return;
        }
        let addresses = self.before.addresses();
        let first = match (&self.step, addresses) {
            (Step::Edit(_) | Step::Migrate, _) => return,
            (Step::Reset, _) => None,
            (Step::Create | Step::Start | Step::Resume, _) => Some(State::Provisioning),
            (Step::Suspend, Some(addresses)) => Some(State::Suspending(addresses)),
            (Step::Suspend | Step::Stop { .. } | Step::Delete, _) => Some(State::Stopping(addresses)),
        };
        self.emulator.guests.stop_server(self.id);
        if let Some(first) = first {
            self.emulator.change(|world, now| self.enter(world, first, now));
        }
    }

    /// Executes the change. Returns `None` early if the instance is gone, as after a reset.
    async fn run(&self) -> Option<()> {
        let (guests, id) = (&self.emulator.guests, self.id);
        let timing = *self.emulator.timing();
        self.start_operation();
        match &self.step {
            Step::Create | Step::Start => {
                if !matches!(self.state()?, State::Staging(_)) {
                    sleep(timing.provision()).await;
                    self.assign_addresses()?;
                }
                sleep(timing.stage()).await;
                let after = self.emulator.timing().boot();
                self.complete(|world, now| {
                    let addresses = self.enter_running(world, now)?;
                    guests.boot(world.boot(id)?, addresses, after);
                    Some(())
                })
            }
            Step::Resume => {
                if !matches!(self.state()?, State::Staging(_)) {
                    self.assign_addresses()?;
                }
                sleep(timing.resume()).await;
                self.complete(|world, now| {
                    let addresses = self.enter_running(world, now)?;
                    guests.resume(world.instance_by_id(id)?, addresses);
                    Some(())
                })
            }
            // "Resetting an instance keeps the instance in RUNNING state throughout the process":
            // https://cloud.google.com/compute/docs/instances/instance-life-cycle
            Step::Reset => {
                sleep(timing.edit()).await;
                let after = self.emulator.timing().boot();
                self.complete(|world, _| {
                    let instance = world.boot(id)?;
                    guests.boot(instance, instance.state.addresses()?, after);
                    Some(())
                })
            }
            Step::Suspend => {
                sleep(timing.suspend()).await;
                self.complete(|world, now| self.enter(world, State::Suspended, now))
            }
            Step::Stop { and_restart } => {
                sleep(timing.stop()).await;
                let restart = self.emulator.change(|world, now| {
                    guests.remove(id);
                    self.enter(world, State::Terminated, now)?;
                    world.finish_operation(&self.operation, None, now);
                    Some(if *and_restart { self.restart(world, now) } else { None })
                })?;
                if let Some(work) = restart {
                    execute(&self.emulator, work);
                }
                Some(())
            }
            Step::Delete => {
                sleep(timing.stop()).await;
                self.complete(|world, _| {
                    guests.remove(id);
                    world.remove_instance(id);
                    Some(())
                })
            }
            Step::Edit(fields) => {
                sleep(timing.edit()).await;
                self.complete(|world, _| {
                    world.edit(id, fields.clone());
                    Some(())
                })
            }
            Step::Migrate => {
                sleep(timing.edit()).await;
                self.complete(|_, _| Some(()))
            }
        }
    }

    /// Waits for the time that the change takes, and fails.
    async fn fail(&self, failure: OperationError) {
        let timing = *self.emulator.timing();
        self.start_operation();
        sleep(match &self.step {
            Step::Create | Step::Start => timing.provision(),
            Step::Resume => timing.resume(),
            Step::Suspend => timing.suspend(),
            Step::Stop { .. } | Step::Delete => timing.stop(),
            Step::Reset | Step::Edit(_) | Step::Migrate => timing.edit(),
        })
        .await;
        self.undo(failure);
    }

    fn state(&self) -> Option<State> {
        self.emulator.read(|world| Some(world.instance_by_id(self.id)?.state))
    }

    /// Assigns addresses to the machine. If there is none, the operation fails.
    fn assign_addresses(&self) -> Option<()> {
        let emulator = &self.emulator;
        let refused = emulator.change(|world, now| {
            let instance = world.instance_by_id(self.id)?;
            let mut pool = emulator.guests.address_pool();
            let taken = world.taken_addresses(pool.port());
            let addresses = pool.allocate(instance.address_request(), &taken);
            drop(pool);
            match addresses {
                Ok(addresses) => self.enter(world, State::Staging(addresses), now).map(|()| None),
                Err(error) => Some(Some(error)),
            }
        })?;
        match refused {
            None => Some(()),
            Some(error) => {
                self.undo(OperationError::no_address(&error.to_string()));
                None
            }
        }
    }

    fn enter(&self, world: &mut World, state: State, now: SystemTime) -> Option<()> {
        let instance = world.enter(self.id, state, now)?;
        self.emulator.log.line(format_args!("{}/{} {}", instance.zone, instance.name, state.status()));
        Some(())
    }

    /// Enters RUNNING at the addresses that the machine has.
    fn enter_running(&self, world: &mut World, now: SystemTime) -> Option<HostAddresses> {
        let addresses = world.instance_by_id(self.id)?.state.addresses()?;
        let instance = world.enter_running(self.id, addresses, now)?;
        let log = self.emulator.log;
        log.line(format_args!("{}/{} RUNNING at {}", instance.zone, instance.name, join(addresses)));
        Some(addresses)
    }

    /// Makes the last change and ends the operation in one step, so that a restart or a reset finds
    /// either both done or neither.
    fn complete(&self, last: impl FnOnce(&mut World, SystemTime) -> Option<()>) -> Option<()> {
        self.emulator.change(|world, now| {
            last(world, now)?;
            world.finish_operation(&self.operation, None, now);
            Some(())
        })
    }

    /// Begins the automatic restart of a machine that Compute Engine has stopped.
    fn restart(&self, world: &mut World, now: SystemTime) -> Option<Work> {
        let zone = world.instance_by_id(self.id)?.zone.clone();
        let (restart, id) = (Change::AutomaticRestart, self.id.to_string());
        world.change(restart, &zone, &id, RequestContext::default(), now).ok()?.1
    }

    fn start_operation(&self) {
        self.emulator.change(|world, now| world.start_operation(&self.operation, now));
    }

    /// Restores the state before the change and ends the operation with an error.
    fn undo(&self, error: OperationError) {
        self.emulator.log.line(format_args!("{} fails: {error}", self.operation));
        self.emulator.change(|world, now| {
            match &self.step {
                Step::Create => world.discard(self.id),
                _ => world.restore(self.id, self.before),
            }
            world.finish_operation(&self.operation, Some(error), now);
        });
    }
}

fn join(addresses: HostAddresses) -> String {
    addresses.all().map(|address| address.to_string()).collect::<Vec<_>>().join(" and ")
}
