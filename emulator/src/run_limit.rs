//! Ends the runs of instances with a `maxRunDuration`.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::sleep;

use crate::compute::change::Change;
use crate::compute::instance::{Instance, State};
use crate::compute::world::Asked;
use crate::emulator::Emulator;
use crate::lifecycle::carry_out;

/// Stops or deletes an instance when the run that begins now has lasted as long as it may.
pub fn limit_run(emulator: &Arc<Emulator>, instance: &Instance) {
    if let State::Running { until: Some(until), .. } = instance.state {
        tokio::spawn(end_run(emulator.clone(), instance.id, instance.state, until));
    }
}

async fn end_run(emulator: Arc<Emulator>, instance: u64, run: State, until: SystemTime) {
    let mut changes = emulator.watch();
    let mut over = false;
    let time = sleep(until.duration_since(SystemTime::now()).unwrap_or_default());
    tokio::pin!(time);
    while let Some(instance) = in_run(&emulator, instance, run) {
        if over && instance.operation.is_none() && terminate(&emulator, &instance) {
            return;
        }
        tokio::select! {
            () = &mut time, if !over => over = true,
            // The run may have ended otherwise, or whatever held the instance may be done with it.
            _ = changes.changed() => {}
        }
    }
}

fn in_run(emulator: &Emulator, instance: u64, run: State) -> Option<Instance> {
    emulator.look(|world| world.known(instance).filter(|known| known.state == run).cloned())
}

/// Whether that is settled: another call may have been quicker, and has to be waited for.
fn terminate(emulator: &Arc<Emulator>, instance: &Instance) -> bool {
    let change = if instance.is_deleted_when_terminated() { Change::Delete } else { Change::Stop };
    let id = instance.id.to_string();
    match emulator.change(|world, now| world.change(change, &instance.zone, &id, Asked::default(), now)) {
        Ok((_, Some(work))) => carry_out(emulator, work),
        Ok((_, None)) => {}
        Err(error) => return error.reason != "resourceNotReady",
    }
    true
}
