//! Facts about a VM that must not be lost: that it may run after a failed start, that it moves to
//! another zone, and that requests wait for it to be down.

use std::time::Duration;

use super::harness::*;
use crate::compute::{BringUp, Call, CallError, InstanceStatus, TakeDown};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::vm::{Instance, OnIdle, Vm, VmState};

const MINUTE: Duration = Duration::from_secs(60);

fn vm(zone: &str, on_idle: OnIdle) -> Vm {
    Vm { on_idle, instance: Instance { zone: zone.into(), ..Instance::default() }, ..Vm::default() }
}

/// Creates a VM that is being inserted, and whose operation cannot be read.
fn with_unreadable_operation(vm: Vm) -> Harness {
    let mut harness = Harness::with(vm);
    harness.wake();
    let look = harness.expect_call(Call::Get);
    harness.respond(look, not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, pending());
    let waited = harness.expect_call(wait());
    harness.respond(waited, Err(CallError::InvalidResponse("a proxy's page".into())));
    assert!(matches!(harness.expect_release(), Outcome::Failed(_)));
    harness.expect_state(VmState::Failed);
    harness
}

#[test]
fn an_insert_of_which_nothing_is_heard_may_have_had_its_effect() {
    let mut harness = with_unreadable_operation(vm("old", OnIdle::Stop));
    harness.advance(16 * MINUTE);
    harness.expect_state(VmState::Stopping);
    let look = harness.expect_call(Call::Get);
    harness.respond(look, running());
    harness.expect_change(TakeDown::Stop);
}

#[test]
fn an_insert_whose_repetition_is_refused_may_have_had_its_effect() {
    let mut harness = Harness::new();
    harness.wake();
    let look = harness.expect_call(Call::Get);
    harness.respond(look, not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, Err(CallError::NoResponse("timeout".into())));
    harness.advance(SECOND);
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, refused(403, "forbidden"));
    harness.expect_release();
    assert!(harness.lifecycle.may_run());
}

#[test]
fn a_vm_that_may_run_goes_down_by_the_idle_time_that_is_configured_later() {
    let mut harness = with_unreadable_operation(vm("old", OnIdle::Never));
    assert_eq!(harness.lifecycle.deadline(), None);
    harness.configure(vm("old", OnIdle::Stop));
    harness.advance(16 * MINUTE);
    harness.expect_state(VmState::Stopping);
}

#[test]
fn a_vm_that_may_run_goes_down_in_a_zone_that_is_not_configured_any_more_even_if_it_never_sleeps() {
    let mut harness = with_unreadable_operation(vm("old", OnIdle::Never));
    harness.configure(vm("new", OnIdle::Never));
    harness.expect_state(VmState::Stopping);
    harness.send(Event::Timer);
    let look = harness.expect_call(Call::Get);
    harness.respond(look, running());
    harness.expect_change(TakeDown::Stop);
    assert_eq!(harness.lifecycle.zone(), "old");
}

/// Creates a VM that is being started in a zone that is no longer configured.
fn starting_in_removed_zone() -> (Harness, crate::lifecycle::CallId) {
    let mut harness = Harness::with(vm("old", OnIdle::Stop));
    harness.wake();
    let look = harness.expect_call(Call::Get);
    harness.respond(look, instance(InstanceStatus::Terminated));
    let (start, _) = harness.expect_change(BringUp::Start);
    harness.configure(vm("new", OnIdle::Stop));
    (harness, start)
}

#[test]
fn the_request_that_brings_a_new_zone_does_not_call_the_move_off() {
    let (mut harness, start) = starting_in_removed_zone();
    harness.wake();
    harness.respond(start, done());
    harness.expect_change(TakeDown::Stop);
}

#[test]
fn a_stop_that_is_called_off_leaves_the_move() {
    let (mut harness, start) = starting_in_removed_zone();
    harness.send(Event::TakeDown(TakeDown::Delete));
    harness.expect_release();
    harness.wake();
    harness.respond(start, done());
    harness.expect_change(TakeDown::Stop);
}

#[test]
fn a_vm_that_cannot_be_stopped_where_it_must_not_be_does_not_serve_there() {
    let (mut harness, start) = starting_in_removed_zone();
    harness.respond(start, done());
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.respond(stop, refused(403, "forbidden"));
    assert!(
        matches!(harness.expect_release(), Outcome::Failed(failure) if failure.kind == FailureKind::NotDown)
    );
    harness.expect_state(VmState::Stopping);
    harness.advance(SECOND);
    harness.expect_change(TakeDown::Stop);
}

#[test]
fn whoever_waits_for_a_stop_that_is_called_off_is_told_so() {
    let (mut harness, start) = starting_in_removed_zone();
    harness.configure(vm("old", OnIdle::Stop));
    harness.send(Event::TakeDown(TakeDown::Stop));
    harness.expect_release();
    harness.wake();
    let results = harness.take_down_results();
    assert!(
        matches!(&results[..], [Err(failure)] if failure.kind == FailureKind::Interrupted),
        "{results:?}"
    );
    assert_eq!(harness.lifecycle.failure().map(|failure| failure.kind), Some(FailureKind::Interrupted));
    let _ = start;
}

#[test]
fn a_vm_that_is_healthy_before_its_operation_is_done_goes_down_all_the_same() {
    let mut harness = Harness::new();
    harness.wake();
    let look = harness.expect_call(Call::Get);
    harness.respond(look, not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, pending());
    let waited = harness.expect_call(wait());
    harness.advance(3 * SECOND);
    let peek = harness.expect_call(Call::Get);
    harness.respond(peek, staging());
    harness.expect_probe();
    harness.send(Event::TakeDown(TakeDown::Stop));
    harness.expect_release();
    harness.end_probe(ProbeResult::Healthy);
    harness.expect_state(VmState::Starting);
    harness.respond(waited, done());
    harness.expect_change(TakeDown::Stop);
}

/// Lets a suspended VM be resumed to be stopped, while a request waits for it.
fn resumed_with_request(harness: &mut Harness) -> crate::lifecycle::CallId {
    harness.advance(16 * MINUTE);
    let (suspend, _) = harness.expect_change(TakeDown::Suspend);
    harness.respond(suspend, done());
    harness.advance(MINUTE);
    let (resume, _) = harness.expect_change(BringUp::Resume);
    harness.wake();
    resume
}

#[test]
fn a_vm_that_is_resumed_where_it_must_not_be_any_more_is_stopped_before_it_starts_elsewhere() {
    let suspended = |zone| Vm { deep_sleep_after: Some(MINUTE), ..vm(zone, OnIdle::Suspend) };
    let mut harness = Harness::running_with(suspended("old"));
    let resume = resumed_with_request(&mut harness);
    harness.configure(suspended("new"));
    harness.respond(resume, done());
    assert_eq!(harness.lifecycle.zone(), "old");
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.respond(stop, done());
    harness.expect_call(Call::Get);
    assert_eq!(harness.lifecycle.zone(), "new");
}

#[test]
fn a_vm_that_is_resumed_too_late_for_the_request_is_stopped() {
    let mut harness =
        Harness::running_with(Vm { deep_sleep_after: Some(MINUTE), ..vm("old", OnIdle::Suspend) });
    let resume = resumed_with_request(&mut harness);
    harness.advance(5 * MINUTE);
    harness.expect_release();
    harness.respond(resume, done());
    harness.expect_change(TakeDown::Stop);
}

#[test]
fn a_new_configuration_that_changes_the_state_says_since_when() {
    let mut harness = Harness::running_with(vm("old", OnIdle::Stop));
    harness.advance(MINUTE);
    harness.configure(vm("new", OnIdle::Stop));
    harness.expect_state(VmState::Stopping);
    assert_eq!(harness.lifecycle.since(), harness.now);
}

#[test]
fn a_move_that_is_called_off_before_it_has_begun_costs_nothing() {
    let (mut harness, start) = starting_in_removed_zone();
    harness.configure(vm("old", OnIdle::Stop));
    harness.respond(start, done());
    harness.respond_to_look(running());
    harness.expect_probe();
}
