//! What keeps a VM up although it is idle, and what keeps it down although it is wanted.

use std::time::Duration;

use super::harness::*;
use crate::compute::{BringUp, Call, InstanceStatus, TakeDown};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::vm::{OnIdle, Vm, VmState};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn asked_vm() -> Vm {
    Vm { busy_path: Some("/busy".into()), busy_limit: 2 * HOUR, ..Vm::default() }
}

#[test]
fn a_vm_that_says_it_is_busy_stays_up_until_it_does_not_or_the_limit_is_reached() {
    let mut harness = Harness::running_with(asked_vm());
    let began = harness.now;
    let mut vetoes = 0;
    loop {
        harness.pass(IDLE);
        if harness.lifecycle.vm_state() == VmState::Stopping {
            break;
        }
        let generation = harness.asked().generation;
        harness.send(Event::BusyChecked { generation, busy: true });
        harness.state(VmState::Running);
        vetoes += 1;
    }
    assert_eq!(vetoes, 7);
    assert!(harness.now.since(began) < 2 * HOUR + IDLE);
}

#[test]
fn a_vm_that_is_idle_goes_down_as_soon_as_it_says_so() {
    let (mut harness, generation) = Harness::asked_with(asked_vm());
    harness.send(Event::BusyChecked { generation, busy: false });
    harness.change(TakeDown::Stop);
}

#[test]
fn a_vm_that_does_not_say_is_idle_and_a_lost_object_asks_again() {
    let (mut harness, _) = Harness::asked_with(asked_vm());
    harness.lose();
    harness.asked();
    harness.pass(10 * SECOND);
    harness.change(TakeDown::Stop);
}

#[test]
fn a_request_while_the_vm_is_asked_keeps_it_up() {
    let (mut harness, generation) = Harness::asked_with(asked_vm());
    harness.wake();
    harness.released();
    harness.send(Event::BusyChecked { generation, busy: false });
    harness.state(VmState::Running);
    harness.nothing();
    assert_eq!(harness.lifecycle.deadline(), Some(harness.now + IDLE));
}

#[test]
fn a_suspended_vm_is_stopped_after_a_while_by_way_of_a_resume() {
    let vm = Vm { on_idle: OnIdle::Suspend, deep_sleep_after: Some(48 * HOUR), ..Vm::default() };
    let (mut harness, suspend, _) = Harness::going_down_with(vm, TakeDown::Suspend);
    harness.answer(suspend, done());
    harness.state(VmState::Suspended);
    harness.pass(48 * HOUR - SECOND);
    harness.nothing();
    harness.pass(SECOND);
    let (resume, _) = harness.change(BringUp::Resume);
    harness.answer(resume, done());
    let (stop, _) = harness.change(TakeDown::Stop);
    harness.answer(stop, done());
    harness.state(VmState::Stopped);
    assert_eq!(harness.lifecycle.deadline(), None);
}

#[test]
fn a_request_during_the_resume_before_the_stop_is_served() {
    let vm = Vm { on_idle: OnIdle::Suspend, deep_sleep_after: Some(HOUR), ..Vm::default() };
    let (mut harness, suspend, _) = Harness::going_down_with(vm, TakeDown::Suspend);
    harness.answer(suspend, done());
    harness.pass(HOUR);
    let (resume, _) = harness.change(BringUp::Resume);
    harness.wake();
    harness.answer(resume, done());
    harness.looks(running());
    harness.probe();
}

#[test]
fn that_a_vm_cannot_be_suspended_is_remembered() {
    let vm = Vm { on_idle: OnIdle::Suspend, ..Vm::default() };
    let (mut harness, suspend, _) = Harness::going_down_with(vm, TakeDown::Suspend);
    harness.answer(suspend, refused(400, "invalid"));
    harness.looks(running());
    let (stop, _) = harness.change(TakeDown::Stop);
    harness.answer(stop, done());
    harness.wake();
    harness.looks(running());
    harness.probe();
    harness.probed(ProbeResult::Healthy);
    harness.released();
    harness.pass(IDLE);
    harness.change(TakeDown::Stop);
}

/// Starts the VM and stops it again.
fn start_and_stop(harness: &mut Harness) {
    harness.wake();
    harness.looks(instance(InstanceStatus::Terminated));
    let (start, _) = harness.change(BringUp::Start);
    harness.answer(start, done());
    harness.looks(running());
    harness.probe();
    harness.probed(ProbeResult::Healthy);
    harness.released();
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.change(TakeDown::Stop);
    harness.answer(stop, done());
}

#[test]
fn a_vm_is_not_started_more_often_in_an_hour_than_it_may_be() {
    let mut harness = Harness::with(Vm { max_starts_per_hour: Some(2), ..Vm::default() });
    start_and_stop(&mut harness);
    harness.pass(20 * 60 * SECOND);
    start_and_stop(&mut harness);
    harness.wake();
    let Outcome::Failed(failure) = harness.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
    assert_eq!(failure.retry_at.since(harness.now), 40 * 60 * SECOND);
    harness.nothing();

    // The operator may all the same.
    harness.send(Event::Wake { unreachable: None, force: true, client: None });
    harness.call(Call::Get);
}

#[test]
fn a_vm_goes_down_when_its_hours_are_used_up_and_stays_down_until_the_next_month() {
    let vm = Vm { max_hours_per_month: Some(5), on_idle: OnIdle::Never, ..Vm::default() };
    let mut harness = Harness::running_with(vm);
    harness.pass(5 * HOUR - SECOND);
    harness.state(VmState::Running);
    harness.pass(SECOND);
    let (stop, _) = harness.change(TakeDown::Stop);
    harness.answer(stop, done());
    harness.wake();
    let Outcome::Failed(failure) = harness.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
    harness.pass(failure.retry_at.since(harness.now));
    harness.wake();
    harness.call(Call::Get);
}

#[test]
fn the_hours_of_a_vm_that_runs_through_the_end_of_the_month_are_limited_in_the_next_one_too() {
    let vm = Vm { max_hours_per_month: Some(500), on_idle: OnIdle::Never, ..Vm::default() };
    let mut harness = Harness::running_with(vm);
    // From 14 November, 22:13:20 to 1 December.
    let month = 16 * 24 * HOUR + Duration::from_secs(6400);
    harness.pass(month + 500 * HOUR - SECOND);
    harness.state(VmState::Running);
    harness.pass(SECOND);
    harness.change(TakeDown::Stop);
}

#[test]
fn a_request_while_a_vm_whose_hours_are_used_up_goes_down_is_refused_and_so_is_the_operator() {
    let mut harness =
        Harness::running_with(Vm { max_hours_per_month: Some(1), on_idle: OnIdle::Never, ..Vm::default() });
    harness.pass(HOUR);
    let (stop, _) = harness.change(TakeDown::Stop);
    harness.wake();
    assert!(matches!(harness.released(), Outcome::Failed(failure) if failure.kind == FailureKind::OverLimit));
    harness.answer(stop, done());
    harness.state(VmState::Stopped);
    harness.send(Event::Wake { unreachable: None, force: true, client: None });
    assert!(matches!(harness.released(), Outcome::Failed(failure) if failure.kind == FailureKind::OverLimit));
    harness.nothing();
}

#[test]
fn a_vm_that_may_run_after_a_failed_start_goes_down_for_its_hours_although_it_is_asked_for() {
    let mut harness = Harness::lost_in_its_start(Vm { max_hours_per_month: Some(1), ..Vm::default() });
    harness.pass(5 * SECOND);
    let began = harness.now;
    while harness.lifecycle.vm_state() == VmState::Failed {
        harness.send(Event::Touch);
        harness.pass(5 * SECOND);
    }
    assert!(harness.now.since(began) < HOUR, "{:?}", harness.now.since(began));
    harness.looks(running());
    harness.change(TakeDown::Stop);
}
