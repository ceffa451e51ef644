//! Carries out the changes of instances, each in its own task, in the time that the timing says.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::sleep;

use crate::compute::change::Change;
use crate::compute::instance::State;
use crate::compute::operation_error::OperationError;
use crate::compute::reach::Reach;
use crate::compute::work::{Step, Task, Work};
use crate::compute::world::{Asked, World};
use crate::emulator::Emulator;

/// Does the work in the background. An instance's first state is entered at once, so that the next look
/// already sees it. Work that an emulator before this one began goes on in the state that it had reached.
pub fn carry_out(emulator: &Arc<Emulator>, work: Work) {
    let emulator = emulator.clone();
    match work.task {
        Task::Instance { id, before, step } => {
            let job = Job { emulator, operation: work.operation, id, before, step };
            // A start that fails gets as far as PROVISIONING; everything else that fails has never begun.
            if work.failure.is_none() || job.step.brings_up() {
                job.begin();
            }
            tokio::spawn(async move {
                match work.failure {
                    Some(failure) => job.fail(failure).await,
                    None => job.succeed().await.unwrap_or_default(),
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
    emulator.change(|world, now| world.run(&operation, now));
    sleep(time).await;
    emulator.change(|world, now| {
        // A reset has forgotten the operation.
        if !world.under_way().iter().any(|work| work.operation == operation) {
            return;
        }
        match task {
            Task::Add(resource) if failure.is_none() => world.add_resource(resource),
            Task::Remove(path) if failure.is_none() => world.remove_resource(&path),
            _ => {}
        }
        world.finish(&operation, failure, now);
    });
}

struct Job {
    emulator: Arc<Emulator>,
    operation: String,
    /// The instance's.
    id: u64,
    before: State,
    step: Step,
}

impl Job {
    fn begin(&self) {
        if self.state() != Some(self.before) {
            return;
        }
        let reach = self.before.reach();
        let first = match (&self.step, reach) {
            (Step::Edit(_) | Step::Migrate, _) => return,
            (Step::Reset, _) => None,
            (Step::Create | Step::Start | Step::Resume, _) => Some(State::Provisioning),
            (Step::Suspend, Some(reach)) => Some(State::Suspending(reach)),
            (Step::Suspend | Step::Stop { .. } | Step::Delete, _) => Some(State::Stopping(reach)),
        };
        self.emulator.guests.cut(self.id);
        if let Some(first) = first {
            self.emulator.change(|world, now| self.enter(world, first, now));
        }
    }

    /// Ends early if the instance is gone, as it is after a reset.
    async fn succeed(&self) -> Option<()> {
        let (guests, id) = (&self.emulator.guests, self.id);
        let timing = *self.emulator.timing();
        self.run();
        match &self.step {
            Step::Create | Step::Start => {
                if !matches!(self.state()?, State::Staging(_)) {
                    sleep(timing.provision()).await;
                    self.stage()?;
                }
                sleep(timing.stage()).await;
                let after = self.emulator.timing().boot();
                self.complete(|world, now| {
                    let reach = self.start(world, now)?;
                    guests.boot(world.boot(id)?, reach, after);
                    Some(())
                })
            }
            Step::Resume => {
                if !matches!(self.state()?, State::Staging(_)) {
                    self.stage()?;
                }
                sleep(timing.resume()).await;
                self.complete(|world, now| {
                    let reach = self.start(world, now)?;
                    guests.resume(world.known(id)?, reach);
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
                    guests.boot(instance, instance.state.reach()?, after);
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
                    guests.forget(id);
                    self.enter(world, State::Terminated, now)?;
                    world.finish(&self.operation, None, now);
                    Some(if *and_restart { self.restart(world, now) } else { None })
                })?;
                if let Some(work) = restart {
                    carry_out(&self.emulator, work);
                }
                Some(())
            }
            Step::Delete => {
                sleep(timing.stop()).await;
                self.complete(|world, _| {
                    guests.forget(id);
                    world.remove(id);
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

    async fn fail(&self, failure: OperationError) {
        let timing = *self.emulator.timing();
        self.run();
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
        self.emulator.look(|world| Some(world.known(self.id)?.state))
    }

    /// The machine gets its addresses. Having none is an operation's failure like any other.
    fn stage(&self) -> Option<()> {
        let emulator = &self.emulator;
        let refused = emulator.change(|world, now| {
            let instance = world.known(self.id)?;
            let mut addresses = emulator.guests.addresses();
            let taken = world.taken(addresses.port());
            let reach = addresses.reach(instance.wanted(), &taken);
            drop(addresses);
            match reach {
                Ok(reach) => self.enter(world, State::Staging(reach), now).map(|()| None),
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

    /// The machine runs from now on, where it is.
    fn start(&self, world: &mut World, now: SystemTime) -> Option<Reach> {
        let reach = world.known(self.id)?.state.reach()?;
        let instance = world.run_at(self.id, reach, now)?;
        let log = self.emulator.log;
        log.line(format_args!("{}/{} RUNNING at {}", instance.zone, instance.name, shown(reach)));
        Some(reach)
    }

    /// The last change ends the operation with it: an emulator that goes on after this one, or a reset, finds
    /// either both done or neither.
    fn complete(&self, last: impl FnOnce(&mut World, SystemTime) -> Option<()>) -> Option<()> {
        self.emulator.change(|world, now| {
            last(world, now)?;
            world.finish(&self.operation, None, now);
            Some(())
        })
    }

    /// Compute Engine starts the machine that it has ended.
    fn restart(&self, world: &mut World, now: SystemTime) -> Option<Work> {
        let zone = world.known(self.id)?.zone.clone();
        let (restart, id) = (Change::AutomaticRestart, self.id.to_string());
        world.change(restart, &zone, &id, Asked::default(), now).ok()?.1
    }

    fn run(&self) {
        self.emulator.change(|world, now| world.run(&self.operation, now));
    }

    fn undo(&self, error: OperationError) {
        self.emulator.log.line(format_args!("{} fails: {error}", self.operation));
        self.emulator.change(|world, now| {
            match &self.step {
                Step::Create => world.never_was(self.id),
                _ => world.put_back(self.id, self.before),
            }
            world.finish(&self.operation, Some(error), now);
        });
    }
}

fn shown(reach: Reach) -> String {
    reach.all().map(|address| address.to_string()).collect::<Vec<_>>().join(" and ")
}
