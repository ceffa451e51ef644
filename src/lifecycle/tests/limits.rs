//! Busy checks, deep sleep, and the limits on starts and hours.

use std::time::Duration;

use super::harness::*;
use crate::compute::{BringUp, Call, TakeDown};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::vm::{OnIdle, Vm, VmState};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn busy_checked_vm() -> Vm {
    Vm { busy_path: Some("/busy".into()), busy_limit: 2 * HOUR, ..Vm::default() }
}

#[test]
fn a_vm_that_says_it_is_busy_stays_up_until_it_does_not_or_the_limit_is_reached() {
    let mut harness = Harness::running_with(busy_checked_vm());
    let began = harness.now;
    let mut vetoes = 0;
    loop {
        harness.advance(IDLE);
        if harness.lifecycle.vm_state() == VmState::Stopping {
            break;
        }
        let generation = harness.expect_busy_check().generation;
        harness.send(Event::BusyChecked { generation, busy: true });
        harness.expect_state(VmState::Running);
        vetoes += 1;
    }
    assert_eq!(vetoes, 7);
    assert!(harness.now.since(began) < 2 * HOUR + IDLE);
}

#[test]
fn a_vm_that_is_idle_goes_down_as_soon_as_it_says_so() {
    let (mut harness, generation) = Harness::in_busy_check_with(busy_checked_vm());
    harness.send(Event::BusyChecked { generation, busy: false });
    harness.expect_change(TakeDown::Stop);
}

#[test]
fn a_vm_that_does_not_say_is_idle_and_a_lost_object_asks_again() {
    let (mut harness, _) = Harness::in_busy_check_with(busy_checked_vm());
    harness.lose();
    harness.expect_busy_check();
    harness.advance(10 * SECOND);
    harness.expect_change(TakeDown::Stop);
}

#[test]
fn a_request_while_the_vm_is_asked_keeps_it_up() {
    let (mut harness, generation) = Harness::in_busy_check_with(busy_checked_vm());
    harness.wake();
    harness.expect_release();
    harness.send(Event::BusyChecked { generation, busy: false });
    harness.expect_state(VmState::Running);
    harness.expect_nothing();
    assert_eq!(harness.lifecycle.deadline(), Some(harness.now + IDLE));
}

#[test]
fn a_suspended_vm_is_stopped_after_a_while_by_way_of_a_resume() {
    let vm = Vm { on_idle: OnIdle::Suspend, deep_sleep_after: Some(48 * HOUR), ..Vm::default() };
    let (mut harness, suspend, _) = Harness::going_down_with(vm, TakeDown::Suspend);
    harness.respond(suspend, done());
    harness.expect_state(VmState::Suspended);
    harness.advance(48 * HOUR - SECOND);
    harness.expect_nothing();
    harness.advance(SECOND);
    let (resume, _) = harness.expect_change(BringUp::Resume);
    harness.respond(resume, done());
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.respond(stop, done());
    harness.expect_state(VmState::Stopped);
    assert_eq!(harness.lifecycle.deadline(), None);
}

#[test]
fn a_request_during_the_resume_before_the_stop_is_served() {
    let vm = Vm { on_idle: OnIdle::Suspend, deep_sleep_after: Some(HOUR), ..Vm::default() };
    let (mut harness, suspend, _) = Harness::going_down_with(vm, TakeDown::Suspend);
    harness.respond(suspend, done());
    harness.advance(HOUR);
    let (resume, _) = harness.expect_change(BringUp::Resume);
    harness.wake();
    harness.respond(resume, done());
    harness.respond_to_look(running());
    harness.expect_probe();
}

#[test]
fn that_a_vm_cannot_be_suspended_is_remembered() {
    let vm = Vm { on_idle: OnIdle::Suspend, ..Vm::default() };
    let (mut harness, suspend, _) = Harness::going_down_with(vm, TakeDown::Suspend);
    harness.respond(suspend, refused(400, "invalid"));
    harness.respond_to_look(running());
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.respond(stop, done());
    harness.wake();
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.end_probe(ProbeResult::Healthy);
    harness.expect_release();
    harness.advance(IDLE);
    harness.expect_change(TakeDown::Stop);
}

/// Starts the VM, and stops it.
fn start_and_stop(harness: &mut Harness) {
    harness.wake();
    harness.start_stopped();
    harness.expect_release();
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.respond(stop, done());
}

#[test]
fn a_vm_is_not_started_more_often_in_an_hour_than_it_may_be() {
    let mut harness = Harness::with(Vm { max_starts_per_hour: Some(2), ..Vm::default() });
    start_and_stop(&mut harness);
    harness.advance(20 * 60 * SECOND);
    start_and_stop(&mut harness);
    harness.wake();
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
    assert_eq!(failure.retry_at.since(harness.now), 40 * 60 * SECOND);
    harness.expect_nothing();

    // The limit does not apply to the operator.
    harness.send(Event::Wake { unreachable: None, force: true, client: None });
    harness.expect_call(Call::Get);
}

#[test]
fn a_vm_goes_down_when_its_hours_are_used_up_and_stays_down_until_the_next_month() {
    let vm = Vm { max_hours_per_month: Some(5), on_idle: OnIdle::Never, ..Vm::default() };
    let mut harness = Harness::running_with(vm);
    harness.advance(5 * HOUR - SECOND);
    harness.expect_state(VmState::Running);
    harness.advance(SECOND);
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.respond(stop, done());
    harness.wake();
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
    harness.advance(failure.retry_at.since(harness.now));
    harness.wake();
    harness.expect_call(Call::Get);
}

#[test]
fn the_hours_of_a_vm_that_runs_through_the_end_of_the_month_are_limited_in_the_next_one_too() {
    let vm = Vm { max_hours_per_month: Some(500), on_idle: OnIdle::Never, ..Vm::default() };
    let mut harness = Harness::running_with(vm);
    // From 14 November, 22:13:20 to 1 December.
    let month = 16 * 24 * HOUR + Duration::from_secs(6400);
    harness.advance(month + 500 * HOUR - SECOND);
    harness.expect_state(VmState::Running);
    harness.advance(SECOND);
    harness.expect_change(TakeDown::Stop);
}

#[test]
fn a_request_while_a_vm_whose_hours_are_used_up_goes_down_is_refused_and_so_is_the_operator() {
    let mut harness =
        Harness::running_with(Vm { max_hours_per_month: Some(1), on_idle: OnIdle::Never, ..Vm::default() });
    harness.advance(HOUR);
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.wake();
    assert!(
        matches!(harness.expect_release(), Outcome::Failed(failure) if failure.kind == FailureKind::OverLimit)
    );
    harness.respond(stop, done());
    harness.expect_state(VmState::Stopped);
    harness.send(Event::Wake { unreachable: None, force: true, client: None });
    assert!(
        matches!(harness.expect_release(), Outcome::Failed(failure) if failure.kind == FailureKind::OverLimit)
    );
    harness.expect_nothing();
}

#[test]
fn a_vm_that_may_run_after_a_failed_start_goes_down_for_its_hours_although_it_is_asked_for() {
    let mut harness = Harness::lost_while_starting(Vm { max_hours_per_month: Some(1), ..Vm::default() });
    harness.advance(5 * SECOND);
    let began = harness.now;
    while harness.lifecycle.vm_state() == VmState::Failed {
        harness.send(Event::Touch);
        harness.advance(5 * SECOND);
    }
    assert!(harness.now.since(began) < HOUR, "{:?}", harness.now.since(began));
    harness.respond_to_look(running());
    harness.expect_change(TakeDown::Stop);
}
