//! The way up.

use std::time::Duration;

use super::rig::*;
use crate::compute::{Call, InstanceStatus, Mutation};
use crate::lifecycle::{Endpoint, Event, Outcome, ProbeResult};
use crate::vm::VmState;

#[test]
fn a_vm_that_does_not_exist_is_created_and_probed_until_it_answers() {
    let mut rig = Rig::new();
    rig.wake();
    rig.state(VmState::Starting);
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, pending());
    let first_wait = rig.call(wait());
    rig.pass(120 * SECOND);
    let peek = rig.call(Call::Look);
    rig.answer(peek, instance(InstanceStatus::Provisioning));
    rig.answer(first_wait, pending());
    let second_wait = rig.call(wait());
    rig.answer(second_wait, done());
    rig.looks(running());
    rig.state(VmState::Booting);
    let endpoint = rig.probe();
    assert_eq!(endpoint, Endpoint { ip: IP, port: 80, generation: 1 });
    rig.pass(2 * SECOND);
    rig.probes();
    rig.probed(ProbeResult::Unhealthy);
    rig.probes();
    rig.pass(SECOND);
    rig.probes();
    rig.probed(ProbeResult::Healthy);
    let Outcome::Ready { endpoint: ready, cold_start: Some(record) } = rig.released() else { panic!() };
    assert_eq!(ready, endpoint);
    assert_eq!((record.api_ms, record.boot_ms, record.app_ms), (120_000, 2_000, 1_000));
    assert_eq!(record.total_ms, 123_000);
    rig.state(VmState::Running);
    rig.nothing();
    assert_eq!(rig.lifecycle.cold_starts(), [record]);
}

#[test]
fn a_stopped_vm_is_started_and_a_suspended_one_resumed() {
    for (status, mutation) in [
        (InstanceStatus::Terminated, Mutation::Start),
        (InstanceStatus::Stopped, Mutation::Start),
        (InstanceStatus::Suspended, Mutation::Resume),
    ] {
        let mut rig = Rig::new();
        rig.wake();
        rig.looks(instance(status));
        let (call, _) = rig.mutation(mutation);
        rig.answer(call, done());
        rig.looks(running());
        rig.probe();
    }
}

#[test]
fn a_start_by_somebody_else_is_joined() {
    for status in [InstanceStatus::Provisioning, InstanceStatus::Staging, InstanceStatus::Repairing] {
        let mut rig = Rig::new();
        rig.wake();
        rig.looks(instance(status));
        rig.nothing();
        rig.pass(SECOND);
        rig.looks(running());
        rig.probe();
    }
}

#[test]
fn a_vm_that_somebody_is_stopping_is_started_when_it_is_down() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(instance(InstanceStatus::Stopping));
    rig.pass(SECOND);
    rig.looks(instance(InstanceStatus::Terminated));
    rig.mutation(Mutation::Start);
}

#[test]
fn many_requests_cause_one_start() {
    let mut rig = Rig::new();
    rig.wake();
    let look = rig.call(Call::Look);
    for _ in 0..99 {
        rig.wake();
    }
    rig.nothing();
    rig.answer(look, not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.wake();
    rig.answer(insert, done());
    let look = rig.call(Call::Look);
    rig.wake();
    rig.answer(look, running());
    rig.probe();
    rig.wake();
    rig.probed(ProbeResult::Healthy);
    assert!(matches!(rig.released(), Outcome::Ready { .. }));
    rig.nothing();
}

#[test]
fn an_object_that_is_lost_anywhere_goes_on_with_the_same_operation() {
    let mut rig = Rig::new();
    rig.wake();
    rig.lose();
    rig.looks(not_found());
    let (_, request_id) = rig.mutation(Mutation::Insert);

    // Whether the insert arrived is not known; the same request id makes it safe to ask again.
    rig.lose();
    let (insert, again) = rig.mutation(Mutation::Insert);
    assert_eq!(again, request_id);
    rig.answer(insert, pending());
    rig.call(wait());

    rig.lose();
    let waited = rig.call(wait());
    rig.answer(waited, done());
    rig.call(Call::Look);

    rig.lose();
    rig.looks(running());
    rig.probe();

    rig.lose();
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    rig.released();

    rig.lose();
    rig.nothing();
    rig.state(VmState::Running);
}

#[test]
fn probes_begin_100_ms_apart_end_1_s_apart_and_are_four_at_most() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(running());
    assert_eq!(rig.probes(), 1);
    rig.pass(Duration::from_millis(100));
    assert_eq!(rig.probes(), 1);
    rig.pass(20 * SECOND);
    assert_eq!(rig.probes(), 2, "four are under way, and no more");
    for _ in 0..4 {
        rig.probed(ProbeResult::Unreachable);
    }

    let mut rig = Rig::new();
    rig.wake();
    rig.looks(running());
    let mut probes_within = |duration: Duration| {
        let mut probes = 0;
        for _ in 0..duration.as_millis() / 10 {
            for _ in 0..rig.probes() {
                rig.probed(ProbeResult::Unreachable);
                probes += 1;
            }
            rig.pass(Duration::from_millis(10));
        }
        probes
    };
    assert_eq!(probes_within(4 * SECOND), 40);
    probes_within(36 * SECOND);
    assert_eq!(probes_within(20 * SECOND), 20);
}

#[test]
fn a_warm_vm_answers_at_once() {
    let mut rig = Rig::running();
    rig.wake();
    assert!(matches!(rig.released(), Outcome::Ready { cold_start: None, .. }));
    rig.nothing();
}

#[test]
fn an_unreachable_endpoint_is_looked_into_once_and_gets_a_new_generation() {
    let mut rig = Rig::running();
    let generation = rig.lifecycle.endpoint().unwrap().generation;
    let unreachable = Event::Wake { unreachable: Some(generation), insist: false, client: None };
    rig.send(unreachable.clone());
    let look = rig.call(Call::Look);
    for _ in 0..50 {
        rig.send(unreachable.clone());
    }
    rig.nothing();
    // Preempted: a normal day for a Spot VM.
    rig.answer(look, instance(InstanceStatus::Terminated));
    let (start, _) = rig.mutation(Mutation::Start);
    rig.answer(start, done());
    rig.looks(running());
    assert_eq!(rig.probe().generation, generation + 1);
    rig.probed(ProbeResult::Healthy);
    rig.released();
    // News of the old endpoint is no news of this one.
    rig.send(unreachable);
    assert!(matches!(rig.released(), Outcome::Ready { .. }));
    rig.nothing();
}

#[test]
fn a_probe_of_an_older_endpoint_does_not_count() {
    let mut rig = Rig::running();
    let generation = rig.lifecycle.endpoint().unwrap().generation;
    rig.send(Event::Wake { unreachable: Some(generation), insist: false, client: None });
    rig.looks(running());
    rig.probe();
    rig.send(Event::Probed { generation, result: ProbeResult::Healthy });
    rig.state(VmState::Booting);
}

#[test]
fn an_address_that_shows_early_is_probed_before_the_operation_is_done() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(instance(InstanceStatus::Terminated));
    let (start, _) = rig.mutation(Mutation::Start);
    rig.answer(start, pending());
    let waited = rig.call(wait());
    rig.pass(3 * SECOND);
    let peek = rig.call(Call::Look);
    rig.answer(peek, staging());
    rig.state(VmState::Starting);
    rig.probe();
    rig.probed(ProbeResult::Unreachable);
    rig.pass(SECOND);
    assert!(rig.probes() > 0);
    // The operation is done: no other look is needed.
    rig.answer(waited, done());
    rig.state(VmState::Booting);
    rig.nothing();
    rig.probed(ProbeResult::Healthy);
    assert!(matches!(rig.released(), Outcome::Ready { .. }));
}

#[test]
fn a_vm_that_is_healthy_before_the_operation_is_done_is_ready() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(instance(InstanceStatus::Suspended));
    let (resume, _) = rig.mutation(Mutation::Resume);
    rig.answer(resume, pending());
    let waited = rig.call(wait());
    rig.pass(3 * SECOND);
    let peek = rig.call(Call::Look);
    rig.answer(peek, running());
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    assert!(matches!(rig.released(), Outcome::Ready { .. }));
    rig.answer(waited, done());
    rig.nothing();
    rig.state(VmState::Running);
}

#[test]
fn an_object_that_is_lost_while_it_probes_early_goes_on_with_both() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, pending());
    rig.call(wait());
    rig.pass(3 * SECOND);
    let peek = rig.call(Call::Look);
    rig.answer(peek, staging());
    rig.probe();
    rig.lose();
    rig.probe();
    rig.call(wait());
    rig.nothing();
}

#[test]
fn a_vm_that_goes_down_while_it_is_probed_is_started_again() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(running());
    let endpoint = rig.probe();
    rig.pass(30 * SECOND);
    rig.probes();
    rig.looks(running());
    rig.probes();
    assert_eq!(rig.lifecycle.endpoint(), Some(endpoint), "it is where it was");
    rig.pass(30 * SECOND);
    rig.probes();
    rig.looks(instance(InstanceStatus::Terminated));
    rig.mutation(Mutation::Start);
}
