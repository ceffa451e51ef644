//! The way down, and what happens on it.

use std::time::Duration;

use super::rig::*;
use crate::compute::{Call, CallError, InstanceStatus, Mutation};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::vm::{OnIdle, Vm, VmState};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_idle_vm_is_brought_down_as_configured() {
    for (on_idle, mutation, on_the_way, down) in [
        (OnIdle::Stop, Mutation::Stop, VmState::Stopping, VmState::Stopped),
        (OnIdle::Suspend, Mutation::Suspend, VmState::Suspending, VmState::Suspended),
        (OnIdle::Delete, Mutation::Delete, VmState::Deleting, VmState::Absent),
    ] {
        let mut rig = Rig::running_with(Vm { on_idle, ..Vm::default() });
        assert_eq!(rig.lifecycle.idle_deadline(), Some(rig.now + IDLE));
        rig.pass(IDLE - SECOND);
        rig.state(VmState::Running);
        rig.nothing();
        rig.pass(SECOND);
        rig.state(on_the_way);
        let (call, _) = rig.mutation(mutation);
        rig.answer(call, pending());
        let waited = rig.call(wait());
        rig.answer(waited, done());
        rig.state(down);
        rig.nothing();
        assert_eq!(rig.lifecycle.deadline(), None);
    }
}

#[test]
fn a_vm_that_never_sleeps_has_no_deadline() {
    let rig = Rig::running_with(Vm { on_idle: OnIdle::Never, ..Vm::default() });
    assert_eq!((rig.lifecycle.deadline(), rig.lifecycle.idle_deadline()), (None, None));
}

#[test]
fn activity_keeps_the_vm_up_and_a_lost_object_does_not_start_the_idle_time_anew() {
    let mut rig = Rig::running();
    rig.pass(10 * MINUTE);
    rig.send(Event::Touch);
    rig.pass(10 * MINUTE);
    rig.state(VmState::Running);
    rig.wake();
    rig.released();
    rig.pass(10 * MINUTE);
    rig.lose();
    rig.state(VmState::Running);
    rig.pass(5 * MINUTE + 5 * SECOND);
    rig.state(VmState::Stopping);
}

#[test]
fn an_alarm_that_rings_late_still_brings_the_vm_down() {
    let mut rig = Rig::running();
    rig.now = rig.now + 3 * IDLE;
    rig.send(Event::Tick);
    rig.mutation(Mutation::Stop);
}

#[test]
fn a_request_during_the_stop_is_held_and_served_after_the_next_start() {
    let (mut rig, stop, _) = Rig::going_down();
    rig.answer(stop, pending());
    let waited = rig.call(wait());
    rig.wake();
    rig.nothing();
    rig.pass(20 * SECOND);
    rig.answer(waited, done());
    rig.looks(instance(InstanceStatus::Terminated));
    let (start, _) = rig.mutation(Mutation::Start);
    rig.answer(start, done());
    rig.looks(running());
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    let Outcome::Ready { cold_start: Some(record), .. } = rig.released() else { panic!() };
    assert_eq!(record.total_ms, 20_000, "the wait for the stop is part of the cold start");
}

#[test]
fn a_request_that_waits_for_a_stop_for_too_long_is_sent_away() {
    let (mut rig, stop, _) = Rig::going_down();
    rig.answer(stop, pending());
    rig.call(wait());
    rig.wake();
    rig.pass(5 * MINUTE);
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::StartupTimeout);
    rig.state(VmState::Stopping);
}

#[test]
fn a_stop_that_fails_is_tried_for_ever() {
    let mut rig = Rig::running();
    rig.pass(IDLE);
    for _ in 0..50 {
        let (stop, _) = rig.mutation(Mutation::Stop);
        rig.answer(stop, refused(503, "backendError"));
        rig.pass(75 * SECOND);
    }
    let (stop, first) = rig.mutation(Mutation::Stop);
    rig.answer(stop, refused(403, "forbidden"));
    assert!(rig.lifecycle.failure().unwrap().message.contains("cannot stop the instance"));
    let told = rig.released_down();
    assert!(matches!(told.as_slice(), [Err(failure)] if failure.message.contains("cannot stop")), "{told:?}");
    rig.pass(75 * SECOND);
    let (stop, second) = rig.mutation(Mutation::Stop);
    assert_eq!(first, second, "an earlier try may have had its effect");
    rig.answer(stop, operation_failed(500, "INTERNAL_ERROR"));
    rig.pass(75 * SECOND);
    let (stop, third) = rig.mutation(Mutation::Stop);
    assert_ne!(second, third, "an operation that has ended would be answered from memory");
    rig.answer(stop, done());
    rig.state(VmState::Stopped);
}

#[test]
fn a_request_is_served_by_a_vm_that_cannot_be_stopped() {
    let (mut rig, stop, _) = Rig::going_down();
    rig.wake();
    rig.answer(stop, refused(403, "forbidden"));
    rig.looks(running());
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    assert!(matches!(rig.released(), Outcome::Ready { .. }));
}

#[test]
fn a_vm_that_is_gone_needs_no_stop() {
    let (mut rig, stop, _) = Rig::going_down();
    rig.answer(stop, not_found());
    rig.state(VmState::Absent);
}

#[test]
fn a_vm_that_cannot_be_suspended_is_stopped() {
    let vm = Vm { on_idle: OnIdle::Suspend, ..Vm::default() };
    let (mut rig, suspend, _) = Rig::going_down_with(vm, Mutation::Suspend);
    rig.answer(suspend, refused(400, "invalid"));
    rig.looks(running());
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.answer(stop, done());
    rig.state(VmState::Stopped);
}

#[test]
fn a_lost_object_goes_on_stopping() {
    let (mut rig, _, request_id) = Rig::going_down();
    rig.lose();
    let (stop, again) = rig.mutation(Mutation::Stop);
    assert_eq!(again, request_id);
    rig.answer(stop, pending());
    rig.call(wait());
    rig.lose();
    let waited = rig.call(wait());
    rig.answer(waited, done());
    rig.state(VmState::Stopped);
}

#[test]
fn an_operator_stops_and_deletes_a_vm_in_any_state() {
    for mut rig in [Rig::new(), Rig::running()] {
        rig.send(Event::GoDown(Mutation::Delete));
        rig.state(VmState::Deleting);
        let (delete, _) = rig.mutation(Mutation::Delete);
        rig.answer(delete, done());
        rig.state(VmState::Absent);
    }
}

#[test]
fn a_stop_during_a_start_waits_for_the_operation_and_sends_the_requests_away() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.send(Event::GoDown(Mutation::Delete));
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::Interrupted);
    rig.nothing();
    rig.answer(insert, pending());
    let waited = rig.call(wait());
    rig.answer(waited, done());
    rig.mutation(Mutation::Delete);
}

#[test]
fn whoever_asks_last_is_heard() {
    // A stop, then a request, while the start is still under way: it goes on.
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.send(Event::GoDown(Mutation::Stop));
    rig.released();
    rig.wake();
    rig.answer(insert, done());
    rig.call(Call::Look);

    // A stop, then a delete.
    let mut rig = Rig::running();
    rig.send(Event::GoDown(Mutation::Stop));
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.send(Event::GoDown(Mutation::Delete));
    rig.nothing();
    rig.answer(stop, done());
    rig.mutation(Mutation::Delete);

    // A request, then a stop, while the VM goes down: the request is sent away.
    let mut rig = Rig::running();
    rig.send(Event::GoDown(Mutation::Stop));
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.wake();
    rig.send(Event::GoDown(Mutation::Stop));
    assert!(matches!(rig.released(), Outcome::Failed(_)));
    rig.answer(stop, done());
    rig.state(VmState::Stopped);
    rig.nothing();
}

#[test]
fn the_vm_is_not_touched_by_probes_that_come_late() {
    let mut rig = Rig::running();
    let generation = rig.lifecycle.endpoint().unwrap().generation;
    rig.pass(IDLE);
    rig.mutation(Mutation::Stop);
    rig.send(Event::Probed { generation, result: ProbeResult::Healthy });
    rig.state(VmState::Stopping);
}

#[test]
fn whoever_waits_for_the_vm_to_be_down_is_told_when_it_is() {
    let mut rig = Rig::running();
    rig.send(Event::GoDown(Mutation::Stop));
    let (stop, _) = rig.mutation(Mutation::Stop);
    assert_eq!(rig.released_down(), []);
    // It was down, although a request has it started again at once.
    rig.wake();
    rig.answer(stop, done());
    assert_eq!(rig.released_down(), [Ok(())]);
    rig.call(Call::Look);
}

#[test]
fn a_vm_that_somebody_has_suspended_is_down() {
    let (mut rig, stop, _) = Rig::going_down();
    rig.answer(stop, refused(400, "invalid"));
    rig.pass(SECOND);
    rig.looks(instance(InstanceStatus::Suspended));
    rig.state(VmState::Suspended);
    assert_eq!(rig.lifecycle.deadline(), None);
}

#[test]
fn a_request_that_loads_the_object_long_after_its_alarm_keeps_the_vm_up() {
    let mut rig = Rig::running();
    rig.now = rig.now + 3 * IDLE;
    rig.send(Event::Loaded { seed: SEED });
    rig.nothing();
    rig.wake();
    assert!(matches!(rig.released(), Outcome::Ready { .. }));
    rig.state(VmState::Running);
}

#[test]
fn a_vm_that_may_run_is_brought_down_although_the_start_that_found_it_failed() {
    // It ran, and cannot be looked at.
    let mut rig = Rig::running();
    let generation = rig.lifecycle.endpoint().unwrap().generation;
    rig.send(Event::Wake { unreachable: Some(generation), insist: false, client: None });
    rig.looks(refused(403, "forbidden"));
    rig.released();
    rig.pass(IDLE);
    rig.looks(running());
    rig.mutation(Mutation::Stop);

    // It never answered, and cannot be looked at.
    let mut rig = Rig::lost_in_its_start(Vm::default());
    rig.pass(IDLE);
    rig.looks(running());
    rig.mutation(Mutation::Stop);
}

#[test]
fn a_vm_whose_history_is_lost_is_brought_down_when_nobody_asks_for_it() {
    let mut rig = Rig::recovered_with(Vm::default());
    rig.pass(IDLE);
    rig.looks(not_found());
    rig.state(VmState::Absent);
}

#[test]
fn a_failed_start_of_a_vm_that_never_sleeps_has_no_deadline() {
    let mut rig = Rig::with(Vm { startup_timeout: 20 * SECOND, on_idle: OnIdle::Stop, ..Vm::default() });
    rig.wake();
    rig.looks(running());
    rig.pass(20 * SECOND);
    rig.probes_then_released(FailureKind::StartupTimeout);
    assert!(rig.lifecycle.deadline().is_some());
    rig.configure(Vm { on_idle: OnIdle::Never, ..Vm::default() });
    assert_eq!(rig.lifecycle.deadline(), None);
}

#[test]
fn requests_that_are_refused_are_activity_too() {
    let mut rig = Rig::running_with(Vm { idle_timeout: 20 * SECOND, ..Vm::default() });
    let generation = rig.lifecycle.endpoint().unwrap().generation;
    rig.send(Event::Wake { unreachable: Some(generation), insist: false, client: None });
    for _ in 0..2 {
        rig.looks(refused(403, "forbidden"));
        rig.released();
        rig.pass(20 * SECOND);
        rig.wake();
    }
    rig.looks(refused(403, "forbidden"));
    rig.released();
    for _ in 0..3 {
        rig.pass(12 * SECOND);
        rig.wake();
        rig.released();
        rig.state(VmState::Failed);
    }
    rig.pass(22 * SECOND);
    rig.state(VmState::Stopping);
}

#[test]
fn a_start_that_failed_is_looked_at_before_the_vm_is_brought_down() {
    let mut rig = Rig::with(Vm { startup_timeout: 60 * SECOND, ..Vm::default() });
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, pending());
    rig.call(wait());
    rig.pass(60 * SECOND);
    rig.call(Call::Look);
    rig.released();
    // The insert goes on; a stop now would be a second operation beside it.
    rig.send(Event::GoDown(Mutation::Stop));
    rig.looks(instance(InstanceStatus::Staging));
    rig.nothing();
    rig.pass(SECOND);
    rig.looks(running());
    rig.mutation(Mutation::Stop);
}

#[test]
fn an_operation_of_which_nothing_is_heard_is_not_asked_for_twice() {
    let (mut rig, stop, first) = Rig::going_down();
    rig.wake();
    rig.answer(stop, Err(CallError::Unreadable("html".into())));
    assert!(matches!(rig.released(), Outcome::Failed(_)));
    rig.pass(SECOND);
    let (stop, again) = rig.mutation(Mutation::Stop);
    assert_eq!(first, again);
    rig.answer(stop, pending());
    let waited = rig.call(wait());
    rig.answer(waited, refused(403, "forbidden"));
    rig.pass(2 * SECOND);
    let waited = rig.call(wait());
    rig.answer(waited, done());
    rig.state(VmState::Stopped);
}

#[test]
fn whoever_stops_a_vm_that_is_suspended_is_told_that_it_is_down() {
    let mut rig = Rig::new();
    rig.send(Event::GoDown(Mutation::Stop));
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.answer(stop, refused(400, "invalid"));
    assert_eq!(rig.released_down(), []);
    rig.pass(SECOND);
    rig.looks(instance(InstanceStatus::Suspended));
    assert_eq!(rig.released_down(), [Ok(())]);

    // One that runs, and is refused again, cannot be stopped.
    let (mut rig, stop, _) = Rig::going_down();
    rig.answer(stop, refused(400, "invalid"));
    rig.pass(SECOND);
    rig.looks(running());
    let (stop, _) = rig.mutation(Mutation::Stop);
    assert_eq!(rig.released_down(), []);
    rig.answer(stop, refused(400, "invalid"));
    assert!(matches!(rig.released_down().as_slice(), [Err(_)]));
}

#[test]
fn why_a_vm_could_not_be_brought_down_is_told_until_it_is() {
    let (mut rig, stop, _) = Rig::going_down();
    rig.answer(stop, refused(403, "forbidden"));
    assert!(rig.lifecycle.failure().is_some());
    rig.pass(SECOND);
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.answer(stop, done());
    rig.state(VmState::Stopped);
    assert_eq!(rig.lifecycle.failure(), None);
}
