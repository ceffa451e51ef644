//! The VM's own word that it is ready.

use std::collections::BTreeMap;
use std::time::Duration;

use super::harness::*;
use crate::compute::{BringUp, Call, CallError, InstanceStatus, InstanceView, Response, TakeDown, Update};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult, ReadyToken};
use crate::vm::{OnDrift, Vm, VmState};

/// A VM that is told how it may say that it is ready.
fn pushing() -> Harness {
    pushing_with(Vm::default())
}

fn pushing_with(vm: Vm) -> Harness {
    let mut harness = Harness::with(Vm { ready_push: Some("https://app.example.com".into()), ..vm });
    harness.send(Event::Loaded { seed: SEED });
    harness
}

/// It is being created: the operation is under way.
fn being_created() -> Harness {
    let mut harness = pushing();
    harness.wake();
    harness.looks(not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.answer(insert, pending());
    harness.call(wait());
    harness
}

/// It has been created and is probed.
fn created() -> Harness {
    let mut harness = pushing();
    harness.wake();
    harness.looks(not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.answer(insert, done());
    harness.looks(running());
    harness.probe();
    harness
}

fn token(harness: &Harness) -> ReadyToken {
    harness.lifecycle.ready_token().expect("it has a token").clone()
}

fn says(harness: &mut Harness, token: &ReadyToken) {
    harness.send(Event::ReadyPushed { token: token.clone() });
}

/// It says so with the token of its boot.
fn says_so(harness: &mut Harness) {
    says(harness, &token(harness));
}

#[track_caller]
fn is_released(harness: &mut Harness) {
    let Outcome::Ready { endpoint, cold_start: Some(_) } = harness.released() else { panic!() };
    assert_eq!(endpoint.ip, IP);
    harness.state(VmState::Running);
    harness.nothing();
}

fn told() -> Update {
    Update::Ready { fingerprint: "f".into(), others: BTreeMap::new() }
}

/// An instance that is down, with its metadata.
fn down(status: InstanceStatus) -> Result<Response, CallError> {
    Ok(Response::Instance(InstanceView { status, ip: None, drift: vec![], ready: Some(told()) }))
}

fn stopped() -> Result<Response, CallError> {
    down(InstanceStatus::Terminated)
}

#[test]
fn its_word_ends_the_wait_though_no_probe_has_been_answered() {
    let mut harness = created();
    harness.pass(SECOND);
    harness.probes();
    says_so(&mut harness);
    is_released(&mut harness);
    let [record] = harness.lifecycle.cold_starts() else { panic!() };
    assert_eq!((record.boot_ms, record.app_ms, record.total_ms), (1_000, 0, 1_000));

    says_so(&mut harness);
    harness.probed(ProbeResult::Healthy);
    harness.nothing();
}

#[test]
fn a_word_that_never_comes_costs_nothing() {
    let mut harness = created();
    harness.pass(SECOND);
    harness.probes();
    harness.probed(ProbeResult::Healthy);
    is_released(&mut harness);
}

#[test]
fn no_other_token_will_do() {
    let mut harness = created();
    let right = token(&harness);
    let text = right.as_str();
    assert_eq!(text.len(), 43, "256 bits in base64url");
    assert!(!format!("{right:?} {:?}", harness.lifecycle).contains(text), "it shows in no log");
    for wrong in ["", &text[..42], &format!("{text}A"), &text.to_lowercase(), "x"] {
        says(&mut harness, &ReadyToken::from(wrong));
        harness.nothing();
        harness.state(VmState::Booting);
    }
    says(&mut harness, &ReadyToken::from(text));
    is_released(&mut harness);
}

#[test]
fn a_vm_that_is_not_told_has_no_token() {
    let mut harness = Harness::new();
    harness.send(Event::Loaded { seed: SEED });
    harness.wake();
    harness.looks(stopped());
    harness.change(BringUp::Start);
    assert_eq!(harness.lifecycle.ready_token(), None);
    says(&mut harness, &ReadyToken::from(""));
    harness.nothing();
}

#[test]
fn a_stopped_vm_is_told_before_it_is_started_and_every_boot_has_a_token_of_its_own() {
    let mut harness = created();
    let first = token(&harness);
    says_so(&mut harness);
    is_released(&mut harness);
    harness.send(Event::TakeDown(TakeDown::Stop));
    let (stop, _) = harness.change(TakeDown::Stop);
    assert_eq!(token(&harness), first, "it may yet stay up");
    harness.answer(stop, done());
    assert_eq!(harness.lifecycle.ready_token(), None);

    harness.wake();
    harness.looks(stopped());
    let second = token(&harness);
    assert_ne!(first, second);
    let (call, _) = harness.updates(&told());
    harness.answer(call, pending());
    let waited = harness.call(wait());
    harness.answer(waited, done());
    let (start, _) = harness.change(BringUp::Start);
    assert_eq!(token(&harness), second);
    harness.answer(start, done());
    harness.looks(running());
    harness.probe();
    says(&mut harness, &first);
    harness.nothing();
    says(&mut harness, &second);
    is_released(&mut harness);
}

#[test]
fn a_vm_that_was_preempted_and_looked_at_again_has_a_new_token() {
    let mut harness = created();
    let first = token(&harness);
    harness.pass(30 * SECOND);
    harness.probes();
    harness.looks(stopped());
    harness.updates(&told());
    assert_ne!(token(&harness), first);
}

#[test]
fn what_differs_is_brought_in_line_first_and_metadata_in_one_call() {
    let vm = || Vm { on_drift: OnDrift::Apply, ..Vm::default() };
    let metadata = Update::Metadata { fingerprint: "f".into(), others: BTreeMap::new() };
    let body = r#"{"status": "TERMINATED", "machineType": "zones/z/machineTypes/other", "metadata": {"fingerprint": "f"}}"#;
    let configured = crate::Instance { startup_script: Some("x".into()), ..crate::Instance::default() };
    for (configured, last) in [(configured, metadata), (crate::Instance::default(), told())] {
        let mut harness = pushing_with(vm());
        harness.wake();
        harness.looks(Response::read(&Call::Get, &configured, 200, body));
        let (first, _) = harness.updates(&Update::MachineType);
        harness.answer(first, done());
        let (second, _) = harness.updates(&last);
        harness.answer(second, done());
        harness.change(BringUp::Start);
        assert_eq!(harness.lifecycle.drift(), []);
        token(&harness);
    }
}

#[test]
fn to_be_told_changes_nothing_of_what_differs() {
    let mut harness = pushing();
    harness.wake();
    let Ok(Response::Instance(instance)) = drifted() else { panic!() };
    harness.looks(Ok(Response::Instance(InstanceView { ready: Some(told()), ..instance })));
    let (call, _) = harness.updates(&told());
    harness.answer(call, done());
    harness.change(BringUp::Start);
    assert_eq!(harness.lifecycle.drift().len(), 2);
}

#[test]
fn a_vm_that_cannot_be_told_is_started_all_the_same() {
    let mut harness = pushing();
    harness.wake();
    harness.looks(stopped());
    let (call, _) = harness.updates(&told());
    harness.answer(call, refused(403, "forbidden"));
    harness.change(BringUp::Start);

    let mut harness = pushing();
    harness.wake();
    harness.looks(stopped());
    let (call, _) = harness.updates(&told());
    harness.answer(call, refused(412, "conditionNotMet"));
    harness.pass(SECOND);
    harness.looks(stopped());
    harness.updates(&told());

    let mut harness = pushing();
    harness.wake();
    harness.looks(instance(InstanceStatus::Terminated));
    harness.change(BringUp::Start);
}

#[test]
fn a_resumed_vm_boots_nothing_and_an_earlier_token_is_of_no_more_use() {
    let mut harness = created();
    let first = token(&harness);
    says_so(&mut harness);
    is_released(&mut harness);
    harness.send(Event::TakeDown(TakeDown::Suspend));
    let (suspend, _) = harness.change(TakeDown::Suspend);
    harness.answer(suspend, done());
    harness.wake();
    harness.looks(down(InstanceStatus::Suspended));
    let (resume, _) = harness.change(BringUp::Resume);
    harness.answer(resume, done());
    harness.looks(running());
    harness.probe();
    assert_eq!(harness.lifecycle.ready_token(), None);
    says(&mut harness, &first);
    harness.nothing();
    harness.state(VmState::Booting);
}

#[test]
fn while_its_operation_is_under_way_it_is_looked_at_once() {
    let mut harness = being_created();
    says_so(&mut harness);
    let peek = harness.call(Call::Get);
    says_so(&mut harness);
    harness.nothing();
    harness.answer(peek, staging());
    is_released(&mut harness);
}

#[test]
fn a_look_that_was_under_way_before_is_made_again() {
    let mut harness = being_created();
    harness.pass(3 * SECOND);
    let early = harness.call(Call::Get);
    says_so(&mut harness);
    let peek = harness.call(Call::Get);
    harness.answer(early, instance(InstanceStatus::Provisioning));
    harness.nothing();
    harness.answer(peek, staging());
    is_released(&mut harness);
}

#[test]
fn a_look_that_finds_no_address_leaves_it_to_the_end_of_the_operation() {
    for answer in [instance(InstanceStatus::Staging), refused(503, "backendError")] {
        let mut harness = pushing();
        harness.wake();
        harness.looks(not_found());
        let (insert, _) = harness.change(BringUp::Insert);
        harness.answer(insert, pending());
        let waited = harness.call(wait());
        says_so(&mut harness);
        harness.looks(answer);
        harness.pass(10 * SECOND);
        harness.nothing();
        harness.answer(waited, done());
        harness.looks(running());
        is_released(&mut harness);
    }
}

#[test]
fn a_word_that_overtakes_the_answer_to_the_insert_is_kept() {
    let mut harness = pushing();
    harness.wake();
    harness.looks(not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    says_so(&mut harness);
    harness.nothing();
    harness.answer(insert, pending());
    harness.call(wait());
    harness.looks(staging());
    is_released(&mut harness);
}

#[test]
fn a_word_during_the_last_look_or_before_a_later_one_is_kept() {
    let mut harness = pushing();
    harness.wake();
    harness.looks(not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.answer(insert, done());
    let look = harness.call(Call::Get);
    says_so(&mut harness);
    harness.nothing();
    harness.answer(look, running());
    is_released(&mut harness);

    let mut harness = pushing();
    harness.wake();
    harness.looks(not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.answer(insert, done());
    harness.looks(instance(InstanceStatus::Staging));
    harness.nothing();
    says_so(&mut harness);
    harness.looks(running());
    is_released(&mut harness);
}

#[test]
fn a_server_that_comes_back_says_so_with_the_token_of_its_boot() {
    let mut harness = created();
    says_so(&mut harness);
    is_released(&mut harness);
    let generation = harness.lifecycle.endpoint().unwrap().generation;
    harness.send(Event::Wake { unreachable: Some(generation), force: false, client: None });
    harness.looks(running());
    harness.probe();
    says_so(&mut harness);
    is_released(&mut harness);
}

#[test]
fn its_word_does_not_keep_a_vm_that_is_to_go_down() {
    let mut harness = being_created();
    harness.send(Event::TakeDown(TakeDown::Stop));
    harness.released();
    says_so(&mut harness);
    harness.looks(staging());
    harness.probe();
    says_so(&mut harness);
    harness.nothing();
    harness.state(VmState::Starting);

    let (mut harness, stop, _) = Harness::going_down_with(
        Vm { ready_push: Some("https://app.example.com".into()), ..Vm::default() },
        TakeDown::Stop,
    );
    says(&mut harness, &ReadyToken::from(""));
    harness.answer(stop, done());
    harness.state(VmState::Stopped);
}

#[test]
fn its_word_does_not_go_beyond_the_hours_of_the_month() {
    let mut harness = pushing_with(Vm {
        max_hours_per_month: Some(1),
        startup_timeout: 2 * Duration::from_secs(3600),
        ..Vm::default()
    });
    harness.wake();
    harness.looks(not_found());
    let (insert, _) = harness.change(BringUp::Insert);
    harness.answer(insert, done());
    harness.looks(running());
    harness.probe();
    harness.now = harness.now + Duration::from_secs(3600);
    says_so(&mut harness);
    let Outcome::Failed(failure) = harness.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
}

#[test]
fn an_object_that_is_lost_says_the_same_again_and_keeps_the_vms_word() {
    let mut harness = pushing();
    harness.wake();
    harness.looks(not_found());
    harness.change(BringUp::Insert);
    let first = token(&harness);
    harness.lose();
    let (insert, _) = harness.change(BringUp::Insert);
    assert_eq!(token(&harness), first, "it goes with the same request id");
    harness.answer(insert, pending());
    harness.call(wait());
    says(&mut harness, &first);
    harness.call(Call::Get);
    harness.lose();
    harness.call(wait());
    harness.looks(staging());
    is_released(&mut harness);
}

#[test]
fn each_life_of_the_object_has_tokens_of_its_own() {
    let of = |seed| {
        let mut harness =
            Harness::with(Vm { ready_push: Some("https://app.example.com".into()), ..Vm::default() });
        harness.send(Event::Loaded { seed });
        harness.wake();
        harness.looks(not_found());
        harness.change(BringUp::Insert);
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
    harness.send(Event::Loaded { seed: SEED });
    harness.configure(Vm { ready_push: Some("https://app.example.com".into()), ..Vm::default() });
    harness.wake();
    harness.looks(not_found());
    harness.change(BringUp::Insert);
    token(&harness);
}
