//! Windows in which the VM is kept awake, and wakes.

use std::time::Duration;

use super::rig::*;
use crate::compute::{Call, InstanceStatus, Mutation};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::schedule::Plan;
use crate::time::Timestamp;
use crate::vm::{OnIdle, Vm, VmState};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A window that lasts as long.
fn window(rig: &Rig, lasts: Duration) -> Plan {
    Plan { awake_until: Some(rig.now + lasts), wake_at: None }
}

fn plan(rig: &mut Rig, plan: Plan) {
    rig.send(Event::Planned(plan));
    rig.send(Event::Tick);
}

/// The time of a window or a wake has come: the shell has planned anew before the tick.
fn comes(rig: &mut Rig, after: Duration, lasts: Option<Duration>) -> Timestamp {
    let at = rig.now + after;
    plan(rig, Plan { awake_until: None, wake_at: Some(at) });
    assert_eq!(rig.lifecycle.deadline().min(Some(at)), rig.lifecycle.deadline());
    rig.pass(after - SECOND);
    rig.nothing();
    rig.now = at;
    plan(rig, Plan { awake_until: lasts.map(|lasts| at + lasts), wake_at: None });
    at
}

#[track_caller]
fn comes_up(rig: &mut Rig) {
    rig.looks(running());
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    rig.released();
    rig.state(VmState::Running);
}

#[track_caller]
fn goes_down(rig: &mut Rig, mutation: Mutation) {
    let (call, _) = rig.mutation(mutation);
    rig.answer(call, done());
}

#[test]
fn a_wake_starts_the_vm_for_its_idle_time() {
    let mut rig = Rig::new();
    let at = comes(&mut rig, HOUR, None);
    comes_up(&mut rig);
    assert_eq!(rig.lifecycle.last_activity(), Some(at));
    rig.pass(IDLE - SECOND);
    rig.nothing();
    rig.pass(SECOND);
    goes_down(&mut rig, Mutation::Stop);
    assert_eq!(rig.lifecycle.deadline(), None);
}

#[test]
fn a_wake_is_as_good_as_a_request_for_a_vm_that_runs() {
    let mut rig = Rig::running();
    comes(&mut rig, 10 * MINUTE, None);
    rig.nothing();
    assert_eq!(rig.lifecycle.idle_deadline(), Some(rig.now + IDLE));
}

#[test]
fn a_wake_that_was_due_while_the_object_was_lost_is_made_up_for() {
    let mut rig = Rig::new();
    let wake_at = Some(rig.now + HOUR);
    plan(&mut rig, Plan { awake_until: None, wake_at });
    rig.now = rig.now + HOUR + MINUTE;
    rig.lose();
    rig.call(Call::Look);
}

#[test]
fn a_wake_whose_start_fails_is_not_made_up_for() {
    let mut rig = Rig::new();
    comes(&mut rig, HOUR, None);
    rig.looks(refused(403, "forbidden"));
    rig.released();
    assert_eq!(rig.lifecycle.deadline(), None);
}

#[test]
fn the_vm_is_started_at_the_beginning_of_a_window_and_goes_down_after_its_end() {
    let mut rig = Rig::new();
    let began = comes(&mut rig, HOUR, Some(10 * HOUR));
    comes_up(&mut rig);
    assert_eq!(rig.lifecycle.idle_deadline(), Some(began + 10 * HOUR));
    while rig.now.since(began) < 10 * HOUR - 5 * MINUTE {
        rig.pass(5 * MINUTE);
        rig.looks(running());
        rig.state(VmState::Running);
    }
    rig.pass(5 * MINUTE);
    goes_down(&mut rig, Mutation::Stop);
    rig.state(VmState::Stopped);
    rig.nothing();
}

#[test]
fn a_vm_that_is_used_at_the_end_of_its_window_has_its_idle_time() {
    let mut rig = Rig::running();
    let window = window(&rig, 20 * MINUTE);
    plan(&mut rig, window);
    rig.pass(4 * MINUTE);
    rig.send(Event::Touch);
    rig.pass(4 * MINUTE);
    rig.send(Event::Touch);
    assert_eq!(rig.lifecycle.idle_deadline(), Some(rig.now + IDLE));
}

#[test]
fn a_vm_that_is_to_be_awake_is_started_when_that_is_known() {
    let mut rig = Rig::new();
    let window = window(&rig, HOUR);
    plan(&mut rig, window);
    comes_up(&mut rig);
}

#[test]
fn a_plan_alone_does_nothing_before_the_event_for_which_it_was_made() {
    let mut rig = Rig::running();
    rig.now = rig.now + 2 * IDLE;
    rig.send(Event::Planned(Plan::default()));
    rig.nothing();
    rig.send(Event::Touch);
    rig.nothing();
    rig.state(VmState::Running);
}

#[test]
fn a_start_that_fails_in_a_window_is_tried_again_each_minute_and_not_after_it() {
    for timed_out in [false, true] {
        let mut rig = Rig::with(Vm { startup_timeout: 20 * SECOND, ..Vm::default() });
        let window = window(&rig, 10 * MINUTE);
        plan(&mut rig, window);
        let mut tries = 0;
        while rig.now < window.awake_until.unwrap() {
            tries += 1;
            if timed_out {
                rig.looks(running());
                rig.pass(20 * SECOND);
                rig.probes_then_released(FailureKind::StartupTimeout);
            } else {
                rig.looks(refused(403, "forbidden"));
                rig.released();
            }
            rig.pass(MINUTE - SECOND);
            rig.nothing();
            rig.pass(SECOND);
        }
        assert_eq!(tries, if timed_out { 8 } else { 10 });
        rig.nothing();
        // What may run goes down in the end.
        rig.pass(IDLE);
        assert_eq!(rig.lifecycle.vm_state(), if timed_out { VmState::Stopping } else { VmState::Failed });
    }
}

#[test]
fn the_operators_stop_goes_before_the_window_until_a_request_comes() {
    let mut rig = Rig::running();
    let window = window(&rig, HOUR);
    plan(&mut rig, window);
    rig.send(Event::GoDown(Mutation::Stop));
    goes_down(&mut rig, Mutation::Stop);
    rig.state(VmState::Stopped);
    rig.lose();
    // A new object plans anew.
    plan(&mut rig, window);
    rig.pass(10 * MINUTE);
    rig.nothing();

    rig.wake();
    rig.looks(instance(InstanceStatus::Terminated));
    let (start, _) = rig.mutation(Mutation::Start);
    rig.answer(start, done());
    comes_up(&mut rig);
    assert_eq!(rig.lifecycle.idle_deadline(), window.awake_until);
}

#[test]
fn the_operators_stop_holds_until_the_next_window() {
    let mut rig = Rig::running();
    let now = rig.now;
    plan(&mut rig, Plan { awake_until: Some(now + HOUR), wake_at: Some(now + 2 * HOUR) });
    rig.send(Event::GoDown(Mutation::Stop));
    goes_down(&mut rig, Mutation::Stop);
    rig.pass(2 * HOUR - SECOND);
    rig.nothing();
    rig.now = now + 2 * HOUR;
    plan(&mut rig, Plan { awake_until: Some(now + 3 * HOUR), wake_at: None });
    comes_up(&mut rig);
}

#[test]
fn another_schedule_ends_what_the_old_one_has_planned() {
    let mut rig = Rig::new();
    let wake_at = Some(rig.now + HOUR);
    plan(&mut rig, Plan { awake_until: None, wake_at });
    rig.lifecycle.forget_plan();
    assert_eq!(rig.lifecycle.deadline(), None);
    rig.now = rig.now + HOUR;
    plan(&mut rig, Plan::default());
    rig.nothing();
}

#[test]
fn hours_that_are_used_up_end_a_window_and_say_so() {
    let vm = Vm { max_hours_per_month: Some(1), on_idle: OnIdle::Never, ..Vm::default() };
    let mut rig = Rig::with(vm);
    // It ends in the next month.
    let window = window(&rig, 20 * 24 * HOUR);
    plan(&mut rig, window);
    comes_up(&mut rig);
    let up_since = rig.now;
    for _ in 0..11 {
        rig.pass(5 * MINUTE);
        rig.looks(running());
    }
    rig.pass(5 * MINUTE);
    assert_eq!(rig.now.since(up_since), HOUR);
    goes_down(&mut rig, Mutation::Stop);
    rig.pass(MINUTE);
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
    assert!(rig.lifecycle.failure().unwrap().message.contains("max_hours_per_month"));

    assert_eq!(rig.lifecycle.deadline(), Some(failure.retry_at), "it is not tried again before");
    rig.pass(failure.retry_at.since(rig.now));
    rig.call(Call::Look);
}

#[test]
fn starts_are_not_more_than_allowed() {
    let mut rig = Rig::with(Vm { max_starts_per_hour: Some(1), ..Vm::default() });
    let window = window(&rig, 5 * HOUR);
    plan(&mut rig, window);
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, refused(403, "forbidden"));
    rig.released();
    rig.pass(MINUTE);
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
    rig.pass(59 * MINUTE - SECOND);
    rig.nothing();
    rig.pass(SECOND);
    rig.call(Call::Look);
}

#[test]
fn a_vm_that_nobody_asks_for_is_looked_at_and_started_again_if_it_was_preempted() {
    for (answer, up_again) in [
        (instance(InstanceStatus::Terminated), true),
        (instance(InstanceStatus::Stopping), true),
        (not_found(), true),
        (running(), false),
        (refused(503, "backendError"), false),
    ] {
        let mut rig = Rig::running();
        let window = window(&rig, HOUR);
        plan(&mut rig, window);
        rig.pass(4 * MINUTE);
        rig.send(Event::Touch);
        rig.pass(5 * MINUTE - SECOND);
        rig.nothing();
        rig.pass(SECOND);
        let look = rig.call(Call::Look);
        // One is enough.
        rig.pass(10 * MINUTE);
        rig.nothing();
        rig.answer(look, answer.clone());
        if up_again {
            rig.state(VmState::Starting);
            rig.looks(running());
        } else {
            rig.state(VmState::Running);
            rig.call(Call::Look);
        }
    }
}

#[test]
fn a_vm_that_is_preempted_too_often_is_left_down() {
    let mut rig = Rig::with(Vm { max_starts_per_hour: Some(1), ..Vm::default() });
    let window = window(&rig, 5 * HOUR);
    plan(&mut rig, window);
    rig.looks(instance(InstanceStatus::Terminated));
    let (start, _) = rig.mutation(Mutation::Start);
    rig.answer(start, done());
    comes_up(&mut rig);
    rig.pass(5 * MINUTE);
    rig.looks(instance(InstanceStatus::Terminated));
    rig.released();
    rig.looks(instance(InstanceStatus::Terminated));
    rig.state(VmState::Stopped);
    rig.pass(55 * MINUTE - SECOND);
    rig.nothing();
    rig.pass(SECOND);
    rig.call(Call::Look);
}

#[test]
fn a_vm_outside_of_a_window_is_not_looked_at() {
    let mut rig = Rig::running_with(Vm { on_idle: OnIdle::Never, ..Vm::default() });
    rig.pass(HOUR);
    rig.nothing();
}

#[test]
fn a_busy_vm_is_asked_after_its_window() {
    let vm = Vm { busy_path: Some("/busy".into()), busy_limit: HOUR, ..Vm::default() };
    let mut rig = Rig::running_with(vm);
    let window = window(&rig, 20 * MINUTE);
    plan(&mut rig, window);
    for _ in 0..3 {
        rig.pass(5 * MINUTE);
        rig.looks(running());
    }
    rig.pass(5 * MINUTE);
    rig.asked();
}
