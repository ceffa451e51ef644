//! Take-downs, and the events during them.

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
        harness.advance(IDLE - SECOND);
        harness.expect_state(VmState::Running);
        harness.expect_nothing();
        harness.advance(SECOND);
        harness.expect_state(on_the_way);
        let (call, _) = harness.expect_change(mutation);
        harness.respond(call, pending());
        let waited = harness.expect_call(wait());
        harness.respond(waited, done());
        harness.expect_state(down);
        harness.expect_nothing();
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
    harness.advance(10 * MINUTE);
    harness.send(Event::Touch);
    harness.advance(10 * MINUTE);
    harness.expect_state(VmState::Running);
    harness.wake();
    harness.expect_release();
    harness.advance(10 * MINUTE);
    harness.lose();
    harness.expect_state(VmState::Running);
    harness.advance(5 * MINUTE + 5 * SECOND);
    harness.expect_state(VmState::Stopping);
}

#[test]
fn an_alarm_that_rings_late_still_brings_the_vm_down() {
    let mut harness = Harness::running();
    harness.now = harness.now + 3 * IDLE;
    harness.send(Event::Timer);
    harness.expect_change(TakeDown::Stop);
}

#[test]
fn a_request_during_the_stop_is_held_and_served_after_the_next_start() {
    let (mut harness, stop, _) = Harness::going_down();
    harness.respond(stop, pending());
    let waited = harness.expect_call(wait());
    harness.wake();
    harness.expect_nothing();
    harness.advance(20 * SECOND);
    harness.respond(waited, done());
    harness.start_stopped();
    let Outcome::Ready { cold_start: Some(record), .. } = harness.expect_release() else { panic!() };
    assert_eq!(record.total_ms, 20_000, "the wait for the stop is part of the cold start");
}

#[test]
fn a_request_that_waits_for_a_stop_for_too_long_is_sent_away() {
    let (mut harness, stop, _) = Harness::going_down();
    harness.respond(stop, pending());
    harness.expect_call(wait());
    harness.wake();
    harness.advance(5 * MINUTE);
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert_eq!(failure.kind, FailureKind::StartupTimeout);
    harness.expect_state(VmState::Stopping);
}

#[test]
fn a_stop_that_fails_is_tried_for_ever() {
    let mut harness = Harness::running();
    harness.advance(IDLE);
    for _ in 0..50 {
        let (stop, _) = harness.expect_change(TakeDown::Stop);
        harness.respond(stop, refused(503, "backendError"));
        harness.advance(75 * SECOND);
    }
    let (stop, first) = harness.expect_change(TakeDown::Stop);
    harness.respond(stop, refused(403, "forbidden"));
    assert!(harness.lifecycle.failure().unwrap().message.contains("cannot stop the instance"));
    let results = harness.take_down_results();
    assert!(
        matches!(results.as_slice(), [Err(failure)] if failure.message.contains("cannot stop")),
        "{results:?}"
    );
    harness.advance(75 * SECOND);
    let (stop, second) = harness.expect_change(TakeDown::Stop);
    assert_eq!(first, second, "an earlier try may have taken effect");
    harness.respond(stop, operation_failed(500, "INTERNAL_ERROR"));
    harness.advance(75 * SECOND);
    let (stop, third) = harness.expect_change(TakeDown::Stop);
    assert_ne!(second, third, "the same request id would return the operation that has ended");
    harness.respond(stop, done());
    harness.expect_state(VmState::Stopped);
}

#[test]
fn a_request_is_served_by_a_vm_that_cannot_be_stopped() {
    let (mut harness, stop, _) = Harness::going_down();
    harness.wake();
    harness.respond(stop, refused(403, "forbidden"));
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.end_probe(ProbeResult::Healthy);
    assert!(matches!(harness.expect_release(), Outcome::Ready { .. }));
}

#[test]
fn a_vm_that_is_gone_needs_no_stop() {
    let (mut harness, stop, _) = Harness::going_down();
    harness.respond(stop, not_found());
    harness.expect_state(VmState::Absent);
}

#[test]
fn a_vm_that_cannot_be_suspended_is_stopped() {
    let vm = Vm { on_idle: OnIdle::Suspend, ..Vm::default() };
    let (mut harness, suspend, _) = Harness::going_down_with(vm, TakeDown::Suspend);
    harness.respond(suspend, refused(400, "invalid"));
    harness.respond_to_look(running());
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.respond(stop, done());
    harness.expect_state(VmState::Stopped);
}

#[test]
fn a_lost_object_goes_on_stopping() {
    let (mut harness, _, request_id) = Harness::going_down();
    harness.lose();
    let (stop, again) = harness.expect_change(TakeDown::Stop);
    assert_eq!(again, request_id);
    harness.respond(stop, pending());
    harness.expect_call(wait());
    harness.lose();
    let waited = harness.expect_call(wait());
    harness.respond(waited, done());
    harness.expect_state(VmState::Stopped);
}

#[test]
fn an_operator_stops_and_deletes_a_vm_in_any_state() {
    for mut harness in [Harness::new(), Harness::running()] {
        harness.send(Event::TakeDown(TakeDown::Delete));
        harness.expect_state(VmState::Deleting);
        let (delete, _) = harness.expect_change(TakeDown::Delete);
        harness.respond(delete, done());
        harness.expect_state(VmState::Absent);
    }
}

#[test]
fn a_stop_during_a_start_waits_for_the_operation_and_sends_the_requests_away() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.send(Event::TakeDown(TakeDown::Delete));
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert_eq!(failure.kind, FailureKind::Interrupted);
    harness.expect_nothing();
    harness.respond(insert, pending());
    let waited = harness.expect_call(wait());
    harness.respond(waited, done());
    harness.expect_change(TakeDown::Delete);
}

#[test]
fn whoever_asks_last_is_heard() {
    // A stop, then a request, during a start: the start continues.
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.send(Event::TakeDown(TakeDown::Stop));
    harness.expect_release();
    harness.wake();
    harness.respond(insert, done());
    harness.expect_call(Call::Get);

    // A stop, then a delete.
    let mut harness = Harness::running();
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.send(Event::TakeDown(TakeDown::Delete));
    harness.expect_nothing();
    harness.respond(stop, done());
    harness.expect_change(TakeDown::Delete);

    // A request, then a stop, while the VM goes down: the request is refused.
    let mut harness = Harness::running();
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.wake();
    harness.send(Event::TakeDown(TakeDown::Stop));
    assert!(matches!(harness.expect_release(), Outcome::Failed(_)));
    harness.respond(stop, done());
    harness.expect_state(VmState::Stopped);
    harness.expect_nothing();
}

#[test]
fn the_vm_is_not_touched_by_probes_that_come_late() {
    let mut harness = Harness::running();
    let generation = harness.lifecycle.endpoint().unwrap().generation;
    harness.advance(IDLE);
    harness.expect_change(TakeDown::Stop);
    harness.send(Event::Probed { generation, result: ProbeResult::Healthy });
    harness.expect_state(VmState::Stopping);
}

#[test]
fn whoever_waits_for_the_vm_to_be_down_is_told_when_it_is() {
    let mut harness = Harness::running();
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    assert_eq!(harness.take_down_results(), []);
    // The VM was down, although a request starts it again at once.
    harness.wake();
    harness.respond(stop, done());
    assert_eq!(harness.take_down_results(), [Ok(())]);
    harness.expect_call(Call::Get);
}

#[test]
fn a_vm_that_somebody_has_suspended_is_down() {
    let (mut harness, stop, _) = Harness::going_down();
    harness.respond(stop, refused(400, "invalid"));
    harness.advance(SECOND);
    harness.respond_to_look(instance(InstanceStatus::Suspended));
    harness.expect_state(VmState::Suspended);
    assert_eq!(harness.lifecycle.deadline(), None);
}

#[test]
fn a_request_that_loads_the_object_long_after_its_alarm_keeps_the_vm_up() {
    let mut harness = Harness::running();
    harness.now = harness.now + 3 * IDLE;
    harness.load(SEED);
    harness.expect_nothing();
    harness.wake();
    assert!(matches!(harness.expect_release(), Outcome::Ready { .. }));
    harness.expect_state(VmState::Running);
}

#[test]
fn a_vm_that_may_run_is_brought_down_although_the_start_that_found_it_failed() {
    // The VM ran, and looks are refused.
    let mut harness = Harness::running();
    let generation = harness.lifecycle.endpoint().unwrap().generation;
    harness.send(Event::Wake { unreachable: Some(generation), force: false, client: None });
    harness.respond_to_look(refused(403, "forbidden"));
    harness.expect_release();
    harness.advance(IDLE);
    harness.respond_to_look(running());
    harness.expect_change(TakeDown::Stop);

    // Its probes failed, and looks are refused.
    let mut harness = Harness::lost_while_starting(Vm::default());
    harness.advance(IDLE);
    harness.respond_to_look(running());
    harness.expect_change(TakeDown::Stop);
}

#[test]
fn a_vm_whose_history_is_lost_is_brought_down_when_nobody_asks_for_it() {
    let mut harness = Harness::recovered_with(Vm::default());
    harness.advance(IDLE);
    harness.respond_to_look(not_found());
    harness.expect_state(VmState::Absent);
}

#[test]
fn a_failed_start_of_a_vm_that_never_sleeps_has_no_deadline() {
    let mut harness =
        Harness::with(Vm { startup_timeout: 20 * SECOND, on_idle: OnIdle::Stop, ..Vm::default() });
    harness.wake();
    harness.respond_to_look(running());
    harness.advance(20 * SECOND);
    harness.expect_failure_after_probes(FailureKind::StartupTimeout);
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
        harness.respond_to_look(refused(403, "forbidden"));
        harness.expect_release();
        harness.advance(20 * SECOND);
        harness.wake();
    }
    harness.respond_to_look(refused(403, "forbidden"));
    harness.expect_release();
    for _ in 0..3 {
        harness.advance(12 * SECOND);
        harness.wake();
        harness.expect_release();
        harness.expect_state(VmState::Failed);
    }
    harness.advance(22 * SECOND);
    harness.expect_state(VmState::Stopping);
}

#[test]
fn a_start_that_failed_is_looked_at_before_the_vm_is_brought_down() {
    let mut harness = Harness::with(Vm { startup_timeout: 60 * SECOND, ..Vm::default() });
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, pending());
    harness.expect_call(wait());
    harness.advance(60 * SECOND);
    harness.expect_call(Call::Get);
    harness.expect_release();
    // The insert continues; a stop would be a second, concurrent operation.
    harness.send(Event::TakeDown(TakeDown::Stop));
    harness.respond_to_look(instance(InstanceStatus::Staging));
    harness.expect_nothing();
    harness.advance(SECOND);
    harness.respond_to_look(running());
    harness.expect_change(TakeDown::Stop);
}

#[test]
fn an_operation_of_which_nothing_is_heard_is_not_asked_for_twice() {
    let (mut harness, stop, first) = Harness::going_down();
    harness.wake();
    harness.respond(stop, Err(CallError::InvalidResponse("html".into())));
    assert!(matches!(harness.expect_release(), Outcome::Failed(_)));
    harness.advance(SECOND);
    let (stop, again) = harness.expect_change(TakeDown::Stop);
    assert_eq!(first, again);
    harness.respond(stop, pending());
    let waited = harness.expect_call(wait());
    harness.respond(waited, refused(403, "forbidden"));
    harness.advance(2 * SECOND);
    let waited = harness.expect_call(wait());
    harness.respond(waited, done());
    harness.expect_state(VmState::Stopped);
}

#[test]
fn whoever_stops_a_vm_that_is_suspended_is_told_that_it_is_down() {
    let mut harness = Harness::new();
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.respond(stop, refused(400, "invalid"));
    assert_eq!(harness.take_down_results(), []);
    harness.advance(SECOND);
    harness.respond_to_look(instance(InstanceStatus::Suspended));
    assert_eq!(harness.take_down_results(), [Ok(())]);

    // A VM that runs, and whose stop is refused again, cannot be stopped.
    let (mut harness, stop, _) = Harness::going_down();
    harness.respond(stop, refused(400, "invalid"));
    harness.advance(SECOND);
    harness.respond_to_look(running());
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    assert_eq!(harness.take_down_results(), []);
    harness.respond(stop, refused(400, "invalid"));
    assert!(matches!(harness.take_down_results().as_slice(), [Err(_)]));
}

#[test]
fn why_a_vm_could_not_be_brought_down_is_told_until_it_is() {
    let (mut harness, stop, _) = Harness::going_down();
    harness.respond(stop, refused(403, "forbidden"));
    assert!(harness.lifecycle.failure().is_some());
    harness.advance(SECOND);
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.respond(stop, done());
    harness.expect_state(VmState::Stopped);
    assert_eq!(harness.lifecycle.failure(), None);
}
