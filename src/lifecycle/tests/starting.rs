//! The way up.

use std::time::Duration;

use super::harness::*;
use crate::compute::{BringUp, Call, InstanceStatus};
use crate::lifecycle::{Endpoint, Event, Outcome, ProbeResult};
use crate::vm::VmState;

#[test]
fn a_vm_that_does_not_exist_is_created_and_probed_until_it_answers() {
    let mut harness = Harness::new();
    harness.wake();
    harness.state(VmState::Starting);
    harness.looks(not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.answer(insert, pending());
    let first_wait = harness.call(wait());
    harness.pass(120 * SECOND);
    let peek = harness.call(Call::Get);
    harness.answer(peek, instance(InstanceStatus::Provisioning));
    harness.answer(first_wait, pending());
    let second_wait = harness.call(wait());
    harness.answer(second_wait, done());
    harness.looks(running());
    harness.state(VmState::Booting);
    let endpoint = harness.probe();
    assert_eq!(endpoint, Endpoint { ip: IP, port: 80, generation: 1 });
    harness.pass(2 * SECOND);
    harness.probes();
    harness.probed(ProbeResult::Unhealthy);
    harness.probes();
    harness.pass(SECOND);
    harness.probes();
    harness.probed(ProbeResult::Healthy);
    let Outcome::Ready { endpoint: ready, cold_start: Some(record) } = harness.released() else { panic!() };
    assert_eq!(ready, endpoint);
    assert_eq!((record.api_ms, record.boot_ms, record.app_ms), (120_000, 2_000, 1_000));
    assert_eq!(record.total_ms, 123_000);
    harness.state(VmState::Running);
    harness.nothing();
    assert_eq!(harness.lifecycle.cold_starts(), [record]);
}

#[test]
fn a_stopped_vm_is_started_and_a_suspended_one_resumed() {
    for (status, mutation) in [
        (InstanceStatus::Terminated, BringUp::Start),
        (InstanceStatus::Stopped, BringUp::Start),
        (InstanceStatus::Suspended, BringUp::Resume),
    ] {
        let mut harness = Harness::new();
        harness.wake();
        harness.looks(instance(status));
        let (call, _) = harness.change(mutation);
        harness.answer(call, done());
        harness.looks(running());
        harness.probe();
    }
}

#[test]
fn a_start_by_somebody_else_is_joined() {
    for status in [InstanceStatus::Provisioning, InstanceStatus::Staging, InstanceStatus::Repairing] {
        let mut harness = Harness::new();
        harness.wake();
        harness.looks(instance(status));
        harness.nothing();
        harness.pass(SECOND);
        harness.looks(running());
        harness.probe();
    }
}

#[test]
fn a_vm_that_somebody_is_stopping_is_started_when_it_is_down() {
    let mut harness = Harness::new();
    harness.wake();
    harness.looks(instance(InstanceStatus::Stopping));
    harness.pass(SECOND);
    harness.looks(instance(InstanceStatus::Terminated));
    harness.change(BringUp::Start);
}

#[test]
fn many_requests_cause_one_start() {
    let mut harness = Harness::new();
    harness.wake();
    let look = harness.call(Call::Get);
    for _ in 0..99 {
        harness.wake();
    }
    harness.nothing();
    harness.answer(look, not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.wake();
    harness.answer(insert, done());
    let look = harness.call(Call::Get);
    harness.wake();
    harness.answer(look, running());
    harness.probe();
    harness.wake();
    harness.probed(ProbeResult::Healthy);
    assert!(matches!(harness.released(), Outcome::Ready { .. }));
    harness.nothing();
}

#[test]
fn an_object_that_is_lost_anywhere_goes_on_with_the_same_operation() {
    let mut harness = Harness::new();
    harness.wake();
    harness.lose();
    harness.looks(not_found());
    let (_, request_id) = harness.change(BringUp::Insert);

    // Whether the insert arrived is not known; the same request id makes it safe to ask again.
    harness.lose();
    let (insert, again) = harness.change(BringUp::Insert);
    assert_eq!(again, request_id);
    harness.answer(insert, pending());
    harness.call(wait());

    harness.lose();
    let waited = harness.call(wait());
    harness.answer(waited, done());
    harness.call(Call::Get);

    harness.lose();
    harness.looks(running());
    harness.probe();

    harness.lose();
    harness.probe();
    harness.probed(ProbeResult::Healthy);
    harness.released();

    harness.lose();
    harness.nothing();
    harness.state(VmState::Running);
}

#[test]
fn probes_begin_100_ms_apart_end_1_s_apart_and_are_four_at_most() {
    let mut harness = Harness::new();
    harness.wake();
    harness.looks(running());
    assert_eq!(harness.probes(), 1);
    harness.pass(Duration::from_millis(100));
    assert_eq!(harness.probes(), 1);
    harness.pass(20 * SECOND);
    assert_eq!(harness.probes(), 2, "four are under way, and no more");
    for _ in 0..4 {
        harness.probed(ProbeResult::Unreachable);
    }

    let mut harness = Harness::new();
    harness.wake();
    harness.looks(running());
    let mut probes_within = |duration: Duration| {
        let mut probes = 0;
        for _ in 0..duration.as_millis() / 10 {
            for _ in 0..harness.probes() {
                harness.probed(ProbeResult::Unreachable);
                probes += 1;
            }
            harness.pass(Duration::from_millis(10));
        }
        probes
    };
    assert_eq!(probes_within(4 * SECOND), 40);
    probes_within(36 * SECOND);
    assert_eq!(probes_within(20 * SECOND), 20);
}

#[test]
fn a_warm_vm_answers_at_once() {
    let mut harness = Harness::running();
    harness.wake();
    assert!(matches!(harness.released(), Outcome::Ready { cold_start: None, .. }));
    harness.nothing();
}

#[test]
fn an_unreachable_endpoint_is_looked_into_once_and_gets_a_new_generation() {
    let mut harness = Harness::running();
    let generation = harness.lifecycle.endpoint().unwrap().generation;
    let unreachable = Event::Wake { unreachable: Some(generation), force: false, client: None };
    harness.send(unreachable.clone());
    let look = harness.call(Call::Get);
    for _ in 0..50 {
        harness.send(unreachable.clone());
    }
    harness.nothing();
    // Preempted: a normal day for a Spot VM.
    harness.answer(look, instance(InstanceStatus::Terminated));
    let (start, _) = harness.change(BringUp::Start);
    harness.answer(start, done());
    harness.looks(running());
    assert_eq!(harness.probe().generation, generation + 1);
    harness.probed(ProbeResult::Healthy);
    harness.released();
    // News of the old endpoint is no news of this one.
    harness.send(unreachable);
    assert!(matches!(harness.released(), Outcome::Ready { .. }));
    harness.nothing();
}

#[test]
fn a_probe_of_an_older_endpoint_does_not_count() {
    let mut harness = Harness::running();
    let generation = harness.lifecycle.endpoint().unwrap().generation;
    harness.send(Event::Wake { unreachable: Some(generation), force: false, client: None });
    harness.looks(running());
    harness.probe();
    harness.send(Event::Probed { generation, result: ProbeResult::Healthy });
    harness.state(VmState::Booting);
}

#[test]
fn an_address_that_shows_early_is_probed_before_the_operation_is_done() {
    let mut harness = Harness::new();
    harness.wake();
    harness.looks(instance(InstanceStatus::Terminated));
    let (start, _) = harness.change(BringUp::Start);
    harness.answer(start, pending());
    let waited = harness.call(wait());
    harness.pass(3 * SECOND);
    let peek = harness.call(Call::Get);
    harness.answer(peek, staging());
    harness.state(VmState::Starting);
    harness.probe();
    harness.probed(ProbeResult::Unreachable);
    harness.pass(SECOND);
    assert!(harness.probes() > 0);
    // The operation is done: no other look is needed.
    harness.answer(waited, done());
    harness.state(VmState::Booting);
    harness.nothing();
    harness.probed(ProbeResult::Healthy);
    assert!(matches!(harness.released(), Outcome::Ready { .. }));
}

#[test]
fn a_vm_that_is_healthy_before_the_operation_is_done_is_ready() {
    let mut harness = Harness::new();
    harness.wake();
    harness.looks(instance(InstanceStatus::Suspended));
    let (resume, _) = harness.change(BringUp::Resume);
    harness.answer(resume, pending());
    let waited = harness.call(wait());
    harness.pass(3 * SECOND);
    let peek = harness.call(Call::Get);
    harness.answer(peek, running());
    harness.probe();
    harness.probed(ProbeResult::Healthy);
    assert!(matches!(harness.released(), Outcome::Ready { .. }));
    harness.answer(waited, done());
    harness.nothing();
    harness.state(VmState::Running);
}

#[test]
fn an_object_that_is_lost_while_it_probes_early_goes_on_with_both() {
    let mut harness = Harness::new();
    harness.wake();
    harness.looks(not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.answer(insert, pending());
    harness.call(wait());
    harness.pass(3 * SECOND);
    let peek = harness.call(Call::Get);
    harness.answer(peek, staging());
    harness.probe();
    harness.lose();
    harness.probe();
    harness.call(wait());
    harness.nothing();
}

#[test]
fn a_vm_that_goes_down_while_it_is_probed_is_started_again() {
    let mut harness = Harness::new();
    harness.wake();
    harness.looks(running());
    let endpoint = harness.probe();
    harness.pass(30 * SECOND);
    harness.probes();
    harness.looks(running());
    harness.probes();
    assert_eq!(harness.lifecycle.endpoint(), Some(endpoint), "it is where it was");
    harness.pass(30 * SECOND);
    harness.probes();
    harness.looks(instance(InstanceStatus::Terminated));
    harness.change(BringUp::Start);
}
