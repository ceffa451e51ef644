//! The way up.

use std::time::Duration;

use super::rig::*;
use crate::compute::{Call, CallError, Change, InstanceStatus, Mutation};
use crate::lifecycle::{Endpoint, Event, FailureKind, Outcome, ProbeResult};
use crate::vm::{OnDrift, Vm, VmState};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_vm_that_does_not_exist_is_created_and_probed_until_it_answers() {
    let mut rig = Rig::new();
    rig.wake();
    rig.state(VmState::Starting);
    let look = rig.call(Call::Look);
    rig.answer(look, not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, pending());
    let first_wait = rig.call(wait());
    rig.pass(120 * SECOND);
    let peek = rig.call(Call::Look);
    rig.answer(peek, instance(InstanceStatus::Provisioning));
    rig.answer(first_wait, pending());
    let second_wait = rig.call(wait());
    rig.answer(second_wait, done());
    let look = rig.call(Call::Look);
    rig.answer(look, running());
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
        let look = rig.call(Call::Look);
        rig.answer(look, instance(status));
        let (call, _) = rig.mutation(mutation);
        rig.answer(call, done());
        let look = rig.call(Call::Look);
        rig.answer(look, running());
        rig.probe();
    }
}

#[test]
fn a_start_by_somebody_else_is_joined() {
    for status in [InstanceStatus::Provisioning, InstanceStatus::Staging, InstanceStatus::Repairing] {
        let mut rig = Rig::new();
        rig.wake();
        let look = rig.call(Call::Look);
        rig.answer(look, instance(status));
        rig.nothing();
        rig.pass(SECOND);
        let look = rig.call(Call::Look);
        rig.answer(look, running());
        rig.probe();
    }
}

#[test]
fn a_vm_that_somebody_is_stopping_is_started_when_it_is_down() {
    let mut rig = Rig::new();
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, instance(InstanceStatus::Stopping));
    rig.pass(SECOND);
    let look = rig.call(Call::Look);
    rig.answer(look, instance(InstanceStatus::Terminated));
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
    let look = rig.call(Call::Look);
    rig.answer(look, not_found());
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
    let look = rig.call(Call::Look);
    rig.answer(look, running());
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
    let look = rig.call(Call::Look);
    rig.answer(look, running());
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
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    rig.probe();
    rig.pass(60 * SECOND);
    while !matches!(rig.lifecycle.vm_state(), VmState::Stopping) {
        assert!(rig.lifecycle.deadline().is_some(), "nothing will stop it");
        rig.pass(60 * SECOND);
    }
}

#[test]
fn probes_begin_100_ms_apart_end_1_s_apart_and_are_four_at_most() {
    let mut rig = Rig::new();
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    assert_eq!(rig.probes(), 1);
    rig.pass(Duration::from_millis(100));
    assert_eq!(rig.probes(), 1);
    rig.pass(20 * SECOND);
    assert_eq!(rig.probes(), 2, "four are under way, and no more");
    rig.probed(ProbeResult::Unreachable);
    assert_eq!(rig.probes(), 1);
    for _ in 0..60 {
        for _ in 0..4 {
            rig.probed(ProbeResult::Unreachable);
        }
        rig.pass(SECOND);
    }
    rig.probes();
    for _ in 0..4 {
        rig.probed(ProbeResult::Unreachable);
    }
    rig.probes();
    rig.pass(10 * SECOND);
    assert!(rig.probes() <= 4);
}

#[test]
fn a_refusal_is_told_and_remembered_so_that_it_is_not_asked_for_again_and_again() {
    let mut rig = Rig::new();
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, not_found());
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
            let look = rig.call(Call::Look);
            rig.answer(look, refused(403, "forbidden"));
        }
        rig.released();
    }
    assert!((8..=13).contains(&looks), "{looks} tries in ten minutes");
}

#[test]
fn an_operator_or_a_new_configuration_need_not_sit_out_the_pause() {
    let fail = |rig: &mut Rig| {
        rig.wake();
        let look = rig.call(Call::Look);
        rig.answer(look, refused(403, "forbidden"));
        rig.released();
    };
    let mut rig = Rig::new();
    fail(&mut rig);
    rig.send(Event::Wake { unreachable: None, insist: true });
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
    let look = rig.call(Call::Look);
    rig.answer(look, not_found());
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
    let look = rig.call(Call::Look);
    rig.answer(look, refused(503, "backendError"));
    rig.nothing();
    rig.pass(SECOND);
    let look = rig.call(Call::Look);
    rig.answer(look, not_found());
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
    let look = rig.call(Call::Look);
    rig.answer(look, not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, refused(409, "alreadyExists"));
    rig.pass(SECOND);
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    rig.probe();
}

#[test]
fn an_insert_that_lacks_something_is_refused() {
    let mut rig = Rig::new();
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, not_found());
    assert!(matches!(rig.released(), Outcome::Failed(_)));
}

#[test]
fn a_vm_that_never_stays_up_is_given_up() {
    let mut rig = Rig::new();
    rig.wake();
    for _ in 0..3 {
        let look = rig.call(Call::Look);
        rig.answer(look, instance(InstanceStatus::Terminated));
        let (start, _) = rig.mutation(Mutation::Start);
        rig.answer(start, done());
    }
    let look = rig.call(Call::Look);
    rig.answer(look, instance(InstanceStatus::Terminated));
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert!(failure.message.contains("does not stay up"), "{}", failure.message);
}

#[test]
fn an_instance_without_an_address_is_refused_with_the_reason() {
    let mut rig = Rig::new();
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, instance(InstanceStatus::Running));
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert!(failure.message.contains("no external address"), "{}", failure.message);
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
    let unreachable = Event::Wake { unreachable: Some(generation), insist: false };
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
    let look = rig.call(Call::Look);
    rig.answer(look, running());
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
    rig.send(Event::Wake { unreachable: Some(generation), insist: false });
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    rig.probe();
    rig.send(Event::Probed { generation, result: ProbeResult::Healthy });
    rig.state(VmState::Booting);
}

#[test]
fn an_address_that_shows_early_is_probed_before_the_operation_is_done() {
    let mut rig = Rig::new();
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, instance(InstanceStatus::Terminated));
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
    let look = rig.call(Call::Look);
    rig.answer(look, instance(InstanceStatus::Suspended));
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
    let look = rig.call(Call::Look);
    rig.answer(look, not_found());
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
fn a_vm_that_runs_while_its_server_does_not_is_told_from_one_that_boots() {
    let mut rig = Rig::running();
    let generation = rig.lifecycle.endpoint().unwrap().generation;
    rig.send(Event::Wake { unreachable: Some(generation), insist: false });
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    rig.probe();
    rig.pass(15 * SECOND);
    rig.probes_then_released(FailureKind::ServerDown);

    // The next request need not wait for longer.
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    rig.probe();
    rig.pass(15 * SECOND);
    rig.probes_then_released(FailureKind::ServerDown);

    // It comes back.
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    assert!(matches!(rig.released(), Outcome::Ready { .. }));
    assert_eq!(rig.lifecycle.failure(), None);
}

#[test]
fn a_vm_that_goes_down_while_it_is_probed_is_started_again() {
    let mut rig = Rig::new();
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    let endpoint = rig.probe();
    rig.pass(30 * SECOND);
    rig.probes();
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    rig.probes();
    assert_eq!(rig.lifecycle.endpoint(), Some(endpoint), "it is where it was");
    rig.pass(30 * SECOND);
    rig.probes();
    let look = rig.call(Call::Look);
    rig.answer(look, instance(InstanceStatus::Terminated));
    rig.mutation(Mutation::Start);
}

#[test]
fn an_api_that_fails_does_not_end_the_probes() {
    let mut rig = Rig::new();
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    rig.pass(30 * SECOND);
    rig.probes();
    let look = rig.call(Call::Look);
    rig.answer(look, refused(403, "forbidden"));
    rig.probed(ProbeResult::Healthy);
    rig.probes();
    assert!(matches!(rig.released(), Outcome::Ready { .. }));
}

#[test]
fn the_reason_for_a_startup_timeout_is_what_was_waited_for() {
    let mut rig = Rig::with(Vm { startup_timeout: 20 * SECOND, ..Vm::default() });
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, done());
    let look = rig.call(Call::Look);
    rig.answer(look, running());
    rig.pass(20 * SECOND);
    rig.probes();
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert!(failure.message.ends_with("the health path did not answer 2xx"), "{}", failure.message);
}

#[test]
fn a_drifted_instance_is_reported() {
    let mut rig = Rig::new();
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, drifted());
    rig.mutation(Mutation::Start);
    let drift: Vec<String> = rig.lifecycle.drift().iter().map(ToString::to_string).collect();
    assert_eq!(drift.len(), 2, "{drift:?}");
    assert_eq!(drift[0], "machine_type: is e2-micro, configured e2-small");
}

#[test]
fn a_drifted_instance_is_brought_in_line_before_it_is_started_if_so_configured() {
    let mut rig = Rig::with(Vm { on_drift: OnDrift::Apply, ..Vm::default() });
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, drifted());
    let (first, first_id) = rig.adapts(&Change::MachineType);
    rig.answer(first, pending());
    rig.lose();
    let waited = rig.call(wait());
    rig.answer(waited, done());
    let (second, second_id) = rig.adapts(&Change::Tags { fingerprint: "f".into() });
    assert_ne!(first_id, second_id);
    rig.lose();
    let (second_again, same_id) = rig.adapts(&Change::Tags { fingerprint: "f".into() });
    assert_eq!(second_id, same_id);
    rig.answer(second, done());
    rig.nothing();
    rig.answer(second_again, done());
    rig.mutation(Mutation::Start);
    assert_eq!(rig.lifecycle.drift(), []);
}

#[test]
fn settings_that_somebody_else_changed_meanwhile_are_looked_at_again() {
    let mut rig = Rig::with(Vm { on_drift: OnDrift::Apply, ..Vm::default() });
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, drifted());
    let (call, _) = rig.adapts(&Change::MachineType);
    rig.answer(call, refused(412, "conditionNotMet"));
    rig.pass(SECOND);
    rig.call(Call::Look);
}

#[test]
fn a_setting_that_cannot_be_applied_is_a_refused_start() {
    let mut rig = Rig::with(Vm { on_drift: OnDrift::Apply, ..Vm::default() });
    rig.wake();
    let look = rig.call(Call::Look);
    rig.answer(look, drifted());
    let (call, _) = rig.adapts(&Change::MachineType);
    rig.answer(call, refused(400, "invalid"));
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert!(failure.message.contains("cannot be brought in line"), "{}", failure.message);
}
