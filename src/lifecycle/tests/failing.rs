//! Starts that fail, and what is tried before they do.

use std::time::Duration;

use super::rig::*;
use crate::compute::{Call, CallError, InstanceStatus, Mutation};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult};
use crate::vm::{Vm, VmState};

#[test]
fn the_answer_to_a_call_that_was_given_up_changes_nothing() {
    let mut rig = Rig::with(Vm { startup_timeout: 10 * SECOND, ..Vm::default() });
    rig.wake();
    let look = rig.call(Call::Look);
    rig.pass(10 * SECOND);
    assert!(matches!(rig.released(), Outcome::Failed(_)));
    rig.answer(look, not_found());
    rig.nothing();
    rig.state(VmState::Failed);
}

#[test]
fn a_vm_that_does_not_answer_in_time_is_a_startup_timeout_and_the_next_request_tries_again() {
    let mut rig = Rig::with(Vm { startup_timeout: 60 * SECOND, ..Vm::default() });
    rig.wake();
    rig.looks(running());
    rig.probe();
    rig.pass(59 * SECOND);
    rig.probes();
    rig.call(Call::Look);
    rig.pass(SECOND);
    rig.probes();
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::StartupTimeout);
    assert!(failure.message.starts_with("startup timeout: not ready after 1m"), "{}", failure.message);
    rig.state(VmState::Failed);
    rig.wake();
    rig.call(Call::Look);
    rig.state(VmState::Starting);
}

#[test]
fn a_failed_start_does_not_leave_the_vm_running_for_ever() {
    let mut rig = Rig::with(Vm { startup_timeout: 60 * SECOND, ..Vm::default() });
    rig.wake();
    rig.looks(running());
    rig.probe();
    rig.pass(60 * SECOND);
    while !matches!(rig.lifecycle.vm_state(), VmState::Stopping) {
        assert!(rig.lifecycle.deadline().is_some(), "nothing will stop it");
        rig.pass(60 * SECOND);
    }
}

#[test]
fn a_refusal_is_told_and_remembered_so_that_it_is_not_asked_for_again_and_again() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, refused(403, "forbidden"));
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.message.contains("403 forbidden"), "{}", failure.message);

    let mut looks = 0;
    for _ in 0..100 {
        rig.pass(Duration::from_millis(99));
        rig.wake();
        assert_eq!(rig.released(), Outcome::Failed(failure.clone()));
        rig.nothing();
    }
    // After 10 s one more try; then the pause doubles, up to a minute.
    for _ in 0..600 {
        rig.pass(SECOND);
        rig.wake();
        if rig.lifecycle.vm_state() == VmState::Starting {
            looks += 1;
            rig.looks(refused(403, "forbidden"));
        }
        rig.released();
    }
    assert!((8..=13).contains(&looks), "{looks} tries in ten minutes");
}

#[test]
fn an_operator_or_a_new_configuration_need_not_sit_out_the_pause() {
    let fail = |rig: &mut Rig| {
        rig.wake();
        rig.looks(refused(403, "forbidden"));
        rig.released();
    };
    let mut rig = Rig::new();
    fail(&mut rig);
    rig.send(Event::Wake { unreachable: None, insist: true, client: None });
    rig.call(Call::Look);

    let mut rig = Rig::new();
    fail(&mut rig);
    rig.configure(Vm::default());
    rig.wake();
    rig.call(Call::Look);
}

#[test]
fn the_reason_for_a_failure_in_the_operation_is_kept() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, pending());
    let waited = rig.call(wait());
    rig.answer(waited, operation_failed(503, "ZONE_RESOURCE_POOL_EXHAUSTED"));
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert!(failure.message.contains("ZONE_RESOURCE_POOL_EXHAUSTED"), "{}", failure.message);
    assert_eq!(rig.lifecycle.failure(), Some(&failure));
}

#[test]
fn what_may_pass_is_tried_again_with_the_same_request_id() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(refused(503, "backendError"));
    rig.nothing();
    rig.pass(SECOND);
    rig.looks(not_found());
    let (insert, request_id) = rig.mutation(Mutation::Insert);
    rig.answer(insert, Err(CallError::Unanswered("timed out".into())));
    rig.pass(SECOND);
    let (insert, again) = rig.mutation(Mutation::Insert);
    assert_eq!(again, request_id);
    rig.answer(insert, done());
    rig.call(Call::Look);
}

#[test]
fn an_insert_of_an_instance_that_exists_after_all_is_followed_by_a_look() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, refused(409, "alreadyExists"));
    rig.pass(SECOND);
    rig.looks(running());
    rig.probe();
}

#[test]
fn an_insert_that_lacks_something_is_refused() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, not_found());
    assert!(matches!(rig.released(), Outcome::Failed(_)));
}

#[test]
fn a_vm_that_never_stays_up_is_given_up() {
    let mut rig = Rig::new();
    rig.wake();
    for _ in 0..3 {
        rig.looks(instance(InstanceStatus::Terminated));
        let (start, _) = rig.mutation(Mutation::Start);
        rig.answer(start, done());
    }
    rig.looks(instance(InstanceStatus::Terminated));
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert!(failure.message.contains("does not stay up"), "{}", failure.message);
}

#[test]
fn an_instance_without_an_address_is_refused_with_the_reason() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(instance(InstanceStatus::Running));
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert!(failure.message.contains("no external IPv4 address"), "{}", failure.message);
}

#[test]
fn a_vm_that_runs_while_its_server_does_not_is_told_from_one_that_boots() {
    let mut rig = Rig::running();
    let generation = rig.lifecycle.endpoint().unwrap().generation;
    rig.send(Event::Wake { unreachable: Some(generation), insist: false, client: None });
    rig.looks(running());
    rig.probe();
    rig.pass(15 * SECOND);
    rig.probes_then_released(FailureKind::ServerDown);

    // The next request need not wait for longer.
    rig.wake();
    rig.looks(running());
    rig.probe();
    rig.pass(15 * SECOND);
    rig.probes_then_released(FailureKind::ServerDown);

    // It comes back.
    rig.wake();
    rig.looks(running());
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    assert!(matches!(rig.released(), Outcome::Ready { .. }));
    assert_eq!(rig.lifecycle.failure(), None);
}

#[test]
fn an_api_that_fails_does_not_end_the_probes() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(running());
    rig.pass(30 * SECOND);
    rig.probes();
    rig.looks(refused(403, "forbidden"));
    rig.probed(ProbeResult::Healthy);
    rig.probes();
    assert!(matches!(rig.released(), Outcome::Ready { .. }));
}

#[test]
fn the_reason_for_a_startup_timeout_is_what_was_waited_for() {
    let mut rig = Rig::with(Vm { startup_timeout: 20 * SECOND, ..Vm::default() });
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, done());
    rig.looks(running());
    rig.pass(20 * SECOND);
    rig.probes();
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert!(failure.message.ends_with("the health path did not answer 2xx"), "{}", failure.message);
}

#[test]
fn a_change_that_was_asked_for_too_late_is_asked_for_again_and_not_anew() {
    let mut rig = Rig::with(Vm { startup_timeout: 60 * SECOND, ..Vm::default() });
    rig.wake();
    let look = rig.call(Call::Look);
    rig.pass(59 * SECOND);
    rig.answer(look, not_found());
    let (_, first) = rig.mutation(Mutation::Insert);
    rig.pass(SECOND);
    rig.released();
    rig.wake();
    let (insert, again) = rig.mutation(Mutation::Insert);
    assert_eq!(first, again);
    rig.answer(insert, done());
    rig.call(Call::Look);
}
