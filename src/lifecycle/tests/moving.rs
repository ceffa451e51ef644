//! What must not be forgotten of a VM: that it may run although a start failed, that it is to be elsewhere, and who
//! waits for it to be down.

use std::time::Duration;

use super::rig::*;
use crate::compute::{Call, CallError, InstanceStatus, Mutation};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::vm::{Instance, OnIdle, Vm, VmState};

const MINUTE: Duration = Duration::from_secs(60);

fn vm(zone: &str, on_idle: OnIdle) -> Vm {
    Vm { on_idle, instance: Instance { zone: zone.into(), ..Instance::default() }, ..Vm::default() }
}

/// A VM that is being created, and of whose operation nothing can be understood any more.
fn of_which_nothing_is_heard(vm: Vm) -> Rig {
    let mut rig = Rig::with(vm);
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, pending());
    let waited = rig.call(wait());
    rig.answer(waited, Err(CallError::Unreadable("a proxy's page".into())));
    assert!(matches!(rig.released(), Outcome::Failed(_)));
    rig.state(VmState::Failed);
    rig
}

#[test]
fn an_insert_of_which_nothing_is_heard_may_have_had_its_effect() {
    let mut rig = of_which_nothing_is_heard(vm("old", OnIdle::Stop));
    rig.pass(16 * MINUTE);
    rig.state(VmState::Stopping);
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    rig.mutation(Mutation::Stop);
}

#[test]
fn an_insert_whose_repetition_is_refused_may_have_had_its_effect() {
    let mut rig = Rig::new();
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, Err(CallError::Unanswered("timeout".into())));
    rig.pass(SECOND);
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, refused(403, "forbidden"));
    rig.released();
    assert!(rig.lifecycle.may_run());
}

#[test]
fn a_vm_that_may_run_goes_down_by_the_idle_time_that_is_configured_later() {
    let mut rig = of_which_nothing_is_heard(vm("old", OnIdle::Never));
    assert_eq!(rig.lifecycle.deadline(), None);
    rig.configure(vm("old", OnIdle::Stop));
    rig.pass(16 * MINUTE);
    rig.state(VmState::Stopping);
}

#[test]
fn a_vm_that_may_run_goes_down_in_a_zone_that_is_not_configured_any_more_even_if_it_never_sleeps() {
    let mut rig = of_which_nothing_is_heard(vm("old", OnIdle::Never));
    rig.configure(vm("new", OnIdle::Never));
    rig.state(VmState::Stopping);
    rig.send(Event::Tick);
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    rig.mutation(Mutation::Stop);
    assert_eq!(rig.lifecycle.zone(), "old");
}

/// A VM that is being started in a zone that is not configured any more.
fn starting_out_of_place() -> (Rig, crate::lifecycle::CallId) {
    let mut rig = Rig::with(vm("old", OnIdle::Stop));
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, instance(InstanceStatus::Terminated));
    let (start, _) = rig.mutation(Mutation::Start);
    rig.configure(vm("new", OnIdle::Stop));
    (rig, start)
}

#[test]
fn the_request_that_brings_a_new_zone_does_not_call_the_move_off() {
    let (mut rig, start) = starting_out_of_place();
    rig.wake();
    rig.answer(start, done());
    rig.mutation(Mutation::Stop);
}

#[test]
fn a_stop_that_is_called_off_leaves_the_move() {
    let (mut rig, start) = starting_out_of_place();
    rig.send(Event::GoDown(Mutation::Delete));
    rig.released();
    rig.wake();
    rig.answer(start, done());
    rig.mutation(Mutation::Stop);
}

#[test]
fn a_vm_that_cannot_be_stopped_where_it_must_not_be_does_not_serve_there() {
    let (mut rig, start) = starting_out_of_place();
    rig.answer(start, done());
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.answer(stop, refused(403, "forbidden"));
    assert!(matches!(rig.released(), Outcome::Failed(failure) if failure.kind == FailureKind::NotDown));
    rig.state(VmState::Stopping);
    rig.pass(SECOND);
    rig.mutation(Mutation::Stop);
}

#[test]
fn whoever_waits_for_a_stop_that_is_called_off_is_told_so() {
    let (mut rig, start) = starting_out_of_place();
    rig.configure(vm("old", OnIdle::Stop));
    rig.send(Event::GoDown(Mutation::Stop));
    rig.released();
    rig.wake();
    let told = rig.released_down();
    assert!(matches!(&told[..], [Err(failure)] if failure.kind == FailureKind::Interrupted), "{told:?}");
    assert_eq!(rig.lifecycle.failure().map(|failure| failure.kind), Some(FailureKind::Interrupted));
    let _ = start;
}

#[test]
fn a_vm_that_is_healthy_before_its_operation_is_done_goes_down_all_the_same() {
    let mut rig = Rig::new();
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, pending());
    let waited = rig.call(wait());
    rig.pass(3 * SECOND);
    let peek = rig.call(Call::Look);
    rig.answer(peek, staging());
    rig.probe();
    rig.send(Event::GoDown(Mutation::Stop));
    rig.released();
    rig.probed(ProbeResult::Healthy);
    rig.state(VmState::Starting);
    rig.answer(waited, done());
    rig.mutation(Mutation::Stop);
}

/// A suspended VM that is being resumed, to be stopped, while a request waits for it.
fn resumed_and_wanted(rig: &mut Rig) -> crate::lifecycle::CallId {
    rig.pass(16 * MINUTE);
    let (suspend, _) = rig.mutation(Mutation::Suspend);
    rig.answer(suspend, done());
    rig.pass(MINUTE);
    let (resume, _) = rig.mutation(Mutation::Resume);
    rig.wake();
    resume
}

#[test]
fn a_vm_that_is_resumed_where_it_must_not_be_any_more_is_stopped_before_it_starts_elsewhere() {
    let suspended = |zone| Vm { deep_sleep_after: Some(MINUTE), ..vm(zone, OnIdle::Suspend) };
    let mut rig = Rig::running_with(suspended("old"));
    let resume = resumed_and_wanted(&mut rig);
    rig.configure(suspended("new"));
    rig.answer(resume, done());
    assert_eq!(rig.lifecycle.zone(), "old");
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.answer(stop, done());
    rig.call(Call::Look);
    assert_eq!(rig.lifecycle.zone(), "new");
}

#[test]
fn a_vm_that_is_resumed_too_late_for_the_request_is_stopped() {
    let mut rig = Rig::running_with(Vm { deep_sleep_after: Some(MINUTE), ..vm("old", OnIdle::Suspend) });
    let resume = resumed_and_wanted(&mut rig);
    rig.pass(5 * MINUTE);
    rig.released();
    rig.answer(resume, done());
    rig.mutation(Mutation::Stop);
}

#[test]
fn a_new_configuration_that_changes_the_state_says_since_when() {
    let mut rig = Rig::running_with(vm("old", OnIdle::Stop));
    rig.pass(MINUTE);
    rig.configure(vm("new", OnIdle::Stop));
    rig.state(VmState::Stopping);
    assert_eq!(rig.lifecycle.since(), rig.now);
}

#[test]
fn a_move_that_is_called_off_before_it_has_begun_costs_nothing() {
    let (mut rig, start) = starting_out_of_place();
    rig.configure(vm("old", OnIdle::Stop));
    rig.answer(start, done());
    rig.looks(running());
    rig.probe();
}
