//! Drift: an existing instance that differs from the configuration.

use super::harness::*;
use crate::compute::{BringUp, Call, Update};
use crate::lifecycle::Outcome;
use crate::vm::{OnDrift, Vm};

#[test]
fn a_drifted_instance_is_reported() {
    let mut harness = Harness::new();
    harness.wake();
    harness.respond_to_look(drifted());
    harness.expect_change(BringUp::Start);
    let drift: Vec<String> = harness.lifecycle.drift().iter().map(ToString::to_string).collect();
    assert_eq!(drift.len(), 2, "{drift:?}");
    assert_eq!(drift[0], "machine_type: is e2-micro, configured e2-small");
}

#[test]
fn a_drifted_instance_is_brought_in_line_before_it_is_started_if_so_configured() {
    let mut harness = Harness::with(Vm { on_drift: OnDrift::Apply, ..Vm::default() });
    harness.wake();
    harness.respond_to_look(drifted());
    let (first, first_id) = harness.expect_update(&Update::MachineType);
    harness.respond(first, pending());
    harness.lose();
    let waited = harness.expect_call(wait());
    harness.respond(waited, done());
    let (second, second_id) = harness.expect_update(&Update::Tags { fingerprint: "f".into() });
    assert_ne!(first_id, second_id);
    harness.lose();
    let (second_again, same_id) = harness.expect_update(&Update::Tags { fingerprint: "f".into() });
    assert_eq!(second_id, same_id);
    harness.respond(second, done());
    harness.expect_nothing();
    harness.respond(second_again, done());
    harness.expect_change(BringUp::Start);
    assert_eq!(harness.lifecycle.drift(), []);
}

#[test]
fn settings_that_somebody_else_changed_meanwhile_are_looked_at_again() {
    let mut harness = Harness::with(Vm { on_drift: OnDrift::Apply, ..Vm::default() });
    harness.wake();
    harness.respond_to_look(drifted());
    let (call, _) = harness.expect_update(&Update::MachineType);
    harness.respond(call, refused(412, "conditionNotMet"));
    harness.advance(SECOND);
    harness.expect_call(Call::Get);
}

#[test]
fn a_setting_that_cannot_be_applied_is_a_refused_start() {
    let mut harness = Harness::with(Vm { on_drift: OnDrift::Apply, ..Vm::default() });
    harness.wake();
    harness.respond_to_look(drifted());
    let (call, _) = harness.expect_update(&Update::MachineType);
    harness.respond(call, refused(400, "invalid"));
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert!(failure.message.contains("cannot be brought in line"), "{}", failure.message);
}
