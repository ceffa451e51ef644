//! Where the instance is created, and what happens when it is to be elsewhere.

use super::rig::*;
use crate::compute::{Call, InstanceStatus, Mutation};
use crate::lifecycle::{Event, FailureKind, Outcome};
use crate::vm::{Instance, Vm, VmState};

const STOCKOUT: &str = "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS";

fn vm(zones: &[&str], spot_fallback: bool) -> Vm {
    let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
    Vm { instance: Instance { zones, spot_fallback, ..Instance::default() }, ..Vm::default() }
}

/// A VM for which every zone has been tried with `mutation` up to the last, which is being tried.
fn last_zone(rig: &mut Rig, zones: &[&str], mutation: Mutation) -> crate::lifecycle::CallId {
    for zone in zones {
        let (insert, _) = rig.mutation(mutation);
        assert_eq!(rig.lifecycle.zone(), *zone);
        if Some(zone) == zones.last() {
            return insert;
        }
        rig.answer(insert, pending());
        let waited = rig.call(wait());
        rig.answer(waited, operation_failed(503, STOCKOUT));
    }
    panic!("there is no zone")
}

#[test]
fn a_zone_without_room_is_followed_by_the_next_and_remembered() {
    let mut rig = Rig::with(vm(&["a", "b", "c"], false));
    rig.wake();
    rig.looks(not_found());
    let insert = last_zone(&mut rig, &["a", "b", "c"], Mutation::Insert);
    rig.answer(insert, done());
    rig.looks(running());
    rig.probe();
    assert_eq!(rig.lifecycle.zone(), "c");
    rig.lose();
    assert_eq!(rig.lifecycle.zone(), "c");
}

#[test]
fn a_quota_that_is_used_up_is_a_zone_without_room() {
    let mut rig = Rig::with(vm(&["a", "b"], false));
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.answer(insert, refused(403, "quotaExceeded"));
    rig.mutation(Mutation::Insert);
    assert_eq!(rig.lifecycle.zone(), "b");
}

#[test]
fn when_no_zone_has_room_the_start_is_refused() {
    let mut rig = Rig::with(vm(&["a", "b"], false));
    rig.wake();
    rig.looks(not_found());
    let insert = last_zone(&mut rig, &["a", "b"], Mutation::Insert);
    rig.answer(insert, operation_failed(503, STOCKOUT));
    let Outcome::Failed(failure) = rig.released() else { panic!() };
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.message.contains(STOCKOUT), "{}", failure.message);
}

#[test]
fn when_no_zone_has_room_for_a_spot_vm_a_standard_one_may_be_created() {
    let mut rig = Rig::with(vm(&["a", "b"], true));
    rig.wake();
    rig.looks(not_found());
    let insert = last_zone(&mut rig, &["a", "b"], Mutation::Insert);
    rig.answer(insert, operation_failed(503, STOCKOUT));
    let insert = last_zone(&mut rig, &["a", "b"], Mutation::InsertStandard);
    rig.answer(insert, operation_failed(503, STOCKOUT));
    assert!(matches!(rig.released(), Outcome::Failed(_)));
}

#[test]
fn an_instance_that_exists_is_not_created_elsewhere() {
    let mut rig = Rig::with(vm(&["a", "b"], true));
    rig.wake();
    rig.looks(instance(InstanceStatus::Terminated));
    let (start, _) = rig.mutation(Mutation::Start);
    rig.answer(start, operation_failed(503, STOCKOUT));
    assert!(matches!(rig.released(), Outcome::Failed(_)));
    assert_eq!(rig.lifecycle.zone(), "a");
}

#[test]
fn an_instance_that_is_gone_is_created_in_the_preferred_zone_again() {
    let mut rig = Rig::with(vm(&["a", "b"], false));
    rig.wake();
    rig.looks(not_found());
    let insert = last_zone(&mut rig, &["a", "b"], Mutation::Insert);
    rig.answer(insert, done());
    rig.call(Call::Look);
    rig.send(Event::GoDown(Mutation::Delete));
    rig.released();
    rig.looks(running());
    let (delete, _) = rig.mutation(Mutation::Delete);
    assert_eq!(rig.lifecycle.zone(), "b");
    rig.answer(delete, done());
    rig.wake();
    rig.looks(not_found());
    rig.mutation(Mutation::Insert);
    assert_eq!(rig.lifecycle.zone(), "a");
}

#[test]
fn a_vm_whose_zone_is_not_configured_any_more_is_stopped_there() {
    let mut rig = Rig::running_with(vm(&["old"], false));
    rig.configure(vm(&["new"], false));
    rig.wake();
    rig.state(VmState::Stopping);
    let (stop, _) = rig.mutation(Mutation::Stop);
    assert_eq!(rig.lifecycle.zone(), "old");
    rig.answer(stop, done());
    let look = rig.call(Call::Look);
    assert_eq!(rig.lifecycle.zone(), "new");
    rig.answer(look, not_found());
    rig.mutation(Mutation::Insert);
}

#[test]
fn a_start_in_a_zone_that_is_not_configured_any_more_is_ended_and_begun_in_the_new_one() {
    let mut rig = Rig::with(vm(&["old"], false));
    rig.wake();
    rig.looks(not_found());
    let (insert, _) = rig.mutation(Mutation::Insert);
    rig.configure(vm(&["new"], false));
    rig.answer(insert, done());
    let (stop, _) = rig.mutation(Mutation::Stop);
    assert_eq!(rig.lifecycle.zone(), "old");
    rig.answer(stop, done());
    // The request that waited for the old one is served by the new one.
    rig.call(Call::Look);
    assert_eq!(rig.lifecycle.zone(), "new");
}

#[test]
fn a_vm_that_is_down_in_an_old_zone_is_forgotten_there() {
    let mut rig = Rig::with(vm(&["old"], false));
    rig.configure(vm(&["new"], false));
    rig.state(VmState::Absent);
    rig.wake();
    rig.call(Call::Look);
    assert_eq!(rig.lifecycle.zone(), "new");
}

#[test]
fn a_vm_whose_history_is_lost_is_looked_for_in_all_zones_before_it_is_created() {
    let mut rig = Rig::recovered_with(vm(&["a", "b", "c"], false));
    rig.wake();
    for zone in ["a", "b", "c"] {
        assert_eq!(rig.lifecycle.zone(), zone);
        rig.lose();
        rig.looks(not_found());
    }
    rig.mutation(Mutation::Insert);
    assert_eq!(rig.lifecycle.zone(), "a");
}

#[test]
fn one_that_is_not_found_because_a_look_is_refused_is_brought_down_all_the_same() {
    for in_a in [not_found(), instance(InstanceStatus::Terminated)] {
        let mut rig = Rig::recovered_with(vm(&["a", "b"], false));
        rig.wake();
        rig.looks(in_a);
        rig.looks(refused(403, "forbidden"));
        rig.released();
        rig.state(VmState::Failed);
        rig.pass(IDLE);
        rig.looks(running());
        rig.mutation(Mutation::Stop);
        assert_eq!(rig.lifecycle.zone(), "b");
    }
}

#[test]
fn one_that_runs_goes_before_one_that_is_down() {
    let mut rig = Rig::recovered_with(vm(&["a", "b", "c"], false));
    rig.wake();
    rig.looks(instance(InstanceStatus::Terminated));
    rig.looks(running());
    rig.probe();
    assert_eq!(rig.lifecycle.zone(), "b");

    let mut rig = Rig::recovered_with(vm(&["a", "b", "c"], false));
    rig.wake();
    rig.looks(not_found());
    rig.looks(instance(InstanceStatus::Terminated));
    rig.looks(not_found());
    rig.looks(instance(InstanceStatus::Terminated));
    rig.mutation(Mutation::Start);
    assert_eq!(rig.lifecycle.zone(), "b");
}

#[test]
fn a_vm_whose_history_is_lost_is_brought_down_in_whatever_zone_it_is() {
    let mut rig = Rig::recovered_with(vm(&["a", "b"], false));
    rig.pass(IDLE);
    rig.looks(not_found());
    rig.looks(running());
    let (stop, _) = rig.mutation(Mutation::Stop);
    assert_eq!(rig.lifecycle.zone(), "b");
    rig.answer(stop, done());
    rig.state(VmState::Stopped);
    assert_eq!(rig.lifecycle.zone(), "b");
}
