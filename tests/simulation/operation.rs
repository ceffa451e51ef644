//! What operations do to an instance, phase by phase, and how long it takes.

use std::time::Duration;

use vmproxy::compute::{ApiError, BringUp, Change, InstanceStatus, TakeDown};

use super::compute::{api_error, Task};
use super::random::Random;

/// A part of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    Enter(InstanceStatus),
    /// The address is known: STAGING.
    Stage,
    /// The instance runs.
    Run,
    /// Its setting is as it is to be.
    Adapted,
    /// The instance is gone.
    Gone,
    /// The operation has ended.
    Done(Result<(), ApiError>),
}

impl Phase {
    pub fn is_the_last(&self) -> bool {
        use InstanceStatus::{Stopped, Suspended, Terminated};
        match self {
            Phase::Run | Phase::Gone | Phase::Adapted => true,
            Phase::Enter(status) => matches!(status, Stopped | Suspended | Terminated),
            Phase::Stage | Phase::Done(_) => false,
        }
    }
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Everything takes this many times as long.
    pub factor: u32,
    pub failure: Option<Failing>,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug)]
pub enum Failing {
    StockOut,
    Otherwise,
}

/// The phases of an operation that fails on an instance that was in this state.
pub fn failing(
    task: Task,
    failing: Failing,
    before: Option<InstanceStatus>,
    pace: Pace,
    random: &mut Random,
) -> Vec<(Duration, Phase)> {
    let after = span(random, 1, 8, pace);
    let goes_up = task.goes_up();
    let error = match failing {
        Failing::StockOut if goes_up => api_error(503, "ZONE_RESOURCE_POOL_EXHAUSTED"),
        Failing::StockOut | Failing::Otherwise => random.pick(&FAILURES).error(),
    };
    // A start that fails gets as far as PROVISIONING; anything else that fails has never begun.
    let undone = match (task, before) {
        (Task::Change(Change::Up(BringUp::Insert | BringUp::InsertStandard)), _) | (_, None) => Phase::Gone,
        (_, Some(before)) => Phase::Enter(before),
    };
    let mut phases = vec![(after, undone), (after, Phase::Done(Err(error)))];
    if goes_up {
        phases.insert(0, (Duration::ZERO, Phase::Enter(InstanceStatus::Provisioning)));
    }
    phases
}

/// The ways in which operations fail, other than for want of machines.
#[derive(Clone, Copy)]
struct OperationFailure(u16, &'static str);

const FAILURES: [OperationFailure; 4] = [
    OperationFailure(500, "INTERNAL_ERROR"),
    OperationFailure(403, "QUOTA_EXCEEDED"),
    OperationFailure(400, "RESOURCE_NOT_READY"),
    OperationFailure(400, "UNSUPPORTED_OPERATION"),
];

impl OperationFailure {
    fn error(self) -> ApiError {
        api_error(self.0, self.1)
    }
}

/// The phases of an operation that goes well.
pub fn phases(task: Task, pace: Pace, random: &mut Random) -> Vec<(Duration, Phase)> {
    use InstanceStatus as Status;
    let mut at = Duration::ZERO;
    let mut later = |least, most, random: &mut Random| {
        at += span(random, least, most, pace);
        at
    };
    // For a moment the operation is there, and the instance does not show it yet.
    let unseen = random.between(Duration::ZERO, Duration::from_millis(800));
    let mut phases = Vec::new();
    match task {
        Task::Change(Change::Up(BringUp::Insert | BringUp::InsertStandard | BringUp::Start)) => {
            if random.chance(200) {
                phases.push((Duration::ZERO, Phase::Enter(Status::Pending)));
                phases.push((later(0, 10, random), Phase::Enter(Status::Provisioning)));
            } else {
                phases.push((Duration::ZERO, Phase::Enter(Status::Provisioning)));
            }
            phases.push((later(1, 4, random), Phase::Stage));
            phases.push((later(1, 4, random), Phase::Run));
        }
        Task::Change(Change::Up(BringUp::Resume)) => {
            phases.push((Duration::ZERO, Phase::Stage));
            phases.push((later(1, 6, random), Phase::Run));
        }
        Task::Change(Change::Down(TakeDown::Stop)) => {
            if random.chance(300) {
                phases.push((unseen, Phase::Enter(Status::PendingStop)));
                phases.push((unseen + later(0, 20, random), Phase::Enter(Status::Stopping)));
            } else {
                phases.push((unseen, Phase::Enter(Status::Stopping)));
            }
            let down = if random.chance(500) { Status::Terminated } else { Status::Stopped };
            phases.push((unseen + later(3, 25, random), Phase::Enter(down)));
        }
        Task::Change(Change::Down(TakeDown::Suspend)) => {
            phases.push((unseen, Phase::Enter(Status::Suspending)));
            phases.push((unseen + later(3, 25, random), Phase::Enter(Status::Suspended)));
        }
        Task::Change(Change::Down(TakeDown::Delete)) => {
            phases.push((unseen, Phase::Enter(Status::Stopping)));
            phases.push((unseen + later(3, 20, random), Phase::Enter(Status::Deprovisioning)));
            phases.push((unseen + later(1, 4, random), Phase::Gone));
        }
        Task::Adapt(..) => phases.push((unseen + later(0, 3, random), Phase::Adapted)),
        Task::Repair => {
            phases.push((Duration::ZERO, Phase::Enter(Status::Repairing)));
            phases.push((later(10, 90, random), Phase::Run));
        }
    }
    phases.push((unseen + later(0, 3, random), Phase::Done(Ok(()))));
    phases
}

fn span(random: &mut Random, least: u64, most: u64, pace: Pace) -> Duration {
    random.between(Duration::from_secs(least), Duration::from_secs(most)) * pace.factor
}
