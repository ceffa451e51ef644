//! The phases of operations, and their durations.

use std::time::Duration;

use vmproxy::compute::{ApiError, BringUp, Change, InstanceStatus, TakeDown};

use super::compute::{api_error, Task};
use super::random::Random;

/// A phase of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    Enter(InstanceStatus),
    /// The address is assigned: STAGING.
    Stage,
    /// The instance runs.
    Run,
    /// The setting is updated.
    Adapted,
    /// The instance is deleted.
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

/// The pace of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The factor by which all durations are multiplied.
    pub factor: u32,
    pub failure: Option<Failing>,
}

/// The failures of operations.
#[derive(Clone, Copy, Debug)]
pub enum Failing {
    StockOut,
    Otherwise,
}

/// Returns the phases of an operation that fails on an instance with the status `before`.
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
    // A start that fails reaches PROVISIONING. Any other operation that fails has no effect.
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

/// The errors of operations other than a stockout.
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

/// Returns the phases of an operation that succeeds.
pub fn phases(task: Task, pace: Pace, random: &mut Random) -> Vec<(Duration, Phase)> {
    use InstanceStatus as Status;
    let mut at = Duration::ZERO;
    let mut later = |least, most, random: &mut Random| {
        at += span(random, least, most, pace);
        at
    };
    // The instance shows the operation with a short delay.
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
