//! Starts that fail, and the tries that precede the failure.

use std::time::Duration;

use super::harness::*;
use crate::compute::{BringUp, Call, CallError, InstanceStatus};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::vm::{Vm, VmState};

#[test]
fn the_answer_to_a_call_that_was_given_up_changes_nothing() {
    let mut harness = Harness::with(Vm { startup_timeout: 10 * SECOND, ..Vm::default() });
    harness.wake();
    let look = harness.expect_call(Call::Get);
    harness.advance(10 * SECOND);
    assert!(matches!(harness.expect_release(), Outcome::Failed(_)));
    harness.respond(look, not_found());
    harness.expect_nothing();
    harness.expect_state(VmState::Failed);
}

#[test]
fn a_vm_that_does_not_answer_in_time_is_a_startup_timeout_and_the_next_request_tries_again() {
    let mut harness = Harness::with(Vm { startup_timeout: 60 * SECOND, ..Vm::default() });
    harness.wake();
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.advance(59 * SECOND);
    harness.take_probes();
    harness.expect_call(Call::Get);
    harness.advance(SECOND);
    harness.take_probes();
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert_eq!(failure.kind, FailureKind::StartupTimeout);
    assert!(failure.message.starts_with("startup timeout: not ready after 1m"), "{}", failure.message);
    harness.expect_state(VmState::Failed);
    harness.wake();
    harness.expect_call(Call::Get);
    harness.expect_state(VmState::Starting);
}

#[test]
fn a_failed_start_does_not_leave_the_vm_running_for_ever() {
    let mut harness = Harness::with(Vm { startup_timeout: 60 * SECOND, ..Vm::default() });
    harness.wake();
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.advance(60 * SECOND);
    while !matches!(harness.lifecycle.vm_state(), VmState::Stopping) {
        assert!(harness.lifecycle.deadline().is_some(), "no timer stops the VM");
        harness.advance(60 * SECOND);
    }
}

#[test]
fn a_refusal_is_told_and_remembered_so_that_it_is_not_asked_for_again_and_again() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, refused(403, "forbidden"));
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.message.contains("403 forbidden"), "{}", failure.message);

    let mut looks = 0;
    for _ in 0..100 {
        harness.advance(Duration::from_millis(99));
        harness.wake();
        assert_eq!(harness.expect_release(), Outcome::Failed(failure.clone()));
        harness.expect_nothing();
    }
    // One more try after 10 s; then the pause doubles, up to a minute.
    for _ in 0..600 {
        harness.advance(SECOND);
        harness.wake();
        if harness.lifecycle.vm_state() == VmState::Starting {
            looks += 1;
            harness.respond_to_look(refused(403, "forbidden"));
        }
        harness.expect_release();
    }
    assert!((8..=13).contains(&looks), "{looks} tries in ten minutes");
}

#[test]
fn an_operator_or_a_new_configuration_need_not_sit_out_the_pause() {
    let fail = |harness: &mut Harness| {
        harness.wake();
        harness.respond_to_look(refused(403, "forbidden"));
        harness.expect_release();
    };
    let mut harness = Harness::new();
    fail(&mut harness);
    harness.send(Event::Wake { unreachable: None, force: true, client: None });
    harness.expect_call(Call::Get);

    let mut harness = Harness::new();
    fail(&mut harness);
    harness.configure(Vm::default());
    harness.wake();
    harness.expect_call(Call::Get);
}

#[test]
fn the_reason_for_a_failure_in_the_operation_is_kept() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, pending());
    let waited = harness.expect_call(wait());
    harness.respond(waited, operation_failed(503, "ZONE_RESOURCE_POOL_EXHAUSTED"));
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert!(failure.message.contains("ZONE_RESOURCE_POOL_EXHAUSTED"), "{}", failure.message);
    assert_eq!(harness.lifecycle.failure(), Some(&failure));
}

#[test]
fn what_may_pass_is_tried_again_with_the_same_request_id() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(refused(503, "backendError"));
    harness.expect_nothing();
    harness.advance(SECOND);
    harness.respond_to_look(not_found());
    let (insert, request_id) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, Err(CallError::NoResponse("timed out".into())));
    harness.advance(SECOND);
    let (insert, again) = harness.expect_change(BringUp::Insert);
    assert_eq!(again, request_id);
    harness.respond(insert, done());
    harness.expect_call(Call::Get);
}

#[test]
fn an_insert_of_an_instance_that_exists_after_all_is_followed_by_a_look() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, refused(409, "alreadyExists"));
    harness.advance(SECOND);
    harness.respond_to_look(running());
    harness.expect_probe();
}

#[test]
fn an_insert_that_lacks_something_is_refused() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, not_found());
    assert!(matches!(harness.expect_release(), Outcome::Failed(_)));
}

#[test]
fn a_vm_that_never_stays_up_is_given_up() {
    let mut harness = Harness::new();
    harness.wake();
    for _ in 0..3 {
        harness.respond_to_look(instance(InstanceStatus::Terminated));
        let (start, _) = harness.expect_change(BringUp::Start);
        harness.respond(start, done());
    }
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert!(failure.message.contains("does not stay up"), "{}", failure.message);
}

#[test]
fn an_instance_without_an_address_is_refused_with_the_reason() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(instance(InstanceStatus::Running));
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert!(failure.message.contains("no external IPv4 address"), "{}", failure.message);
}

#[test]
fn a_vm_that_runs_while_its_server_does_not_is_told_from_one_that_boots() {
    let mut harness = Harness::running();
    let generation = harness.lifecycle.endpoint().unwrap().generation;
    harness.send(Event::Wake { unreachable: Some(generation), force: false, client: None });
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.advance(15 * SECOND);
    harness.expect_failure_after_probes(FailureKind::ServerDown);

    // The next request gets the same, shorter time limit.
    harness.wake();
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.advance(15 * SECOND);
    harness.expect_failure_after_probes(FailureKind::ServerDown);

    // The server responds again.
    harness.wake();
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.end_probe(ProbeResult::Healthy);
    assert!(matches!(harness.expect_release(), Outcome::Ready { .. }));
    assert_eq!(harness.lifecycle.failure(), None);
}

#[test]
fn an_api_that_fails_does_not_end_the_probes() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(running());
    harness.advance(30 * SECOND);
    harness.take_probes();
    harness.respond_to_look(refused(403, "forbidden"));
    harness.end_probe(ProbeResult::Healthy);
    harness.take_probes();
    assert!(matches!(harness.expect_release(), Outcome::Ready { .. }));
}

#[test]
fn the_reason_for_a_startup_timeout_is_what_was_waited_for() {
    let mut harness = Harness::with(Vm { startup_timeout: 20 * SECOND, ..Vm::default() });
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, done());
    harness.respond_to_look(running());
    harness.advance(20 * SECOND);
    harness.take_probes();
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert!(failure.message.ends_with("the health path did not respond with 2xx"), "{}", failure.message);
}

#[test]
fn a_change_that_was_asked_for_too_late_is_asked_for_again_and_not_anew() {
    let mut harness = Harness::with(Vm { startup_timeout: 60 * SECOND, ..Vm::default() });
    harness.wake();
    let look = harness.expect_call(Call::Get);
    harness.advance(59 * SECOND);
    harness.respond(look, not_found());
    let (_, first) = harness.expect_change(BringUp::Insert);
    harness.advance(SECOND);
    harness.expect_release();
    harness.wake();
    let (insert, again) = harness.expect_change(BringUp::Insert);
    assert_eq!(first, again);
    harness.respond(insert, done());
    harness.expect_call(Call::Get);
}
