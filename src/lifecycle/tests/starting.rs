//! Starts.

use std::time::Duration;

use super::harness::*;
use crate::compute::{BringUp, Call, InstanceStatus};
use crate::lifecycle::{Endpoint, Event, Outcome, ProbeResult};
use crate::vm::VmState;

#[test]
fn a_vm_that_does_not_exist_is_created_and_probed_until_it_answers() {
    let mut harness = Harness::new();
    harness.wake();
    harness.expect_state(VmState::Starting);
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, pending());
    let first_wait = harness.expect_call(wait());
    harness.advance(120 * SECOND);
    let peek = harness.expect_call(Call::Get);
    harness.respond(peek, instance(InstanceStatus::Provisioning));
    harness.respond(first_wait, pending());
    let second_wait = harness.expect_call(wait());
    harness.respond(second_wait, done());
    harness.respond_to_look(running());
    harness.expect_state(VmState::Booting);
    let endpoint = harness.expect_probe();
    assert_eq!(endpoint, Endpoint { ip: IP, port: 80, generation: 1 });
    harness.advance(2 * SECOND);
    harness.take_probes();
    harness.end_probe(ProbeResult::Unhealthy);
    harness.take_probes();
    harness.advance(SECOND);
    harness.take_probes();
    harness.end_probe(ProbeResult::Healthy);
    let Outcome::Ready { endpoint: ready, cold_start: Some(record) } = harness.expect_release() else {
        panic!()
    };
    assert_eq!(ready, endpoint);
    assert_eq!((record.api_ms, record.boot_ms, record.app_ms), (120_000, 2_000, 1_000));
    assert_eq!(record.total_ms, 123_000);
    harness.expect_state(VmState::Running);
    harness.expect_nothing();
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
        harness.respond_to_look(instance(status));
        let (call, _) = harness.expect_change(mutation);
        harness.respond(call, done());
        harness.respond_to_look(running());
        harness.expect_probe();
    }
}

#[test]
fn a_start_by_somebody_else_is_joined() {
    for status in [InstanceStatus::Provisioning, InstanceStatus::Staging, InstanceStatus::Repairing] {
        let mut harness = Harness::new();
        harness.wake();
        harness.respond_to_look(instance(status));
        harness.expect_nothing();
        harness.advance(SECOND);
        harness.respond_to_look(running());
        harness.expect_probe();
    }
}

#[test]
fn a_vm_that_somebody_is_stopping_is_started_when_it_is_down() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(instance(InstanceStatus::Stopping));
    harness.advance(SECOND);
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    harness.expect_change(BringUp::Start);
}

#[test]
fn many_requests_cause_one_start() {
    let mut harness = Harness::new();
    harness.wake();
    let look = harness.expect_call(Call::Get);
    for _ in 0..99 {
        harness.wake();
    }
    harness.expect_nothing();
    harness.respond(look, not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.wake();
    harness.respond(insert, done());
    let look = harness.expect_call(Call::Get);
    harness.wake();
    harness.respond(look, running());
    harness.expect_probe();
    harness.wake();
    harness.end_probe(ProbeResult::Healthy);
    assert!(matches!(harness.expect_release(), Outcome::Ready { .. }));
    harness.expect_nothing();
}

#[test]
fn an_object_that_is_lost_anywhere_goes_on_with_the_same_operation() {
    let mut harness = Harness::new();
    harness.wake();
    harness.lose();
    harness.respond_to_look(not_found());
    let (_, request_id) = harness.expect_change(BringUp::Insert);

    // It is unknown whether the insert arrived; the same request id makes the repetition safe.
    harness.lose();
    let (insert, again) = harness.expect_change(BringUp::Insert);
    assert_eq!(again, request_id);
    harness.respond(insert, pending());
    harness.expect_call(wait());

    harness.lose();
    let waited = harness.expect_call(wait());
    harness.respond(waited, done());
    harness.expect_call(Call::Get);

    harness.lose();
    harness.respond_to_look(running());
    harness.expect_probe();

    harness.lose();
    harness.expect_probe();
    harness.end_probe(ProbeResult::Healthy);
    harness.expect_release();

    harness.lose();
    harness.expect_nothing();
    harness.expect_state(VmState::Running);
}

#[test]
fn probes_begin_100_ms_apart_end_1_s_apart_and_are_four_at_most() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(running());
    assert_eq!(harness.take_probes(), 1);
    harness.advance(Duration::from_millis(100));
    assert_eq!(harness.take_probes(), 1);
    harness.advance(20 * SECOND);
    assert_eq!(harness.take_probes(), 2, "at most four are in progress");
    for _ in 0..4 {
        harness.end_probe(ProbeResult::Unreachable);
    }

    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(running());
    let mut probes_within = |duration: Duration| {
        let mut probes = 0;
        for _ in 0..duration.as_millis() / 10 {
            for _ in 0..harness.take_probes() {
                harness.end_probe(ProbeResult::Unreachable);
                probes += 1;
            }
            harness.advance(Duration::from_millis(10));
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
    assert!(matches!(harness.expect_release(), Outcome::Ready { cold_start: None, .. }));
    harness.expect_nothing();
}

#[test]
fn an_unreachable_endpoint_is_looked_into_once_and_gets_a_new_generation() {
    let mut harness = Harness::running();
    let generation = harness.lifecycle.endpoint().unwrap().generation;
    let unreachable = Event::Wake { unreachable: Some(generation), force: false, client: None };
    harness.send(unreachable.clone());
    let look = harness.expect_call(Call::Get);
    for _ in 0..50 {
        harness.send(unreachable.clone());
    }
    harness.expect_nothing();
    // A preemption, which is normal for a Spot VM.
    harness.respond(look, instance(InstanceStatus::Terminated));
    let (start, _) = harness.expect_change(BringUp::Start);
    harness.respond(start, done());
    harness.respond_to_look(running());
    assert_eq!(harness.expect_probe().generation, generation + 1);
    harness.end_probe(ProbeResult::Healthy);
    harness.expect_release();
    // A result for the old endpoint is ignored.
    harness.send(unreachable);
    assert!(matches!(harness.expect_release(), Outcome::Ready { .. }));
    harness.expect_nothing();
}

#[test]
fn a_probe_of_an_older_endpoint_does_not_count() {
    let mut harness = Harness::running();
    let generation = harness.lifecycle.endpoint().unwrap().generation;
    harness.send(Event::Wake { unreachable: Some(generation), force: false, client: None });
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.send(Event::Probed { generation, result: ProbeResult::Healthy });
    harness.expect_state(VmState::Booting);
}

#[test]
fn an_address_that_shows_early_is_probed_before_the_operation_is_done() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    let (start, _) = harness.expect_change(BringUp::Start);
    harness.respond(start, pending());
    let waited = harness.expect_call(wait());
    harness.advance(3 * SECOND);
    let peek = harness.expect_call(Call::Get);
    harness.respond(peek, staging());
    harness.expect_state(VmState::Starting);
    harness.expect_probe();
    harness.end_probe(ProbeResult::Unreachable);
    harness.advance(SECOND);
    assert!(harness.take_probes() > 0);
    // The operation is done: no further look is needed.
    harness.respond(waited, done());
    harness.expect_state(VmState::Booting);
    harness.expect_nothing();
    harness.end_probe(ProbeResult::Healthy);
    assert!(matches!(harness.expect_release(), Outcome::Ready { .. }));
}

#[test]
fn a_vm_that_is_healthy_before_the_operation_is_done_is_ready() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(instance(InstanceStatus::Suspended));
    let (resume, _) = harness.expect_change(BringUp::Resume);
    harness.respond(resume, pending());
    let waited = harness.expect_call(wait());
    harness.advance(3 * SECOND);
    let peek = harness.expect_call(Call::Get);
    harness.respond(peek, running());
    harness.expect_probe();
    harness.end_probe(ProbeResult::Healthy);
    assert!(matches!(harness.expect_release(), Outcome::Ready { .. }));
    harness.respond(waited, done());
    harness.expect_nothing();
    harness.expect_state(VmState::Running);
}

#[test]
fn an_object_that_is_lost_while_it_probes_early_goes_on_with_both() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, pending());
    harness.expect_call(wait());
    harness.advance(3 * SECOND);
    let peek = harness.expect_call(Call::Get);
    harness.respond(peek, staging());
    harness.expect_probe();
    harness.lose();
    harness.expect_probe();
    harness.expect_call(wait());
    harness.expect_nothing();
}

#[test]
fn a_vm_that_goes_down_while_it_is_probed_is_started_again() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(running());
    let endpoint = harness.expect_probe();
    harness.advance(30 * SECOND);
    harness.take_probes();
    harness.respond_to_look(running());
    harness.take_probes();
    assert_eq!(harness.lifecycle.endpoint(), Some(endpoint), "the endpoint is unchanged");
    harness.advance(30 * SECOND);
    harness.take_probes();
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    harness.expect_change(BringUp::Start);
}
