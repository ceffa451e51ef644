//! What those are told who do not wait for the end of a start.

use std::time::Duration;

use super::rig::{done, instance, not_found, pending, running, wait, Rig, SECOND};
use crate::compute::{InstanceStatus, Mutation};
use crate::lifecycle::{Event, Phase, ProbeResult, Progress};
use crate::vm::{ColdStartRecord, StartKind};

fn progress(rig: &Rig) -> Option<Progress> {
    rig.lifecycle.progress(rig.now)
}

fn phase(rig: &Rig) -> Option<Phase> {
    progress(rig).map(|progress| progress.phase)
}

/// Brings a VM up that is not there, in 2 s of boot and 3 s of its app's start.
fn create(rig: &mut Rig) {
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, done());
    rig.looks(running());
    rig.probe();
    rig.pass(2 * SECOND);
    rig.probed(ProbeResult::Unhealthy);
    rig.pass(3 * SECOND);
    rig.probed(ProbeResult::Healthy);
    rig.probes();
    rig.released();
}

#[test]
fn a_start_goes_through_its_phases() {
    let mut rig = Rig::new();
    assert_eq!(progress(&rig), None);
    rig.wake();
    assert_eq!(phase(&rig), Some(Phase::Asking));
    rig.looks(not_found());
    assert_eq!(phase(&rig), Some(Phase::Starting));
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, pending());
    assert_eq!(phase(&rig), Some(Phase::Starting));
    let waiting = rig.call(wait());
    rig.answer(waiting, done());
    assert_eq!(phase(&rig), Some(Phase::Booting));
    rig.looks(running());
    rig.probe();
    assert_eq!(phase(&rig), Some(Phase::Booting));
    rig.pass(2 * SECOND);
    rig.probed(ProbeResult::Unhealthy);
    let so_far = Progress { phase: Phase::App, elapsed_ms: 2000, expected_ms: None };
    assert_eq!(progress(&rig), Some(so_far));
    rig.probed(ProbeResult::Healthy);
    assert_eq!(progress(&rig), None);
}

#[test]
fn the_last_starts_tell_how_long_the_next_takes() {
    let mut rig = Rig::new();
    rig.wake();
    create(&mut rig);
    rig.send(Event::GoDown(Mutation::Delete));
    rig.wake();
    // Known before the VM is down, let alone looked at.
    let expected = Progress { phase: Phase::Starting, elapsed_ms: 0, expected_ms: Some(5000) };
    assert_eq!(progress(&rig), Some(expected));
    rig.now = rig.now + 7 * SECOND;
    let overdue = Progress { phase: Phase::Starting, elapsed_ms: 7000, expected_ms: Some(7000) };
    assert_eq!(progress(&rig), Some(overdue));
}

#[test]
fn what_was_running_already_is_no_measure() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(running());
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    assert_eq!(rig.lifecycle.cold_starts().first().map(|record| record.kind), Some(StartKind::Found));
}

#[test]
fn a_start_of_another_kind_than_expected_is_recorded_as_what_it_was() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(instance(InstanceStatus::Suspended));
    let (resume, _) = rig.mutation(Mutation::Resume);
    rig.answer(resume, done());
    rig.looks(running());
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    assert_eq!(rig.lifecycle.cold_starts().first().map(|record| record.kind), Some(StartKind::Resume));
}

#[test]
fn a_change_that_is_still_to_be_settled_tells_the_kind() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(not_found());
    rig.mutation(Mutation::Insert);
    rig.pass(Duration::from_secs(5 * 60));
    rig.released();
    rig.pass(Duration::from_secs(60));
    rig.wake();
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, done());
    rig.looks(running());
    rig.probe();
    rig.probed(ProbeResult::Healthy);
    assert_eq!(rig.lifecycle.cold_starts().first().map(|record| record.kind), Some(StartKind::Create));
}

#[test]
fn a_record_from_before_there_were_kinds_can_be_read() {
    let stored = r#"{"at": "2026-11-22T20:22:36.600Z", "token_ms": 90, "api_ms": 6100, "boot_ms": 14200, "app_ms": 900, "total_ms": 21290}"#;
    let record: ColdStartRecord = serde_json::from_str(stored).unwrap();
    assert_eq!((record.kind, record.total_ms), (StartKind::Start, 21290));
}

#[test]
fn ten_starts_of_each_kind_are_kept() {
    let mut rig = Rig::new();
    for round in 0..12 {
        rig.wake();
        let status = if round == 0 { InstanceStatus::Suspended } else { InstanceStatus::Terminated };
        rig.looks(instance(status));
        let (up, _) = rig.mutation(if round == 0 { Mutation::Resume } else { Mutation::Start });
        rig.answer(up, done());
        rig.looks(running());
        rig.probe();
        rig.probed(ProbeResult::Healthy);
        rig.released();
        rig.pass(Duration::from_secs(3600));
        let (down, _) = rig.mutation(Mutation::Stop);
        rig.answer(down, done());
    }
    let kinds: Vec<StartKind> = rig.lifecycle.cold_starts().iter().map(|record| record.kind).collect();
    let mut expected = vec![StartKind::Start; 10];
    expected.push(StartKind::Resume);
    assert_eq!(kinds, expected);
}

#[test]
fn whoever_wakes_a_vm_that_goes_down_is_told_from_then_on() {
    let (mut rig, _, _) = Rig::going_down();
    assert_eq!(progress(&rig), None);
    rig.wake();
    rig.now = rig.now + 4 * SECOND;
    assert_eq!(progress(&rig).map(|progress| progress.elapsed_ms), Some(4000));
}
