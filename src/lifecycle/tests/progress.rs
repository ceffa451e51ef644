//! The progress that is reported to requests that do not wait for the end of a start.

use std::time::Duration;

use super::harness::{done, instance, not_found, pending, running, wait, Harness, SECOND};
use crate::compute::{BringUp, InstanceStatus, TakeDown};
use crate::lifecycle::{Event, Phase, ProbeResult, Progress};
use crate::vm::{ColdStartRecord, StartKind};

fn progress(harness: &Harness) -> Option<Progress> {
    harness.lifecycle.progress(harness.now)
}

fn phase(harness: &Harness) -> Option<Phase> {
    progress(harness).map(|progress| progress.phase)
}

/// Creates the instance, with a boot of 2 s and an application start of 3 s.
fn create(harness: &mut Harness) {
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, done());
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.advance(2 * SECOND);
    harness.end_probe(ProbeResult::Unhealthy);
    harness.advance(3 * SECOND);
    harness.end_probe(ProbeResult::Healthy);
    harness.take_probes();
    harness.expect_release();
}

#[test]
fn a_start_goes_through_its_phases() {
    let mut harness = Harness::new();
    assert_eq!(progress(&harness), None);
    harness.wake();
    assert_eq!(phase(&harness), Some(Phase::Asking));
    harness.respond_to_look(not_found());
    assert_eq!(phase(&harness), Some(Phase::Starting));
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, pending());
    assert_eq!(phase(&harness), Some(Phase::Starting));
    let waiting = harness.expect_call(wait());
    harness.respond(waiting, done());
    assert_eq!(phase(&harness), Some(Phase::Booting));
    harness.respond_to_look(running());
    harness.expect_probe();
    assert_eq!(phase(&harness), Some(Phase::Booting));
    harness.advance(2 * SECOND);
    harness.end_probe(ProbeResult::Unhealthy);
    let so_far = Progress { phase: Phase::App, elapsed_ms: 2000, expected_ms: None };
    assert_eq!(progress(&harness), Some(so_far));
    harness.end_probe(ProbeResult::Healthy);
    assert_eq!(progress(&harness), None);
}

#[test]
fn the_last_starts_tell_how_long_the_next_takes() {
    let mut harness = Harness::new();
    harness.wake();
    create(&mut harness);
    harness.send(Event::TakeDown(TakeDown::Delete));
    harness.wake();
    // The estimate is known before the VM is down and is looked at.
    let expected = Progress { phase: Phase::Starting, elapsed_ms: 0, expected_ms: Some(5000) };
    assert_eq!(progress(&harness), Some(expected));
    harness.now = harness.now + 7 * SECOND;
    let overdue = Progress { phase: Phase::Starting, elapsed_ms: 7000, expected_ms: Some(7000) };
    assert_eq!(progress(&harness), Some(overdue));
}

#[test]
fn what_was_running_already_is_no_measure() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.end_probe(ProbeResult::Healthy);
    assert_eq!(harness.lifecycle.cold_starts().first().map(|record| record.kind), Some(StartKind::Found));
}

#[test]
fn a_start_of_another_kind_than_expected_is_recorded_as_what_it_was() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(instance(InstanceStatus::Suspended));
    let (resume, _) = harness.expect_change(BringUp::Resume);
    harness.respond(resume, done());
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.end_probe(ProbeResult::Healthy);
    assert_eq!(harness.lifecycle.cold_starts().first().map(|record| record.kind), Some(StartKind::Resume));
}

#[test]
fn a_change_that_is_still_to_be_settled_tells_the_kind() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(not_found());
    harness.expect_change(BringUp::Insert);
    harness.advance(Duration::from_secs(5 * 60));
    harness.expect_release();
    harness.advance(Duration::from_secs(60));
    harness.wake();
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, done());
    harness.respond_to_look(running());
    harness.expect_probe();
    harness.end_probe(ProbeResult::Healthy);
    assert_eq!(harness.lifecycle.cold_starts().first().map(|record| record.kind), Some(StartKind::Create));
}

#[test]
fn a_record_from_before_there_were_kinds_can_be_read() {
    let stored = r#"{"at": "2026-11-22T20:22:36.600Z", "token_ms": 90, "api_ms": 6100, "boot_ms": 14200, "app_ms": 900, "total_ms": 21290}"#;
    let record: ColdStartRecord = serde_json::from_str(stored).unwrap();
    assert_eq!((record.kind, record.total_ms), (StartKind::Start, 21290));
}

#[test]
fn ten_starts_of_each_kind_are_kept() {
    let mut harness = Harness::new();
    for round in 0..12 {
        harness.wake();
        let status = if round == 0 { InstanceStatus::Suspended } else { InstanceStatus::Terminated };
        harness.respond_to_look(instance(status));
        let (up, _) = harness.expect_change(if round == 0 { BringUp::Resume } else { BringUp::Start });
        harness.respond(up, done());
        harness.respond_to_look(running());
        harness.expect_probe();
        harness.end_probe(ProbeResult::Healthy);
        harness.expect_release();
        harness.advance(Duration::from_secs(3600));
        let (down, _) = harness.expect_change(TakeDown::Stop);
        harness.respond(down, done());
    }
    let kinds: Vec<StartKind> = harness.lifecycle.cold_starts().iter().map(|record| record.kind).collect();
    let mut expected = vec![StartKind::Start; 10];
    expected.push(StartKind::Resume);
    assert_eq!(kinds, expected);
}

#[test]
fn whoever_wakes_a_vm_that_goes_down_is_told_from_then_on() {
    let (mut harness, _, _) = Harness::going_down();
    assert_eq!(progress(&harness), None);
    harness.wake();
    harness.now = harness.now + 4 * SECOND;
    assert_eq!(progress(&harness).map(|progress| progress.elapsed_ms), Some(4000));
}
