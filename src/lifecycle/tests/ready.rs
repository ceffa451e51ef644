//! The VM's own word that it is ready.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rig::*;
use crate::compute::{Answer, Call, CallError, Change, InstanceStatus, InstanceView, Mutation};
use crate::lifecycle::{Event, FailureKind, Outcome, ProbeResult, ReadyToken};
use crate::vm::{OnDrift, Vm, VmState};

/// A VM that is told how it may say that it is ready.
fn pushing() -> Rig {
    pushing_with(Vm::default())
}

fn pushing_with(vm: Vm) -> Rig {
    let mut rig = Rig::with(Vm { ready_push: Some("https://app.example.com".into()), ..vm });
    rig.send(Event::Loaded { seed: SEED });
    rig
}

/// It is being created: the operation is under way.
fn being_created() -> Rig {
    let mut rig = pushing();
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, pending());
    rig.call(wait());
    rig
}

/// It has been created and is probed.
fn created() -> Rig {
    let mut rig = pushing();
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, done());
    rig.looks(running());
    rig.probe();
    rig
}

fn token(rig: &Rig) -> ReadyToken {
    rig.lifecycle.ready_token().expect("it has a token").clone()
}

fn says(rig: &mut Rig, token: &ReadyToken) {
    rig.send(Event::SaidReady { token: token.clone() });
}

/// It says so with the token of its boot.
fn says_so(rig: &mut Rig) {
    says(rig, &token(rig));
}

#[track_caller]
fn is_released(rig: &mut Rig) {
    let Outcome::Ready { endpoint, cold_start: Some(_) } = rig.released() else { panic!() };
    assert_eq!(endpoint.ip, IP);
    rig.state(VmState::Running);
    rig.nothing();
}

fn told() -> Change {
    Change::Ready { fingerprint: "f".into(), others: BTreeMap::new() }
}

/// An instance that is down, with its metadata.
fn down(status: InstanceStatus) -> Result<Answer, CallError> {
    Ok(Answer::Instance(InstanceView { status, ip: None, drift: vec![], ready: Some(told()) }))
}

fn stopped() -> Result<Answer, CallError> {
    down(InstanceStatus::Terminated)
}

#[test]
fn its_word_ends_the_wait_though_no_probe_has_been_answered() {
    let mut rig = created();
    rig.pass(SECOND);
    rig.probes();
    says_so(&mut rig);
    is_released(&mut rig);
    let [record] = rig.lifecycle.cold_starts() else { panic!() };
    assert_eq!((record.boot_ms, record.app_ms, record.total_ms), (1_000, 0, 1_000));

    says_so(&mut rig);
    rig.probed(ProbeResult::Healthy);
    rig.nothing();
}

#[test]
fn a_word_that_never_comes_costs_nothing() {
    let mut rig = created();
    rig.pass(SECOND);
    rig.probes();
    rig.probed(ProbeResult::Healthy);
    is_released(&mut rig);
}

#[test]
fn no_other_token_will_do() {
    let mut rig = created();
    let right = token(&rig);
    let text = right.as_str();
    assert_eq!(text.len(), 43, "256 bits in base64url");
    assert!(!format!("{right:?} {:?}", rig.lifecycle).contains(text), "it shows in no log");
    for wrong in ["", &text[..42], &format!("{text}A"), &text.to_lowercase(), "x"] {
        says(&mut rig, &ReadyToken::from(wrong));
        rig.nothing();
        rig.state(VmState::Booting);
    }
    says(&mut rig, &ReadyToken::from(text));
    is_released(&mut rig);
}

#[test]
fn a_vm_that_is_not_told_has_no_token() {
    let mut rig = Rig::new();
    rig.send(Event::Loaded { seed: SEED });
    rig.wake();
    rig.looks(stopped());
    rig.mutation(Mutation::Start);
    assert_eq!(rig.lifecycle.ready_token(), None);
    says(&mut rig, &ReadyToken::from(""));
    rig.nothing();
}

#[test]
fn a_stopped_vm_is_told_before_it_is_started_and_every_boot_has_a_token_of_its_own() {
    let mut rig = created();
    let first = token(&rig);
    says_so(&mut rig);
    is_released(&mut rig);
    rig.send(Event::GoDown(Mutation::Stop));
    let (stop, _) = rig.mutation(Mutation::Stop);
    assert_eq!(token(&rig), first, "it may yet stay up");
    rig.answer(stop, done());
    assert_eq!(rig.lifecycle.ready_token(), None);

    rig.wake();
    rig.looks(stopped());
    let second = token(&rig);
    assert_ne!(first, second);
    let (call, _) = rig.adapts(&told());
    rig.answer(call, pending());
    let waited = rig.call(wait());
    rig.answer(waited, done());
    let (start, _) = rig.mutation(Mutation::Start);
    assert_eq!(token(&rig), second);
    rig.answer(start, done());
    rig.looks(running());
    rig.probe();
    says(&mut rig, &first);
    rig.nothing();
    says(&mut rig, &second);
    is_released(&mut rig);
}

#[test]
fn a_vm_that_was_preempted_and_looked_at_again_has_a_new_token() {
    let mut rig = created();
    let first = token(&rig);
    rig.pass(30 * SECOND);
    rig.probes();
    rig.looks(stopped());
    rig.adapts(&told());
    assert_ne!(token(&rig), first);
}

#[test]
fn what_differs_is_brought_in_line_first_and_metadata_in_one_call() {
    let vm = || Vm { on_drift: OnDrift::Apply, ..Vm::default() };
    let metadata = Change::Metadata { fingerprint: "f".into(), others: BTreeMap::new() };
    let body = r#"{"status": "TERMINATED", "machineType": "zones/z/machineTypes/other", "metadata": {"fingerprint": "f"}}"#;
    let configured = crate::Instance { startup_script: Some("x".into()), ..crate::Instance::default() };
    for (configured, last) in [(configured, metadata), (crate::Instance::default(), told())] {
        let mut rig = pushing_with(vm());
        rig.wake();
        rig.looks(Answer::read(&Call::Look, &configured, 200, body));
        let (first, _) = rig.adapts(&Change::MachineType);
        rig.answer(first, done());
        let (second, _) = rig.adapts(&last);
        rig.answer(second, done());
        rig.mutation(Mutation::Start);
        assert_eq!(rig.lifecycle.drift(), []);
        token(&rig);
    }
}

#[test]
fn to_be_told_changes_nothing_of_what_differs() {
    let mut rig = pushing();
    rig.wake();
    let Ok(Answer::Instance(instance)) = drifted() else { panic!() };
    rig.looks(Ok(Answer::Instance(InstanceView { ready: Some(told()), ..instance })));
    let (call, _) = rig.adapts(&told());
    rig.answer(call, done());
    rig.mutation(Mutation::Start);
    assert_eq!(rig.lifecycle.drift().len(), 2);
}

#[test]
fn a_vm_that_cannot_be_told_is_started_all_the_same() {
    let mut rig = pushing();
    rig.wake();
    rig.looks(stopped());
    let (call, _) = rig.adapts(&told());
    rig.answer(call, refused(403, "forbidden"));
    rig.mutation(Mutation::Start);

    let mut rig = pushing();
    rig.wake();
    rig.looks(stopped());
    let (call, _) = rig.adapts(&told());
    rig.answer(call, refused(412, "conditionNotMet"));
    rig.pass(SECOND);
    rig.looks(stopped());
    rig.adapts(&told());

    let mut rig = pushing();
    rig.wake();
    rig.looks(instance(InstanceStatus::Terminated));
    rig.mutation(Mutation::Start);
}

#[test]
fn a_resumed_vm_boots_nothing_and_an_earlier_token_is_of_no_more_use() {
    let mut rig = created();
    let first = token(&rig);
    says_so(&mut rig);
    is_released(&mut rig);
    rig.send(Event::GoDown(Mutation::Suspend));
    let (suspend, _) = rig.mutation(Mutation::Suspend);
    rig.answer(suspend, done());
    rig.wake();
    rig.looks(down(InstanceStatus::Suspended));
    let (resume, _) = rig.mutation(Mutation::Resume);
    rig.answer(resume, done());
    rig.looks(running());
    rig.probe();
    assert_eq!(rig.lifecycle.ready_token(), None);
    says(&mut rig, &first);
    rig.nothing();
    rig.state(VmState::Booting);
}

#[test]
fn while_its_operation_is_under_way_it_is_looked_at_once() {
    let mut rig = being_created();
    says_so(&mut rig);
    let peek = rig.call(Call::Look);
    says_so(&mut rig);
    rig.nothing();
    rig.answer(peek, staging());
    is_released(&mut rig);
}

#[test]
fn a_look_that_was_under_way_before_is_made_again() {
    let mut rig = being_created();
    rig.pass(3 * SECOND);
    let early = rig.call(Call::Look);
    says_so(&mut rig);
    let peek = rig.call(Call::Look);
    rig.answer(early, instance(InstanceStatus::Provisioning));
    rig.nothing();
    rig.answer(peek, staging());
    is_released(&mut rig);
}

#[test]
fn a_look_that_finds_no_address_leaves_it_to_the_end_of_the_operation() {
    for answer in [instance(InstanceStatus::Staging), refused(503, "backendError")] {
        let mut rig = pushing();
        rig.wake();
        rig.looks(not_found());
        let (insert, _) = rig.mutation(Mutation::Insert);
        rig.answer(insert, pending());
        let waited = rig.call(wait());
        says_so(&mut rig);
        rig.looks(answer);
        rig.pass(10 * SECOND);
        rig.nothing();
        rig.answer(waited, done());
        rig.looks(running());
        is_released(&mut rig);
    }
}

#[test]
fn a_word_that_overtakes_the_answer_to_the_insert_is_kept() {
    let mut rig = pushing();
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    says_so(&mut rig);
    rig.nothing();
    rig.answer(insert, pending());
    rig.call(wait());
    rig.looks(staging());
    is_released(&mut rig);
}

#[test]
fn a_word_during_the_last_look_or_before_a_later_one_is_kept() {
    let mut rig = pushing();
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, done());
    let look = rig.call(Call::Look);
    says_so(&mut rig);
    rig.nothing();
    rig.answer(look, running());
    is_released(&mut rig);

    let mut rig = pushing();
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, done());
    rig.looks(instance(InstanceStatus::Staging));
    rig.nothing();
    says_so(&mut rig);
    rig.looks(running());
    is_released(&mut rig);
}

#[test]
fn a_server_that_comes_back_says_so_with_the_token_of_its_boot() {
    let mut rig = created();
    says_so(&mut rig);
    is_released(&mut rig);
    let generation = rig.lifecycle.endpoint().unwrap().generation;
    rig.send(Event::Wake { unreachable: Some(generation), insist: false, client: None });
    rig.looks(running());
    rig.probe();
    says_so(&mut rig);
    is_released(&mut rig);
}

#[test]
fn its_word_does_not_keep_a_vm_that_is_to_go_down() {
    let mut rig = being_created();
    rig.send(Event::GoDown(Mutation::Stop));
    rig.released();
    says_so(&mut rig);
    rig.looks(staging());
    rig.probe();
    says_so(&mut rig);
    rig.nothing();
    rig.state(VmState::Starting);

    let (mut rig, stop, _) = Rig::going_down_with(
        Vm { ready_push: Some("https://app.example.com".into()), ..Vm::default() },
        Mutation::Stop,
    );
    says(&mut rig, &ReadyToken::from(""));
    rig.answer(stop, done());
    rig.state(VmState::Stopped);
}

#[test]
fn its_word_does_not_go_beyond_the_hours_of_the_month() {
    let mut rig = pushing_with(Vm {
        max_hours_per_month: Some(1),
        startup_timeout: 2 * Duration::from_secs(3600),
        ..Vm::default()
    });
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, done());
    rig.looks(running());
    rig.probe();
    rig.now = rig.now + Duration::from_secs(3600);
    says_so(&mut rig);
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::OverLimit);
}

#[test]
fn an_object_that_is_lost_says_the_same_again_and_keeps_the_vms_word() {
    let mut rig = pushing();
    rig.wake();
    rig.looks(not_found());
    rig.mutation(Mutation::Insert);
    let first = token(&rig);
    rig.lose();
    let (insert, _) = rig.mutation(Mutation::Insert);
    assert_eq!(token(&rig), first, "it goes with the same request id");
    rig.answer(insert, pending());
    rig.call(wait());
    says(&mut rig, &first);
    rig.call(Call::Look);
    rig.lose();
    rig.call(wait());
    rig.looks(staging());
    is_released(&mut rig);
}

#[test]
fn each_life_of_the_object_has_tokens_of_its_own() {
    let of = |seed| {
        let mut rig = Rig::with(Vm { ready_push: Some("https://app.example.com".into()), ..Vm::default() });
        rig.send(Event::Loaded { seed });
        rig.wake();
        rig.looks(not_found());
        rig.mutation(Mutation::Insert);
        token(&rig)
    };
    assert_eq!(of(SEED), of(SEED));
    assert_ne!(of(SEED), of([8; 32]));
}

#[test]
fn a_record_of_an_older_version_has_no_token_and_gets_one_at_the_next_boot() {
    let mut rig = Rig::with(Vm::default());
    let mut stored = serde_json::to_value(&rig.lifecycle).unwrap();
    stored.as_object_mut().unwrap().remove("ready_token").unwrap();
    stored["policy"].as_object_mut().unwrap().remove("ready_push").unwrap();
    rig.lifecycle = serde_json::from_value(stored).unwrap();
    rig.send(Event::Loaded { seed: SEED });
    rig.configure(Vm { ready_push: Some("https://app.example.com".into()), ..Vm::default() });
    rig.wake();
    rig.looks(not_found());
    rig.mutation(Mutation::Insert);
    token(&rig);
}
