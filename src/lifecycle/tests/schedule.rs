//! Schedules: windows in which the VM is kept awake, and wakes.

use std::time::Duration;

use super::harness::*;
use crate::compute::{BringUp, Call, InstanceStatus, TakeDown};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::schedule::Plan;
use crate::time::Timestamp;
use crate::vm::{OnIdle, Vm, VmState};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Returns the plan of a window that lasts this long.
fn window(harness: &Harness, lasts: Duration) -> Plan {
    Plan { awake_until: Some(harness.now + lasts), wake_at: None }
}

fn plan(harness: &mut Harness, plan: Plan) {
    harness.lifecycle.set_plan(plan, harness.now);
    harness.send(Event::Timer);
}

/// Advances to the beginning of a window or to a wake, with a new plan before the timer event, as
/// the object does.
fn advance_to_plan(harness: &mut Harness, after: Duration, lasts: Option<Duration>) -> Timestamp {
    let at = harness.now + after;
    plan(harness, Plan { awake_until: None, wake_at: Some(at) });
    assert_eq!(harness.lifecycle.deadline().min(Some(at)), harness.lifecycle.deadline());
    harness.advance(after - SECOND);
    harness.expect_nothing();
    harness.now = at;
    plan(harness, Plan { awake_until: lasts.map(|lasts| at + lasts), wake_at: None });
    at
}

#[track_caller]
fn bring_up(harness: &mut Harness) {
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.end_probe(ProbeResult::Healthy);
    harness.expect_release();
    harness.expect_state(VmState::Running);
}

#[track_caller]
fn take_down(harness: &mut Harness, take_down: TakeDown) {
    let (call, _) = harness.expect_change(take_down);
    harness.respond(call, done());
}

#[test]
fn a_wake_starts_the_vm_for_its_idle_time() {
    let mut harness = Harness::new();
    let at = advance_to_plan(&mut harness, HOUR, None);
    bring_up(&mut harness);
    assert_eq!(harness.lifecycle.last_activity(), Some(at));
    harness.advance(IDLE - SECOND);
    harness.expect_nothing();
    harness.advance(SECOND);
    take_down(&mut harness, TakeDown::Stop);
    assert_eq!(harness.lifecycle.deadline(), None);
}

#[test]
fn a_wake_is_as_good_as_a_request_for_a_vm_that_runs() {
    let mut harness = Harness::running();
    advance_to_plan(&mut harness, 10 * MINUTE, None);
    harness.expect_nothing();
    assert_eq!(harness.lifecycle.idle_deadline(), Some(harness.now + IDLE));
}

#[test]
fn a_wake_that_was_due_while_the_object_was_lost_is_made_up_for() {
    let mut harness = Harness::new();
    let wake_at = Some(harness.now + HOUR);
    plan(&mut harness, Plan { awake_until: None, wake_at });
    harness.now = harness.now + HOUR + MINUTE;
    harness.lose();
    harness.expect_call(Call::Get);
}

#[test]
fn a_wake_whose_start_fails_is_not_made_up_for() {
    let mut harness = Harness::new();
    advance_to_plan(&mut harness, HOUR, None);
    harness.respond_to_look(refused(403, "forbidden"));
    harness.expect_release();
    assert_eq!(harness.lifecycle.deadline(), None);
}

#[test]
fn the_vm_is_started_at_the_beginning_of_a_window_and_goes_down_after_its_end() {
    let mut harness = Harness::new();
    let began = advance_to_plan(&mut harness, HOUR, Some(10 * HOUR));
    bring_up(&mut harness);
    assert_eq!(harness.lifecycle.idle_deadline(), Some(began + 10 * HOUR));
    while harness.now.since(began) < 10 * HOUR - 5 * MINUTE {
        harness.advance(5 * MINUTE);
        harness.respond_to_look(running());
        harness.expect_state(VmState::Running);
    }
    harness.advance(5 * MINUTE);
    take_down(&mut harness, TakeDown::Stop);
    harness.expect_state(VmState::Stopped);
    harness.expect_nothing();
}

#[test]
fn a_vm_that_is_used_at_the_end_of_its_window_has_its_idle_time() {
    let mut harness = Harness::running();
    let window = window(&harness, 20 * MINUTE);
    plan(&mut harness, window);
    harness.advance(4 * MINUTE);
    harness.send(Event::Touch);
    harness.advance(4 * MINUTE);
    harness.send(Event::Touch);
    assert_eq!(harness.lifecycle.idle_deadline(), Some(harness.now + IDLE));
}

#[test]
fn a_vm_that_is_to_be_awake_is_started_when_that_is_known() {
    let mut harness = Harness::new();
    let window = window(&harness, HOUR);
    plan(&mut harness, window);
    bring_up(&mut harness);
}

#[test]
fn a_plan_alone_does_nothing_before_the_event_for_which_it_was_made() {
    let mut harness = Harness::running();
    harness.now = harness.now + 2 * IDLE;
    harness.lifecycle.set_plan(Plan::default(), harness.now);
    harness.expect_nothing();
    harness.send(Event::Touch);
    harness.expect_nothing();
    harness.expect_state(VmState::Running);
}

#[test]
fn a_start_that_fails_in_a_window_is_tried_again_each_minute_and_not_after_it() {
    for timed_out in [false, true] {
        let mut harness = Harness::with(Vm { startup_timeout: 20 * SECOND, ..Vm::default() });
        let window = window(&harness, 10 * MINUTE);
        plan(&mut harness, window);
        let mut tries = 0;
        while harness.now < window.awake_until.unwrap() {
            tries += 1;
            if timed_out {
                harness.respond_to_look(running());
                harness.advance(20 * SECOND);
                harness.expect_failure_after_probes(FailureKind::StartupTimeout);
            } else {
                harness.respond_to_look(refused(403, "forbidden"));
                harness.expect_release();
            }
            harness.advance(MINUTE - SECOND);
            harness.expect_nothing();
            harness.advance(SECOND);
        }
        assert_eq!(tries, if timed_out { 8 } else { 10 });
        harness.expect_nothing();
        // An instance that may be running goes down in the end.
        harness.advance(IDLE);
        assert_eq!(harness.lifecycle.vm_state(), if timed_out { VmState::Stopping } else { VmState::Failed });
    }
}

#[test]
fn the_operators_stop_goes_before_the_window_until_a_request_comes() {
    let mut harness = Harness::running();
    let window = window(&harness, HOUR);
    plan(&mut harness, window);
    harness.send(Event::TakeDown(TakeDown::Stop));
    take_down(&mut harness, TakeDown::Stop);
    harness.expect_state(VmState::Stopped);
    harness.lose();
    // A new object makes a new plan.
    plan(&mut harness, window);
    harness.advance(10 * MINUTE);
    harness.expect_nothing();

    harness.wake();
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    let (start, _) = harness.expect_change(BringUp::Start);
    harness.respond(start, done());
    bring_up(&mut harness);
    assert_eq!(harness.lifecycle.idle_deadline(), window.awake_until);
}

#[test]
fn the_operators_stop_holds_until_the_next_window() {
    let mut harness = Harness::running();
    let now = harness.now;
    plan(&mut harness, Plan { awake_until: Some(now + HOUR), wake_at: Some(now + 2 * HOUR) });
    harness.send(Event::TakeDown(TakeDown::Stop));
    take_down(&mut harness, TakeDown::Stop);
    harness.advance(2 * HOUR - SECOND);
    harness.expect_nothing();
    harness.now = now + 2 * HOUR;
    plan(&mut harness, Plan { awake_until: Some(now + 3 * HOUR), wake_at: None });
    bring_up(&mut harness);
}

#[test]
fn another_schedule_ends_what_the_old_one_has_planned() {
    let mut harness = Harness::new();
    let wake_at = Some(harness.now + HOUR);
    plan(&mut harness, Plan { awake_until: None, wake_at });
    harness.lifecycle.forget_plan();
    assert_eq!(harness.lifecycle.deadline(), None);
    harness.now = harness.now + HOUR;
    plan(&mut harness, Plan::default());
    harness.expect_nothing();
}

#[test]
fn hours_that_are_used_up_end_a_window_and_say_so() {
    let vm = Vm { max_hours_per_month: Some(1), on_idle: OnIdle::Never, ..Vm::default() };
    let mut harness = Harness::with(vm);
    // The window ends in the next month.
    let window = window(&harness, 20 * 24 * HOUR);
    plan(&mut harness, window);
    bring_up(&mut harness);
    let up_since = harness.now;
    for _ in 0..11 {
        harness.advance(5 * MINUTE);
        harness.respond_to_look(running());
    }
    harness.advance(5 * MINUTE);
    assert_eq!(harness.now.since(up_since), HOUR);
    take_down(&mut harness, TakeDown::Stop);
    harness.advance(MINUTE);
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
    assert!(harness.lifecycle.failure().unwrap().message.contains("max_hours_per_month"));

    assert_eq!(harness.lifecycle.deadline(), Some(failure.retry_at), "the next try is no earlier");
    harness.advance(failure.retry_at.since(harness.now));
    harness.expect_call(Call::Get);
}

#[test]
fn starts_are_not_more_than_allowed() {
    let mut harness = Harness::with(Vm { max_starts_per_hour: Some(1), ..Vm::default() });
    let window = window(&harness, 5 * HOUR);
    plan(&mut harness, window);
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, refused(403, "forbidden"));
    harness.expect_release();
    harness.advance(MINUTE);
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
    harness.advance(59 * MINUTE - SECOND);
    harness.expect_nothing();
    harness.advance(SECOND);
    harness.expect_call(Call::Get);
}

#[test]
fn a_vm_that_nobody_asks_for_is_looked_at_and_started_again_if_it_was_preempted() {
    for (response, up_again) in [
        (instance(InstanceStatus::Terminated), true),
        (instance(InstanceStatus::Stopping), true),
        (not_found(), true),
        (running(), false),
        (refused(503, "backendError"), false),
    ] {
        let mut harness = Harness::running();
        let window = window(&harness, HOUR);
        plan(&mut harness, window);
        harness.advance(4 * MINUTE);
        harness.send(Event::Touch);
        harness.advance(5 * MINUTE - SECOND);
        harness.expect_nothing();
        harness.advance(SECOND);
        let look = harness.expect_call(Call::Get);
        // One look is enough.
        harness.advance(10 * MINUTE);
        harness.expect_nothing();
        harness.respond(look, response.clone());
        if up_again {
            harness.expect_state(VmState::Starting);
            harness.respond_to_look(running());
        } else {
            harness.expect_state(VmState::Running);
            harness.expect_call(Call::Get);
        }
    }
}

#[test]
fn a_vm_that_is_preempted_too_often_is_left_down() {
    let mut harness = Harness::with(Vm { max_starts_per_hour: Some(1), ..Vm::default() });
    let window = window(&harness, 5 * HOUR);
    plan(&mut harness, window);
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    let (start, _) = harness.expect_change(BringUp::Start);
    harness.respond(start, done());
    bring_up(&mut harness);
    harness.advance(5 * MINUTE);
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    harness.expect_release();
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    harness.expect_state(VmState::Stopped);
    harness.advance(55 * MINUTE - SECOND);
    harness.expect_nothing();
    harness.advance(SECOND);
    harness.expect_call(Call::Get);
}

#[test]
fn a_vm_outside_of_a_window_is_not_looked_at() {
    let mut harness = Harness::running_with(Vm { on_idle: OnIdle::Never, ..Vm::default() });
    harness.advance(HOUR);
    harness.expect_nothing();
}

#[test]
fn a_busy_vm_is_asked_after_its_window() {
    let vm = Vm { busy_path: Some("/busy".into()), busy_limit: HOUR, ..Vm::default() };
    let mut harness = Harness::running_with(vm);
    let window = window(&harness, 20 * MINUTE);
    plan(&mut harness, window);
    for _ in 0..3 {
        harness.advance(5 * MINUTE);
        harness.respond_to_look(running());
    }
    harness.advance(5 * MINUTE);
    harness.expect_busy_check();
}
