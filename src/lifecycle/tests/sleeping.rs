//! The way down, and what happens on it.

use std::time::Duration;

use super::harness::*;
use crate::compute::{BringUp, Call, CallError, InstanceStatus, TakeDown};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::vm::{OnIdle, Vm, VmState};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_idle_vm_is_brought_down_as_configured() {
    for (on_idle, mutation, on_the_way, down) in [
        (OnIdle::Stop, TakeDown::Stop, VmState::Stopping, VmState::Stopped),
        (OnIdle::Suspend, TakeDown::Suspend, VmState::Suspending, VmState::Suspended),
        (OnIdle::Delete, TakeDown::Delete, VmState::Deleting, VmState::Absent),
    ] {
        let mut harness = Harness::running_with(Vm { on_idle, ..Vm::default() });
        assert_eq!(harness.lifecycle.idle_deadline(), Some(harness.now + IDLE));
        harness.pass(IDLE - SECOND);
        harness.state(VmState::Running);
        harness.nothing();
        harness.pass(SECOND);
        harness.state(on_the_way);
        let (call, _) = harness.change(mutation);
        harness.answer(call, pending());
        let waited = harness.call(wait());
        harness.answer(waited, done());
        harness.state(down);
        harness.nothing();
        assert_eq!(harness.lifecycle.deadline(), None);
    }
}

#[test]
fn a_vm_that_never_sleeps_has_no_deadline() {
    let harness = Harness::running_with(Vm { on_idle: OnIdle::Never, ..Vm::default() });
    assert_eq!((harness.lifecycle.deadline(), harness.lifecycle.idle_deadline()), (None, None));
}

#[test]
fn activity_keeps_the_vm_up_and_a_lost_object_does_not_start_the_idle_time_anew() {
    let mut harness = Harness::running();
    harness.pass(10 * MINUTE);
    harness.send(Event::Touch);
    harness.pass(10 * MINUTE);
    harness.state(VmState::Running);
    harness.wake();
    harness.released();
    harness.pass(10 * MINUTE);
    harness.lose();
    harness.state(VmState::Running);
    harness.pass(5 * MINUTE + 5 * SECOND);
    harness.state(VmState::Stopping);
}

#[test]
fn an_alarm_that_rings_late_still_brings_the_vm_down() {
    let mut harness = Harness::running();
    harness.now = harness.now + 3 * IDLE;
    harness.send(Event::Timer);
    harness.change(TakeDown::Stop);
}

#[test]
fn a_request_during_the_stop_is_held_and_served_after_the_next_start() {
    let (mut harness, stop, _) = Harness::going_down();
    harness.answer(stop, pending());
    let waited = harness.call(wait());
    harness.wake();
    harness.nothing();
    harness.pass(20 * SECOND);
    harness.answer(waited, done());
    harness.looks(instance(InstanceStatus::Terminated));
    let (start, _) = harness.change(BringUp::Start);
    harness.answer(start, done());
    harness.looks(running());
    harness.probe();
    harness.probed(ProbeResult::Healthy);
    let Outcome::Ready { cold_start: Some(record), .. } = harness.released() else { panic!() };
    assert_eq!(record.total_ms, 20_000, "the wait for the stop is part of the cold start");
}

#[test]
fn a_request_that_waits_for_a_stop_for_too_long_is_sent_away() {
    let (mut harness, stop, _) = Harness::going_down();
    harness.answer(stop, pending());
    harness.call(wait());
    harness.wake();
    harness.pass(5 * MINUTE);
    let Outcome::Failed(failure) = harness.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::StartupTimeout);
    harness.state(VmState::Stopping);
}

#[test]
fn a_stop_that_fails_is_tried_for_ever() {
    let mut harness = Harness::running();
    harness.pass(IDLE);
    for _ in 0..50 {
        let (stop, _) = harness.change(TakeDown::Stop);
        harness.answer(stop, refused(503, "backendError"));
        harness.pass(75 * SECOND);
    }
    let (stop, first) = harness.change(TakeDown::Stop);
    harness.answer(stop, refused(403, "forbidden"));
    assert!(harness.lifecycle.failure().unwrap().message.contains("cannot stop the instance"));
    let told = harness.released_down();
    assert!(matches!(told.as_slice(), [Err(failure)] if failure.message.contains("cannot stop")), "{told:?}");
    harness.pass(75 * SECOND);
    let (stop, second) = harness.change(TakeDown::Stop);
    assert_eq!(first, second, "an earlier try may have had its effect");
    harness.answer(stop, operation_failed(500, "INTERNAL_ERROR"));
    harness.pass(75 * SECOND);
    let (stop, third) = harness.change(TakeDown::Stop);
    assert_ne!(second, third, "an operation that has ended would be answered from memory");
    harness.answer(stop, done());
    harness.state(VmState::Stopped);
}

#[test]
fn a_request_is_served_by_a_vm_that_cannot_be_stopped() {
    let (mut harness, stop, _) = Harness::going_down();
    harness.wake();
    harness.answer(stop, refused(403, "forbidden"));
    harness.looks(running());
    harness.probe();
    harness.probed(ProbeResult::Healthy);
    assert!(matches!(harness.released(), Outcome::Ready { .. }));
}

#[test]
fn a_vm_that_is_gone_needs_no_stop() {
    let (mut harness, stop, _) = Harness::going_down();
    harness.answer(stop, not_found());
    harness.state(VmState::Absent);
}

#[test]
fn a_vm_that_cannot_be_suspended_is_stopped() {
    let vm = Vm { on_idle: OnIdle::Suspend, ..Vm::default() };
    let (mut harness, suspend, _) = Harness::going_down_with(vm, TakeDown::Suspend);
    harness.answer(suspend, refused(400, "invalid"));
    harness.looks(running());
    let (stop, _) = harness.change(TakeDown::Stop);
    harness.answer(stop, done());
    harness.state(VmState::Stopped);
}

#[test]
fn a_lost_object_goes_on_stopping() {
    let (mut harness, _, request_id) = Harness::going_down();
    harness.lose();
    let (stop, again) = harness.change(TakeDown::Stop);
    assert_eq!(again, request_id);
    harness.answer(stop, pending());
    harness.call(wait());
    harness.lose();
    let waited = harness.call(wait());
    harness.answer(waited, done());
    harness.state(VmState::Stopped);
}

#[test]
fn an_operator_stops_and_deletes_a_vm_in_any_state() {
    for mut harness in [Harness::new(), Harness::running()] {
        harness.send(Event::TakeDown(TakeDown::Delete));
        harness.state(VmState::Deleting);
        let (delete, _) = harness.change(TakeDown::Delete);
        harness.answer(delete, done());
        harness.state(VmState::Absent);
    }
}

#[test]
fn a_stop_during_a_start_waits_for_the_operation_and_sends_the_requests_away() {
    let mut harness = Harness::new();
    harness.wake();
    harness.looks(not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.send(Event::TakeDown(TakeDown::Delete));
    let Outcome::Failed(failure) = harness.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::Interrupted);
    harness.nothing();
    harness.answer(insert, pending());
    let waited = harness.call(wait());
    harness.answer(waited, done());
    harness.change(TakeDown::Delete);
}

#[test]
fn whoever_asks_last_is_heard() {
    // A stop, then a request, while the start is still under way: it goes on.
    let mut harness = Harness::new();
    harness.wake();
    harness.looks(not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.send(Event::TakeDown(TakeDown::Stop));
    harness.released();
    harness.wake();
    harness.answer(insert, done());
    harness.call(Call::Get);

    // A stop, then a delete.
    let mut harness = Harness::running();
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.change(TakeDown::Stop);
    harness.send(Event::TakeDown(TakeDown::Delete));
    harness.nothing();
    harness.answer(stop, done());
    harness.change(TakeDown::Delete);

    // A request, then a stop, while the VM goes down: the request is sent away.
    let mut harness = Harness::running();
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.change(TakeDown::Stop);
    harness.wake();
    harness.send(Event::TakeDown(TakeDown::Stop));
    assert!(matches!(harness.released(), Outcome::Failed(_)));
    harness.answer(stop, done());
    harness.state(VmState::Stopped);
    harness.nothing();
}

#[test]
fn the_vm_is_not_touched_by_probes_that_come_late() {
    let mut harness = Harness::running();
    let generation = harness.lifecycle.endpoint().unwrap().generation;
    harness.pass(IDLE);
    harness.change(TakeDown::Stop);
    harness.send(Event::Probed { generation, result: ProbeResult::Healthy });
    harness.state(VmState::Stopping);
}

#[test]
fn whoever_waits_for_the_vm_to_be_down_is_told_when_it_is() {
    let mut harness = Harness::running();
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.change(TakeDown::Stop);
    assert_eq!(harness.released_down(), []);
    // It was down, although a request has it started again at once.
    harness.wake();
    harness.answer(stop, done());
    assert_eq!(harness.released_down(), [Ok(())]);
    harness.call(Call::Get);
}

#[test]
fn a_vm_that_somebody_has_suspended_is_down() {
    let (mut harness, stop, _) = Harness::going_down();
    harness.answer(stop, refused(400, "invalid"));
    harness.pass(SECOND);
    harness.looks(instance(InstanceStatus::Suspended));
    harness.state(VmState::Suspended);
    assert_eq!(harness.lifecycle.deadline(), None);
}

#[test]
fn a_request_that_loads_the_object_long_after_its_alarm_keeps_the_vm_up() {
    let mut harness = Harness::running();
    harness.now = harness.now + 3 * IDLE;
    harness.send(Event::Loaded { seed: SEED });
    harness.nothing();
    harness.wake();
    assert!(matches!(harness.released(), Outcome::Ready { .. }));
    harness.state(VmState::Running);
}

#[test]
fn a_vm_that_may_run_is_brought_down_although_the_start_that_found_it_failed() {
    // It ran, and cannot be looked at.
    let mut harness = Harness::running();
    let generation = harness.lifecycle.endpoint().unwrap().generation;
    harness.send(Event::Wake { unreachable: Some(generation), force: false, client: None });
    harness.looks(refused(403, "forbidden"));
    harness.released();
    harness.pass(IDLE);
    harness.looks(running());
    harness.change(TakeDown::Stop);

    // It never answered, and cannot be looked at.
    let mut harness = Harness::lost_in_its_start(Vm::default());
    harness.pass(IDLE);
    harness.looks(running());
    harness.change(TakeDown::Stop);
}

#[test]
fn a_vm_whose_history_is_lost_is_brought_down_when_nobody_asks_for_it() {
    let mut harness = Harness::recovered_with(Vm::default());
    harness.pass(IDLE);
    harness.looks(not_found());
    harness.state(VmState::Absent);
}

#[test]
fn a_failed_start_of_a_vm_that_never_sleeps_has_no_deadline() {
    let mut harness =
        Harness::with(Vm { startup_timeout: 20 * SECOND, on_idle: OnIdle::Stop, ..Vm::default() });
    harness.wake();
    harness.looks(running());
    harness.pass(20 * SECOND);
    harness.probes_then_released(FailureKind::StartupTimeout);
    assert!(harness.lifecycle.deadline().is_some());
    harness.configure(Vm { on_idle: OnIdle::Never, ..Vm::default() });
    assert_eq!(harness.lifecycle.deadline(), None);
}

#[test]
fn requests_that_are_refused_are_activity_too() {
    let mut harness = Harness::running_with(Vm { idle_timeout: 20 * SECOND, ..Vm::default() });
    let generation = harness.lifecycle.endpoint().unwrap().generation;
    harness.send(Event::Wake { unreachable: Some(generation), force: false, client: None });
    for _ in 0..2 {
        harness.looks(refused(403, "forbidden"));
        harness.released();
        harness.pass(20 * SECOND);
        harness.wake();
    }
    harness.looks(refused(403, "forbidden"));
    harness.released();
    for _ in 0..3 {
        harness.pass(12 * SECOND);
        harness.wake();
        harness.released();
        harness.state(VmState::Failed);
    }
    harness.pass(22 * SECOND);
    harness.state(VmState::Stopping);
}

#[test]
fn a_start_that_failed_is_looked_at_before_the_vm_is_brought_down() {
    let mut harness = Harness::with(Vm { startup_timeout: 60 * SECOND, ..Vm::default() });
    harness.wake();
    harness.looks(not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.answer(insert, pending());
    harness.call(wait());
    harness.pass(60 * SECOND);
    harness.call(Call::Get);
    harness.released();
    // The insert goes on; a stop now would be a second operation beside it.
    harness.send(Event::TakeDown(TakeDown::Stop));
    harness.looks(instance(InstanceStatus::Staging));
    harness.nothing();
    harness.pass(SECOND);
    harness.looks(running());
    harness.change(TakeDown::Stop);
}

#[test]
fn an_operation_of_which_nothing_is_heard_is_not_asked_for_twice() {
    let (mut harness, stop, first) = Harness::going_down();
    harness.wake();
    harness.answer(stop, Err(CallError::InvalidResponse("html".into())));
    assert!(matches!(harness.released(), Outcome::Failed(_)));
    harness.pass(SECOND);
    let (stop, again) = harness.change(TakeDown::Stop);
    assert_eq!(first, again);
    harness.answer(stop, pending());
    let waited = harness.call(wait());
    harness.answer(waited, refused(403, "forbidden"));
    harness.pass(2 * SECOND);
    let waited = harness.call(wait());
    harness.answer(waited, done());
    harness.state(VmState::Stopped);
}

#[test]
fn whoever_stops_a_vm_that_is_suspended_is_told_that_it_is_down() {
    let mut harness = Harness::new();
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.change(TakeDown::Stop);
    harness.answer(stop, refused(400, "invalid"));
    assert_eq!(harness.released_down(), []);
    harness.pass(SECOND);
    harness.looks(instance(InstanceStatus::Suspended));
    assert_eq!(harness.released_down(), [Ok(())]);

    // One that runs, and is refused again, cannot be stopped.
    let (mut harness, stop, _) = Harness::going_down();
    harness.answer(stop, refused(400, "invalid"));
    harness.pass(SECOND);
    harness.looks(running());
    let (stop, _) = harness.change(TakeDown::Stop);
    assert_eq!(harness.released_down(), []);
    harness.answer(stop, refused(400, "invalid"));
    assert!(matches!(harness.released_down().as_slice(), [Err(_)]));
}

#[test]
fn why_a_vm_could_not_be_brought_down_is_told_until_it_is() {
    let (mut harness, stop, _) = Harness::going_down();
    harness.answer(stop, refused(403, "forbidden"));
    assert!(harness.lifecycle.failure().is_some());
    harness.pass(SECOND);
    let (stop, _) = harness.change(TakeDown::Stop);
    harness.answer(stop, done());
    harness.state(VmState::Stopped);
    assert_eq!(harness.lifecycle.failure(), None);
}
