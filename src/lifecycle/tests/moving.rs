//! What must not be forgotten of a VM: that it may run although a start failed, that it is to be elsewhere, and who
//! waits for it to be down.

use std::time::Duration;

use super::harness::*;
use crate::compute::{BringUp, Call, CallError, InstanceStatus, TakeDown};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::vm::{Instance, OnIdle, Vm, VmState};

const MINUTE: Duration = Duration::from_secs(60);

fn vm(zone: &str, on_idle: OnIdle) -> Vm {
    Vm { on_idle, instance: Instance { zone: zone.into(), ..Instance::default() }, ..Vm::default() }
}

/// A VM that is being created, and of whose operation nothing can be understood any more.
fn of_which_nothing_is_heard(vm: Vm) -> Harness {
    let mut harness = Harness::with(vm);
    harness.wake();
    let look = harness.call(Call::Get);
    harness.answer(look, not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.answer(insert, pending());
    let waited = harness.call(wait());
    harness.answer(waited, Err(CallError::InvalidResponse("a proxy's page".into())));
    assert!(matches!(harness.released(), Outcome::Failed(_)));
    harness.state(VmState::Failed);
    harness
}

#[test]
fn an_insert_of_which_nothing_is_heard_may_have_had_its_effect() {
    let mut harness = of_which_nothing_is_heard(vm("old", OnIdle::Stop));
    harness.pass(16 * MINUTE);
    harness.state(VmState::Stopping);
    let look = harness.call(Call::Get);
    harness.answer(look, running());
    harness.change(TakeDown::Stop);
}

#[test]
fn an_insert_whose_repetition_is_refused_may_have_had_its_effect() {
    let mut harness = Harness::new();
    harness.wake();
    let look = harness.call(Call::Get);
    harness.answer(look, not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.answer(insert, Err(CallError::NoResponse("timeout".into())));
    harness.pass(SECOND);
    let (insert, _) = harness.change(BringUp::Insert);
    harness.answer(insert, refused(403, "forbidden"));
    harness.released();
    assert!(harness.lifecycle.may_run());
}

#[test]
fn a_vm_that_may_run_goes_down_by_the_idle_time_that_is_configured_later() {
    let mut harness = of_which_nothing_is_heard(vm("old", OnIdle::Never));
    assert_eq!(harness.lifecycle.deadline(), None);
    harness.configure(vm("old", OnIdle::Stop));
    harness.pass(16 * MINUTE);
    harness.state(VmState::Stopping);
}

#[test]
fn a_vm_that_may_run_goes_down_in_a_zone_that_is_not_configured_any_more_even_if_it_never_sleeps() {
    let mut harness = of_which_nothing_is_heard(vm("old", OnIdle::Never));
    harness.configure(vm("new", OnIdle::Never));
    harness.state(VmState::Stopping);
    harness.send(Event::Timer);
    let look = harness.call(Call::Get);
    harness.answer(look, running());
    harness.change(TakeDown::Stop);
    assert_eq!(harness.lifecycle.zone(), "old");
}

/// A VM that is being started in a zone that is not configured any more.
fn starting_out_of_place() -> (Harness, crate::lifecycle::CallId) {
    let mut harness = Harness::with(vm("old", OnIdle::Stop));
    harness.wake();
    let look = harness.call(Call::Get);
    harness.answer(look, instance(InstanceStatus::Terminated));
    let (start, _) = harness.change(BringUp::Start);
    harness.configure(vm("new", OnIdle::Stop));
    (harness, start)
}

#[test]
fn the_request_that_brings_a_new_zone_does_not_call_the_move_off() {
    let (mut harness, start) = starting_out_of_place();
    harness.wake();
    harness.answer(start, done());
    harness.change(TakeDown::Stop);
}

#[test]
fn a_stop_that_is_called_off_leaves_the_move() {
    let (mut harness, start) = starting_out_of_place();
    harness.send(Event::TakeDown(TakeDown::Delete));
    harness.released();
    harness.wake();
    harness.answer(start, done());
    harness.change(TakeDown::Stop);
}

#[test]
fn a_vm_that_cannot_be_stopped_where_it_must_not_be_does_not_serve_there() {
    let (mut harness, start) = starting_out_of_place();
    harness.answer(start, done());
    let (stop, _) = harness.change(TakeDown::Stop);
    harness.answer(stop, refused(403, "forbidden"));
    assert!(matches!(harness.released(), Outcome::Failed(failure) if failure.kind == FailureKind::NotDown));
    harness.state(VmState::Stopping);
    harness.pass(SECOND);
    harness.change(TakeDown::Stop);
}

#[test]
fn whoever_waits_for_a_stop_that_is_called_off_is_told_so() {
    let (mut harness, start) = starting_out_of_place();
    harness.configure(vm("old", OnIdle::Stop));
    harness.send(Event::TakeDown(TakeDown::Stop));
    harness.released();
    harness.wake();
    let told = harness.released_down();
    assert!(matches!(&told[..], [Err(failure)] if failure.kind == FailureKind::Interrupted), "{told:?}");
    assert_eq!(harness.lifecycle.failure().map(|failure| failure.kind), Some(FailureKind::Interrupted));
    let _ = start;
}

#[test]
fn a_vm_that_is_healthy_before_its_operation_is_done_goes_down_all_the_same() {
    let mut harness = Harness::new();
    harness.wake();
    let look = harness.call(Call::Get);
    harness.answer(look, not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.answer(insert, pending());
    let waited = harness.call(wait());
    harness.pass(3 * SECOND);
    let peek = harness.call(Call::Get);
    harness.answer(peek, staging());
    harness.probe();
    harness.send(Event::TakeDown(TakeDown::Stop));
    harness.released();
    harness.probed(ProbeResult::Healthy);
    harness.state(VmState::Starting);
    harness.answer(waited, done());
    harness.change(TakeDown::Stop);
}

/// A suspended VM that is being resumed, to be stopped, while a request waits for it.
fn resumed_and_wanted(harness: &mut Harness) -> crate::lifecycle::CallId {
    harness.pass(16 * MINUTE);
    let (suspend, _) = harness.change(TakeDown::Suspend);
    harness.answer(suspend, done());
    harness.pass(MINUTE);
    let (resume, _) = harness.change(BringUp::Resume);
    harness.wake();
    resume
}

#[test]
fn a_vm_that_is_resumed_where_it_must_not_be_any_more_is_stopped_before_it_starts_elsewhere() {
    let suspended = |zone| Vm { deep_sleep_after: Some(MINUTE), ..vm(zone, OnIdle::Suspend) };
    let mut harness = Harness::running_with(suspended("old"));
    let resume = resumed_and_wanted(&mut harness);
    harness.configure(suspended("new"));
    harness.answer(resume, done());
    assert_eq!(harness.lifecycle.zone(), "old");
    let (stop, _) = harness.change(TakeDown::Stop);
    harness.answer(stop, done());
    harness.call(Call::Get);
    assert_eq!(harness.lifecycle.zone(), "new");
}

#[test]
fn a_vm_that_is_resumed_too_late_for_the_request_is_stopped() {
    let mut harness =
        Harness::running_with(Vm { deep_sleep_after: Some(MINUTE), ..vm("old", OnIdle::Suspend) });
    let resume = resumed_and_wanted(&mut harness);
    harness.pass(5 * MINUTE);
    harness.released();
    harness.answer(resume, done());
    harness.change(TakeDown::Stop);
}

#[test]
fn a_new_configuration_that_changes_the_state_says_since_when() {
    let mut harness = Harness::running_with(vm("old", OnIdle::Stop));
    harness.pass(MINUTE);
    harness.configure(vm("new", OnIdle::Stop));
    harness.state(VmState::Stopping);
    assert_eq!(harness.lifecycle.since(), harness.now);
}

#[test]
fn a_move_that_is_called_off_before_it_has_begun_costs_nothing() {
    let (mut harness, start) = starting_out_of_place();
    harness.configure(vm("old", OnIdle::Stop));
    harness.answer(start, done());
    harness.looks(running());
    harness.probe();
}
