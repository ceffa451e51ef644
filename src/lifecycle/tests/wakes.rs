//! How often one client may wake a VM.

use std::time::Duration;

use super::rig::*;
use crate::compute::{Call, InstanceStatus, Mutation};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::vm::{Vm, VmState, WakePolicy};

const MINUTE: Duration = Duration::from_secs(60);

fn limited() -> Rig {
    Rig::with(Vm { wake: WakePolicy { wakes_per_hour: Some(2), ..WakePolicy::default() }, ..Vm::default() })
}

fn wake(rig: &mut Rig, client: &str) {
    rig.send(Event::Wake { unreachable: None, insist: false, client: Some(client.to_owned()) });
}

#[track_caller]
fn turned_away(rig: &mut Rig) -> Duration {
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
    assert!(failure.message.contains("wakes_per_hour") && !failure.message.contains("203.0.113"));
    assert_eq!(rig.lifecycle.failure(), None);
    failure.retry_at.since(rig.now)
}

#[track_caller]
fn comes_up(rig: &mut Rig) {
    rig.looks(instance(InstanceStatus::Terminated));
    let (start, _) = rig.mutation(Mutation::Start);
    rig.answer(start, done());
    rig.looks(running());
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    rig.released();
}

#[track_caller]
fn goes_down(rig: &mut Rig) {
    rig.send(Event::GoDown(Mutation::Stop));
    let (stop, _) = rig.mutation(Mutation::Stop);
    rig.answer(stop, done());
}

/// Two starts for one client, 10 minutes apart.
fn used_up() -> Rig {
    let mut rig = limited();
    for _ in 0..2 {
        wake(&mut rig, "203.0.113.7/32");
        comes_up(&mut rig);
        goes_down(&mut rig);
        rig.pass(10 * MINUTE);
    }
    rig
}

#[test]
fn a_client_that_has_woken_it_too_often_is_turned_away_for_an_hour_and_nobody_else_is() {
    let mut rig = used_up();
    wake(&mut rig, "203.0.113.7/32");
    assert_eq!(turned_away(&mut rig), 40 * MINUTE);
    rig.nothing();
    rig.state(VmState::Stopped);

    wake(&mut rig, "203.0.113.8/32");
    rig.state(VmState::Starting);
    // It is awake now for whoever asks.
    wake(&mut rig, "203.0.113.7/32");
    comes_up(&mut rig);
    wake(&mut rig, "203.0.113.7/32");
    assert!(matches!(rig.released(), Outcome::Ready { .. }));
    goes_down(&mut rig);

    rig.pass(40 * MINUTE);
    wake(&mut rig, "203.0.113.7/32");
    rig.call(Call::Look);
}

#[test]
fn requests_that_find_it_on_its_way_up_are_not_counted() {
    let mut rig = limited();
    for _ in 0..10 {
        wake(&mut rig, "203.0.113.7/32");
    }
    comes_up(&mut rig);
    for _ in 0..10 {
        wake(&mut rig, "203.0.113.7/32");
        rig.released();
    }
    goes_down(&mut rig);
    wake(&mut rig, "203.0.113.7/32");
    rig.call(Call::Look);
}

#[test]
fn a_wake_while_it_goes_down_counts_once() {
    let mut rig = limited();
    wake(&mut rig, "203.0.113.7/32");
    comes_up(&mut rig);
    rig.send(Event::GoDown(Mutation::Stop));
    let (stop, _) = rig.mutation(Mutation::Stop);
    for _ in 0..3 {
        wake(&mut rig, "203.0.113.7/32");
        rig.nothing();
    }
    rig.answer(stop, done());
    comes_up(&mut rig);
    rig.send(Event::GoDown(Mutation::Stop));
    rig.mutation(Mutation::Stop);
    wake(&mut rig, "203.0.113.7/32");
    assert_eq!(turned_away(&mut rig), 60 * MINUTE);
    // Somebody else may, and then it is up for everybody.
    wake(&mut rig, "203.0.113.8/32");
    wake(&mut rig, "203.0.113.7/32");
    rig.nothing();
}

#[test]
fn a_start_that_is_refused_for_another_reason_is_not_counted() {
    let mut rig = limited();
    wake(&mut rig, "203.0.113.7/32");
    rig.looks(refused(403, "forbidden"));
    for _ in 0..5 {
        assert!(matches!(rig.released(), Outcome::Failed(failure) if failure.kind == FailureKind::Refused));
        wake(&mut rig, "203.0.113.7/32");
    }
    rig.released();
    rig.pass(10 * SECOND);
    wake(&mut rig, "203.0.113.7/32");
    rig.call(Call::Look);
}

#[test]
fn the_count_outlives_the_object_and_is_not_for_the_operator() {
    let mut rig = used_up();
    rig.lose();
    wake(&mut rig, "203.0.113.7/32");
    turned_away(&mut rig);
    rig.send(Event::Wake { unreachable: None, insist: true, client: None });
    rig.call(Call::Look);
}

#[test]
fn what_an_older_version_has_stored_has_no_count() {
    let mut stored = serde_json::to_value(&used_up().lifecycle).unwrap();
    stored["usage"].as_object_mut().unwrap().remove("wakes").unwrap();
    stored["policy"]["limits"].as_object_mut().unwrap().remove("wakes_per_hour").unwrap();
    let mut rig = limited();
    rig.lifecycle = serde_json::from_value(stored).unwrap();
    wake(&mut rig, "203.0.113.7/32");
    rig.call(Call::Look);
}
