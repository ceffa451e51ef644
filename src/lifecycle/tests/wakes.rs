//! The wake rate limit.

use std::time::Duration;

use super::harness::*;
use crate::compute::{Call, TakeDown};
use crate::lifecycle::{Event, FailureKind, Outcome};
use crate::vm::{Vm, VmState, WakePolicy};

const MINUTE: Duration = Duration::from_secs(60);

fn limited() -> Harness {
    Harness::with(Vm {
        wake: WakePolicy { wakes_per_hour: Some(2), ..WakePolicy::default() },
        ..Vm::default()
    })
}

fn wake(harness: &mut Harness, client: &str) {
    harness.send(Event::Wake { unreachable: None, force: false, client: Some(client.to_owned()) });
}

#[track_caller]
fn expect_refusal(harness: &mut Harness) -> Duration {
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
    assert!(failure.message.contains("wakes_per_hour") && !failure.message.contains("203.0.113"));
    assert_eq!(harness.lifecycle.failure(), None);
    failure.retry_at.since(harness.now)
}

#[track_caller]
fn bring_up(harness: &mut Harness) {
    harness.start_stopped();
    harness.expect_release();
}

#[track_caller]
fn take_down(harness: &mut Harness) {
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    harness.respond(stop, done());
}

/// Creates a VM with two starts by one client, 10 minutes apart.
fn used_up() -> Harness {
    let mut harness = limited();
    for _ in 0..2 {
        wake(&mut harness, "203.0.113.7/32");
        bring_up(&mut harness);
        take_down(&mut harness);
        harness.advance(10 * MINUTE);
    }
    harness
}

#[test]
fn a_client_that_has_woken_it_too_often_is_turned_away_for_an_hour_and_nobody_else_is() {
    let mut harness = used_up();
    wake(&mut harness, "203.0.113.7/32");
    assert_eq!(expect_refusal(&mut harness), 40 * MINUTE);
    harness.expect_nothing();
    harness.expect_state(VmState::Stopped);

    wake(&mut harness, "203.0.113.8/32");
    harness.expect_state(VmState::Starting);
    // The VM is awake for all clients.
    wake(&mut harness, "203.0.113.7/32");
    bring_up(&mut harness);
    wake(&mut harness, "203.0.113.7/32");
    assert!(matches!(harness.expect_release(), Outcome::Ready { .. }));
    take_down(&mut harness);

    harness.advance(40 * MINUTE);
    wake(&mut harness, "203.0.113.7/32");
    harness.expect_call(Call::Get);
}

#[test]
fn requests_that_find_it_on_its_way_up_are_not_counted() {
    let mut harness = limited();
    for _ in 0..10 {
        wake(&mut harness, "203.0.113.7/32");
    }
    bring_up(&mut harness);
    for _ in 0..10 {
        wake(&mut harness, "203.0.113.7/32");
        harness.expect_release();
    }
    take_down(&mut harness);
    wake(&mut harness, "203.0.113.7/32");
    harness.expect_call(Call::Get);
}

#[test]
fn a_wake_while_it_goes_down_counts_once() {
    let mut harness = limited();
    wake(&mut harness, "203.0.113.7/32");
    bring_up(&mut harness);
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    for _ in 0..3 {
        wake(&mut harness, "203.0.113.7/32");
        harness.expect_nothing();
    }
    harness.respond(stop, done());
    bring_up(&mut harness);
    harness.send(Event::TakeDown(TakeDown::Stop));
    harness.expect_change(TakeDown::Stop);
    wake(&mut harness, "203.0.113.7/32");
    assert_eq!(expect_refusal(&mut harness), 60 * MINUTE);
    // Another client may wake the VM, and then it is up for all.
    wake(&mut harness, "203.0.113.8/32");
    wake(&mut harness, "203.0.113.7/32");
    harness.expect_nothing();
}

#[test]
fn a_start_that_is_refused_for_another_reason_is_not_counted() {
    let mut harness = limited();
    wake(&mut harness, "203.0.113.7/32");
    harness.respond_to_look(refused(403, "forbidden"));
    for _ in 0..5 {
        assert!(
            matches!(harness.expect_release(), Outcome::Failed(failure) if failure.kind == FailureKind::Refused)
        );
        wake(&mut harness, "203.0.113.7/32");
    }
    harness.expect_release();
    harness.advance(10 * SECOND);
    wake(&mut harness, "203.0.113.7/32");
    harness.expect_call(Call::Get);
}

#[test]
fn the_count_outlives_the_object_and_is_not_for_the_operator() {
    let mut harness = used_up();
    harness.lose();
    wake(&mut harness, "203.0.113.7/32");
    expect_refusal(&mut harness);
    harness.send(Event::Wake { unreachable: None, force: true, client: None });
    harness.expect_call(Call::Get);
}

#[test]
fn what_an_older_version_has_stored_has_no_count() {
    let mut stored = serde_json::to_value(&used_up().lifecycle).unwrap();
    stored["context"]["usage"].as_object_mut().unwrap().remove("wakes").unwrap();
    let mut harness = limited();
    harness.restore(stored);
    wake(&mut harness, "203.0.113.7/32");
    harness.expect_call(Call::Get);
}
