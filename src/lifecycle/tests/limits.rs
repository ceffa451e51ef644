//! What keeps a VM up although it is idle, and what keeps it down although it is wanted.

use std::time::Duration;

use super::rig::*;
use crate::compute::{Call, InstanceStatus, Mutation};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::vm::{OnIdle, Vm, VmState};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn asked_vm() -> Vm {
    Vm { busy_path: Some("/busy".into()), busy_limit: 2 * HOUR, ..Vm::default() }
}

#[test]
fn a_vm_that_says_it_is_busy_stays_up_until_it_does_not_or_the_limit_is_reached() {
    let mut rig = Rig::running_with(asked_vm());
    let began = rig.now;
    let mut vetoes = 0;
    loop {
        rig.pass(IDLE);
        if rig.lifecycle.vm_state() == VmState::Stopping {
            break;
        }
        let generation = rig.asked().generation;
        rig.send(Event::Asked { generation, busy: true });
        rig.state(VmState::Running);
        vetoes += 1;
    }
    assert_eq!(vetoes, 7);
    assert!(rig.now.since(began) < 2 * HOUR + IDLE);
}

#[test]
fn a_vm_that_is_idle_goes_down_as_soon_as_it_says_so() {
    let (mut rig, generation) = Rig::asked_with(asked_vm());
    rig.send(Event::Asked { generation, busy: false });
    rig.mutation(Mutation::Stop);
}

#[test]
fn a_vm_that_does_not_say_is_idle_and_a_lost_object_asks_again() {
    let (mut rig, _) = Rig::asked_with(asked_vm());
    rig.lose();
    rig.asked();
    rig.pass(10 * SECOND);
    rig.mutation(Mutation::Stop);
}

#[test]
fn a_request_while_the_vm_is_asked_keeps_it_up() {
    let (mut rig, generation) = Rig::asked_with(asked_vm());
    rig.wake();
    rig.released();
    rig.send(Event::Asked { generation, busy: false });
    rig.state(VmState::Running);
    rig.nothing();
    assert_eq!(rig.lifecycle.deadline(), Some(rig.now + IDLE));
}

#[test]
fn a_suspended_vm_is_stopped_after_a_while_by_way_of_a_resume() {
    let vm = Vm { on_idle: OnIdle::Suspend, deep_sleep_after: Some(48 * HOUR), ..Vm::default() };
    let (mut rig, suspend, _) = Rig::going_down_with(vm, Mutation::Suspend);
    rig.answer(suspend, done());
    rig.state(VmState::Suspended);
    rig.pass(48 * HOUR - SECOND);
    rig.nothing();
    rig.pass(SECOND);
    let (resume, _) = rig.mutation(Mutation::Resume);
    rig.answer(resume, done());
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.answer(stop, done());
    rig.state(VmState::Stopped);
    assert_eq!(rig.lifecycle.deadline(), None);
}

#[test]
fn a_request_during_the_resume_before_the_stop_is_served() {
    let vm = Vm { on_idle: OnIdle::Suspend, deep_sleep_after: Some(HOUR), ..Vm::default() };
    let (mut rig, suspend, _) = Rig::going_down_with(vm, Mutation::Suspend);
    rig.answer(suspend, done());
    rig.pass(HOUR);
    let (resume, _) = rig.mutation(Mutation::Resume);
    rig.wake();
    rig.answer(resume, done());
    rig.looks(running());
    rig.probe();
}

#[test]
fn that_a_vm_cannot_be_suspended_is_remembered() {
    let vm = Vm { on_idle: OnIdle::Suspend, ..Vm::default() };
    let (mut rig, suspend, _) = Rig::going_down_with(vm, Mutation::Suspend);
    rig.answer(suspend, refused(400, "invalid"));
    rig.looks(running());
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.answer(stop, done());
    rig.wake();
    rig.looks(running());
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    rig.released();
    rig.pass(IDLE);
    rig.mutation(Mutation::Stop);
}

/// Starts the VM and stops it again.
fn start_and_stop(rig: &mut Rig) {
    rig.wake();
    rig.looks(instance(InstanceStatus::Terminated));
    let (start, _) = rig.mutation(Mutation::Start);
    rig.answer(start, done());
    rig.looks(running());
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    rig.released();
    rig.send(Event::GoDown(Mutation::Stop));
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.answer(stop, done());
}

#[test]
fn a_vm_is_not_started_more_often_in_an_hour_than_it_may_be() {
    let mut rig = Rig::with(Vm { max_starts_per_hour: Some(2), ..Vm::default() });
    start_and_stop(&mut rig);
    rig.pass(20 * 60 * SECOND);
    start_and_stop(&mut rig);
    rig.wake();
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
    assert_eq!(failure.retry_at.since(rig.now), 40 * 60 * SECOND);
    rig.nothing();

    // The operator may all the same.
    rig.send(Event::Wake { unreachable: None, insist: true, client: None });
    rig.call(Call::Look);
}

#[test]
fn a_vm_goes_down_when_its_hours_are_used_up_and_stays_down_until_the_next_month() {
    let vm = Vm { max_hours_per_month: Some(5), on_idle: OnIdle::Never, ..Vm::default() };
    let mut rig = Rig::running_with(vm);
    rig.pass(5 * HOUR - SECOND);
    rig.state(VmState::Running);
    rig.pass(SECOND);
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.answer(stop, done());
    rig.wake();
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
    rig.pass(failure.retry_at.since(rig.now));
    rig.wake();
    rig.call(Call::Look);
}

#[test]
fn the_hours_of_a_vm_that_runs_through_the_end_of_the_month_are_limited_in_the_next_one_too() {
    let vm = Vm { max_hours_per_month: Some(500), on_idle: OnIdle::Never, ..Vm::default() };
    let mut rig = Rig::running_with(vm);
    // From 14 November, 22:13:20 to 1 December.
    let month = 16 * 24 * HOUR + Duration::from_secs(6400);
    rig.pass(month + 500 * HOUR - SECOND);
    rig.state(VmState::Running);
    rig.pass(SECOND);
    rig.mutation(Mutation::Stop);
}

#[test]
fn a_request_while_a_vm_whose_hours_are_used_up_goes_down_is_refused_and_so_is_the_operator() {
    let mut rig =
        Rig::running_with(Vm { max_hours_per_month: Some(1), on_idle: OnIdle::Never, ..Vm::default() });
    rig.pass(HOUR);
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.wake();
    assert!(matches!(rig.released(), Outcome::Failed(failure) if failure.kind == FailureKind::OverLimit));
    rig.answer(stop, done());
    rig.state(VmState::Stopped);
    rig.send(Event::Wake { unreachable: None, insist: true, client: None });
    assert!(matches!(rig.released(), Outcome::Failed(failure) if failure.kind == FailureKind::OverLimit));
    rig.nothing();
}

#[test]
fn a_vm_that_may_run_after_a_failed_start_goes_down_for_its_hours_although_it_is_asked_for() {
    let mut rig = Rig::lost_in_its_start(Vm { max_hours_per_month: Some(1), ..Vm::default() });
    rig.pass(5 * SECOND);
    let began = rig.now;
    while rig.lifecycle.vm_state() == VmState::Failed {
        rig.send(Event::Touch);
        rig.pass(5 * SECOND);
    }
    assert!(rig.now.since(began) < HOUR, "{:?}", rig.now.since(began));
    rig.looks(running());
    rig.mutation(Mutation::Stop);
}
