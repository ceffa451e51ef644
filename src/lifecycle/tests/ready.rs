//! Ready pushes: the VM's own report that it is ready.

use std::collections::BTreeMap;
use std::time::Duration;

use super::harness::*;
use crate::compute::{BringUp, Call, CallError, InstanceStatus, InstanceView, Response, TakeDown, Update};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult, ReadyToken};
use crate::vm::{OnDrift, Vm, VmState};

/// Creates a VM with ready push.
fn pushing() -> Harness {
    pushing_with(Vm::default())
}

fn pushing_with(vm: Vm) -> Harness {
    let mut harness = Harness::with(Vm { ready_push: Some("https://app.example.com".into()), ..vm });
    harness.load(SEED);
    harness
}

/// Creates a VM whose insert is in progress.
fn being_created() -> Harness {
    let mut harness = pushing();
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, pending());
    harness.expect_call(wait());
    harness
}

/// Creates a VM that has been inserted and is being probed.
fn created() -> Harness {
    let mut harness = pushing();
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, done());
    harness.respond_to_look(running());
    harness.expect_probe();
    harness
}

fn token(harness: &Harness) -> ReadyToken {
    harness.lifecycle.ready_token().expect("no token").clone()
}

fn push_ready_with(harness: &mut Harness, token: &ReadyToken) {
    harness.send(Event::ReadyPushed { token: token.clone() });
}

/// Sends a ready push with the token of the present boot.
fn push_ready(harness: &mut Harness) {
    push_ready_with(harness, &token(harness));
}

#[track_caller]
fn expect_ready(harness: &mut Harness) {
    let Outcome::Ready { endpoint, cold_start: Some(_) } = harness.expect_release() else { panic!() };
    assert_eq!(endpoint.ip, IP);
    harness.expect_state(VmState::Running);
    harness.expect_nothing();
}

fn ready_update() -> Update {
    Update::Ready { fingerprint: "f".into(), others: BTreeMap::new() }
}

/// Returns an instance that is down, with its metadata.
fn down(status: InstanceStatus) -> Result<Response, CallError> {
    Ok(Response::Instance(InstanceView { status, ip: None, drift: vec![], ready: Some(ready_update()) }))
}

fn stopped() -> Result<Response, CallError> {
    down(InstanceStatus::Terminated)
}

#[test]
fn its_word_ends_the_wait_though_no_probe_has_been_answered() {
    let mut harness = created();
    harness.advance(SECOND);
    harness.take_probes();
    push_ready(&mut harness);
    expect_ready(&mut harness);
    let [record] = harness.lifecycle.cold_starts() else { panic!() };
    assert_eq!((record.boot_ms, record.app_ms, record.total_ms), (1_000, 0, 1_000));

    push_ready(&mut harness);
    harness.end_probe(ProbeResult::Healthy);
    harness.expect_nothing();
}

#[test]
fn a_word_that_never_comes_costs_nothing() {
    let mut harness = created();
    harness.advance(SECOND);
    harness.take_probes();
    harness.end_probe(ProbeResult::Healthy);
    expect_ready(&mut harness);
}

#[test]
fn no_other_token_will_do() {
    let mut harness = created();
    let right = token(&harness);
    let text = right.as_str();
    assert_eq!(text.len(), 43, "256 bits in base64url");
    assert!(!format!("{right:?} {:?}", harness.lifecycle).contains(text), "the token is in no log");
    for wrong in ["", &text[..42], &format!("{text}A"), &text.to_lowercase(), "x"] {
        push_ready_with(&mut harness, &ReadyToken::from(wrong));
        harness.expect_nothing();
        harness.expect_state(VmState::Booting);
    }
    push_ready_with(&mut harness, &ReadyToken::from(text));
    expect_ready(&mut harness);
}

#[test]
fn a_vm_that_is_not_told_has_no_token() {
    let mut harness = Harness::new();
    harness.load(SEED);
    harness.wake();
    harness.respond_to_look(stopped());
    harness.expect_change(BringUp::Start);
    assert_eq!(harness.lifecycle.ready_token(), None);
    push_ready_with(&mut harness, &ReadyToken::from(""));
    harness.expect_nothing();
}

#[test]
fn a_stopped_vm_is_told_before_it_is_started_and_every_boot_has_a_token_of_its_own() {
    let mut harness = created();
    let first = token(&harness);
    push_ready(&mut harness);
    expect_ready(&mut harness);
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    assert_eq!(token(&harness), first, "the VM may stay up");
    harness.respond(stop, done());
    assert_eq!(harness.lifecycle.ready_token(), None);

    harness.wake();
    harness.respond_to_look(stopped());
    let second = token(&harness);
    assert_ne!(first, second);
    let (call, _) = harness.expect_update(&ready_update());
    harness.respond(call, pending());
    let waited = harness.expect_call(wait());
    harness.respond(waited, done());
    let (start, _) = harness.expect_change(BringUp::Start);
    assert_eq!(token(&harness), second);
    harness.respond(start, done());
    harness.respond_to_look(running());
    harness.expect_probe();
    push_ready_with(&mut harness, &first);
    harness.expect_nothing();
    push_ready_with(&mut harness, &second);
    expect_ready(&mut harness);
}

#[test]
fn a_vm_that_was_preempted_and_looked_at_again_has_a_new_token() {
    let mut harness = created();
    let first = token(&harness);
    harness.advance(30 * SECOND);
    harness.take_probes();
    harness.respond_to_look(stopped());
    harness.expect_update(&ready_update());
    assert_ne!(token(&harness), first);
}

#[test]
fn what_differs_is_brought_in_line_first_and_metadata_in_one_call() {
    let vm = || Vm { on_drift: OnDrift::Apply, ..Vm::default() };
    let metadata = Update::Metadata { fingerprint: "f".into(), others: BTreeMap::new() };
    let body = r#"{"status": "TERMINATED", "machineType": "zones/z/machineTypes/other", "metadata": {"fingerprint": "f"}}"#;
    let configured = crate::Instance { startup_script: Some("x".into()), ..crate::Instance::default() };
    for (configured, last) in [(configured, metadata), (crate::Instance::default(), ready_update())] {
        let mut harness = pushing_with(vm());
        harness.wake();
        harness.respond_to_look(Response::read(&Call::Get, &configured, 200, body));
        let (first, _) = harness.expect_update(&Update::MachineType);
        harness.respond(first, done());
        let (second, _) = harness.expect_update(&last);
        harness.respond(second, done());
        harness.expect_change(BringUp::Start);
        assert_eq!(harness.lifecycle.drift(), []);
        token(&harness);
    }
}

#[test]
fn to_be_told_changes_nothing_of_what_differs() {
    let mut harness = pushing();
    harness.wake();
    let Ok(Response::Instance(instance)) = drifted() else { panic!() };
    harness.respond_to_look(Ok(Response::Instance(InstanceView { ready: Some(ready_update()), ..instance })));
    let (call, _) = harness.expect_update(&ready_update());
    harness.respond(call, done());
    harness.expect_change(BringUp::Start);
    assert_eq!(harness.lifecycle.drift().len(), 2);
}

#[test]
fn a_vm_that_cannot_be_told_is_started_all_the_same() {
    let mut harness = pushing();
    harness.wake();
    harness.respond_to_look(stopped());
    let (call, _) = harness.expect_update(&ready_update());
    harness.respond(call, refused(403, "forbidden"));
    harness.expect_change(BringUp::Start);

    let mut harness = pushing();
    harness.wake();
    harness.respond_to_look(stopped());
    let (call, _) = harness.expect_update(&ready_update());
    harness.respond(call, refused(412, "conditionNotMet"));
    harness.advance(SECOND);
    harness.respond_to_look(stopped());
    harness.expect_update(&ready_update());

    let mut harness = pushing();
    harness.wake();
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    harness.expect_change(BringUp::Start);
}

#[test]
fn a_resumed_vm_boots_nothing_and_an_earlier_token_is_of_no_more_use() {
    let mut harness = created();
    let first = token(&harness);
    push_ready(&mut harness);
    expect_ready(&mut harness);
    harness.send(Event::TakeDown(TakeDown::Suspend));
    let (suspend, _) = harness.expect_change(TakeDown::Suspend);
    harness.respond(suspend, done());
    harness.wake();
    harness.respond_to_look(down(InstanceStatus::Suspended));
    let (resume, _) = harness.expect_change(BringUp::Resume);
    harness.respond(resume, done());
    harness.respond_to_look(running());
    harness.expect_probe();
    assert_eq!(harness.lifecycle.ready_token(), None);
    push_ready_with(&mut harness, &first);
    harness.expect_nothing();
    harness.expect_state(VmState::Booting);
}

#[test]
fn while_its_operation_is_under_way_it_is_looked_at_once() {
    let mut harness = being_created();
    push_ready(&mut harness);
    let peek = harness.expect_call(Call::Get);
    push_ready(&mut harness);
    harness.expect_nothing();
    harness.respond(peek, staging());
    expect_ready(&mut harness);
}

#[test]
fn a_look_that_was_under_way_before_is_made_again() {
    let mut harness = being_created();
    harness.advance(3 * SECOND);
    let early = harness.expect_call(Call::Get);
    push_ready(&mut harness);
    let peek = harness.expect_call(Call::Get);
    harness.respond(early, instance(InstanceStatus::Provisioning));
    harness.expect_nothing();
    harness.respond(peek, staging());
    expect_ready(&mut harness);
}

#[test]
fn a_look_that_finds_no_address_leaves_it_to_the_end_of_the_operation() {
    for response in [instance(InstanceStatus::Staging), refused(503, "backendError")] {
        let mut harness = pushing();
        harness.wake();
        harness.respond_to_look(not_found());
        let (insert, _) = harness.expect_change(BringUp::Insert);
        harness.respond(insert, pending());
        let waited = harness.expect_call(wait());
        push_ready(&mut harness);
        harness.respond_to_look(response);
        harness.advance(10 * SECOND);
        harness.expect_nothing();
        harness.respond(waited, done());
        harness.respond_to_look(running());
        expect_ready(&mut harness);
    }
}

#[test]
fn a_word_that_overtakes_the_answer_to_the_insert_is_kept() {
    let mut harness = pushing();
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    push_ready(&mut harness);
    harness.expect_nothing();
    harness.respond(insert, pending());
    harness.expect_call(wait());
    harness.respond_to_look(staging());
    expect_ready(&mut harness);
}

#[test]
fn a_word_during_the_last_look_or_before_a_later_one_is_kept() {
    let mut harness = pushing();
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, done());
    let look = harness.expect_call(Call::Get);
    push_ready(&mut harness);
    harness.expect_nothing();
    harness.respond(look, running());
    expect_ready(&mut harness);

    let mut harness = pushing();
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, done());
    harness.respond_to_look(instance(InstanceStatus::Staging));
    harness.expect_nothing();
    push_ready(&mut harness);
    harness.respond_to_look(running());
    expect_ready(&mut harness);
}

#[test]
fn a_server_that_comes_back_says_so_with_the_token_of_its_boot() {
    let mut harness = created();
    push_ready(&mut harness);
    expect_ready(&mut harness);
    let generation = harness.lifecycle.endpoint().unwrap().generation;
    harness.send(Event::Wake { unreachable: Some(generation), force: false, client: None });
    harness.respond_to_look(running());
    harness.expect_probe();
    push_ready(&mut harness);
    expect_ready(&mut harness);
}

#[test]
fn a_late_word_of_an_earlier_boot_does_not_make_another_machine_ready() {
    let another_machine = || {
        let ip = Some(std::net::IpAddr::from([203, 0, 113, 77]));
        Ok(Response::Instance(InstanceView {
            status: InstanceStatus::Running,
            ip,
            drift: vec![],
            ready: None,
        }))
    };
    let lost = |harness: &mut Harness| {
        let generation = harness.lifecycle.endpoint().unwrap().generation;
        harness.send(Event::Wake { unreachable: Some(generation), force: false, client: None });
    };
    for is_address_known in [false, true] {
        let mut harness = created();
        push_ready(&mut harness);
        expect_ready(&mut harness);
        lost(&mut harness);
        // Somebody has deleted the instance and created another.
        if is_address_known {
            harness.respond_to_look(another_machine());
            push_ready(&mut harness);
        } else {
            push_ready(&mut harness);
            harness.respond_to_look(another_machine());
        }
        harness.expect_probe();
        harness.expect_state(VmState::Booting);
    }
}

#[test]
fn its_word_does_not_keep_a_vm_that_is_to_go_down() {
    let mut harness = being_created();
    harness.send(Event::TakeDown(TakeDown::Stop));
    harness.expect_release();
    push_ready(&mut harness);
    harness.respond_to_look(staging());
    harness.expect_probe();
    push_ready(&mut harness);
    harness.expect_nothing();
    harness.expect_state(VmState::Starting);

    let (mut harness, stop, _) = Harness::going_down_with(
        Vm { ready_push: Some("https://app.example.com".into()), ..Vm::default() },
        TakeDown::Stop,
    );
    push_ready_with(&mut harness, &ReadyToken::from(""));
    harness.respond(stop, done());
    harness.expect_state(VmState::Stopped);
}

#[test]
fn its_word_does_not_go_beyond_the_hours_of_the_month() {
    let mut harness = pushing_with(Vm {
        max_hours_per_month: Some(1),
        startup_timeout: 2 * Duration::from_secs(3600),
        ..Vm::default()
    });
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, done());
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.now = harness.now + Duration::from_secs(3600);
    push_ready(&mut harness);
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
}

#[test]
fn an_object_that_is_lost_says_the_same_again_and_keeps_the_vms_word() {
    let mut harness = pushing();
    harness.wake();
    harness.respond_to_look(not_found());
    harness.expect_change(BringUp::Insert);
    let first = token(&harness);
    harness.lose();
    let (insert, _) = harness.expect_change(BringUp::Insert);
    assert_eq!(token(&harness), first, "the repeated call contains the same token");
    harness.respond(insert, pending());
    harness.expect_call(wait());
    push_ready_with(&mut harness, &first);
    harness.expect_call(Call::Get);
    harness.lose();
    harness.expect_call(wait());
    harness.respond_to_look(staging());
    expect_ready(&mut harness);
}

#[test]
fn each_life_of_the_object_has_tokens_of_its_own() {
    let of = |seed| {
        let mut harness =
            Harness::with(Vm { ready_push: Some("https://app.example.com".into()), ..Vm::default() });
        harness.load(seed);
        harness.wake();
        harness.respond_to_look(not_found());
        harness.expect_change(BringUp::Insert);
        token(&harness)
    };
    assert_eq!(of(SEED), of(SEED));
    assert_ne!(of(SEED), of([8; 32]));
}

#[test]
fn a_record_of_an_older_version_has_no_token_and_gets_one_at_the_next_boot() {
    let mut harness = Harness::with(Vm::default());
    let mut stored = serde_json::to_value(&harness.lifecycle).unwrap();
    stored["context"].as_object_mut().unwrap().remove("ready_token").unwrap();
    harness.restore(stored);
    harness.load(SEED);
    harness.configure(Vm { ready_push: Some("https://app.example.com".into()), ..Vm::default() });
    harness.wake();
    harness.respond_to_look(not_found());
    harness.expect_change(BringUp::Insert);
    token(&harness);
}
