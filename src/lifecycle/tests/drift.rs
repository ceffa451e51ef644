//! An instance that exists and differs from the configuration.

use super::rig::*;
use crate::compute::{Call, Change, Mutation};
use crate::lifecycle::Outcome;
use crate::vm::{OnDrift, Vm};

#[test]
fn a_drifted_instance_is_reported() {
    let mut rig = Rig::new();
    rig.wake();
    rig.looks(drifted());
    rig.mutation(Mutation::Start);
    let drift: Vec<String> = rig.lifecycle.drift().iter().map(ToString::to_string).collect();
    assert_eq!(drift.len(), 2, "{drift:?}");
    assert_eq!(drift[0], "machine_type: is e2-micro, configured e2-small");
}

#[test]
fn a_drifted_instance_is_brought_in_line_before_it_is_started_if_so_configured() {
    let mut rig = Rig::with(Vm { on_drift: OnDrift::Apply, ..Vm::default() });
    rig.wake();
    rig.looks(drifted());
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
    rig.looks(drifted());
    let (call, _) = rig.adapts(&Change::MachineType);
    rig.answer(call, refused(412, "conditionNotMet"));
    rig.pass(SECOND);
    rig.call(Call::Look);
}

#[test]
fn a_setting_that_cannot_be_applied_is_a_refused_start() {
    let mut rig = Rig::with(Vm { on_drift: OnDrift::Apply, ..Vm::default() });
    rig.wake();
    rig.looks(drifted());
    let (call, _) = rig.adapts(&Change::MachineType);
    rig.answer(call, refused(400, "invalid"));
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert!(failure.message.contains("cannot be brought in line"), "{}", failure.message);
}
