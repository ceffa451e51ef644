//! Enforces `maxRunDuration`: ends the runs of instances whose time is over.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::sleep;

use crate::compute::change::Change;
use crate::compute::instance::{Instance, State};
use crate::compute::world::RequestContext;
use crate::emulator::Emulator;
use crate::lifecycle::execute;

/// Stops or deletes each instance whose run has lasted for its `maxRunDuration`. Never returns.
pub async fn enforce_run_limits(emulator: Arc<Emulator>) {
    let mut changes = emulator.watch();
    let mut ended = HashSet::new();
    loop {
        // Marking before reading means that a change in between wakes the loop again.
        changes.mark_unchanged();
        let runs = limited_runs(&emulator);
        ended.retain(|run| runs.iter().any(|(known, _)| known == run));
        let now = SystemTime::now();
        for (run, instance) in &runs {
            let due = run.until <= now && !ended.contains(run);
            // An operation at work on the instance has to finish first, and its end wakes the loop.
            if due && instance.operation.is_none() && terminate(&emulator, instance) {
                ended.insert(*run);
            }
        }
        let next = runs.iter().map(|(run, _)| run.until).filter(|until| *until > now).min();
        let pause = next.map(|until| until.duration_since(SystemTime::now()).unwrap_or_default());
        tokio::select! {
            () = sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            _ = changes.changed() => {}
        }
    }
}

/// A run of an instance that has a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Run {
    instance: u64,
    until: SystemTime,
}

fn limited_runs(emulator: &Emulator) -> Vec<(Run, Instance)> {
    let run = |instance: &Instance| match instance.state {
        State::Running { until: Some(until), .. } => {
            Some((Run { instance: instance.id, until }, instance.clone()))
        }
        _ => None,
    };
    emulator.read(|world| world.instances().filter_map(run).collect())
}

/// Stops or deletes an instance. Returns `false` if another operation was quicker and has to finish
/// first.
fn terminate(emulator: &Arc<Emulator>, instance: &Instance) -> bool {
    let change = if instance.is_deleted_when_terminated() { Change::Delete } else { Change::Stop };
    let id = instance.id.to_string();
    match emulator
        .change(|world, now| world.change(change, &instance.zone, &id, RequestContext::default(), now))
    {
        Ok((_, Some(work))) => execute(emulator, work),
        Ok((_, None)) => {}
        Err(error) => return error.reason != "resourceNotReady",
    }
    true
}
