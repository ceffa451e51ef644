//! Zones: where the instance is created, and moves to another zone.

use super::harness::*;
use crate::compute::{BringUp, Call, InstanceStatus, TakeDown};
use crate::lifecycle::{Event, FailureKind, Outcome};
use crate::vm::{Instance, Vm, VmState};

const STOCKOUT: &str = "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS";

fn vm(zones: &[&str], spot_fallback: bool) -> Vm {
    let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
    Vm { instance: Instance { zones, spot_fallback, ..Instance::default() }, ..Vm::default() }
}

/// Lets `insert` fail in all zones but the last, in which it is in progress. Returns that call.
fn last_zone(harness: &mut Harness, zones: &[&str], insert: BringUp) -> crate::lifecycle::CallId {
    for zone in zones {
        let (call, _) = harness.expect_change(insert);
        assert_eq!(harness.lifecycle.zone(), *zone);
        if Some(zone) == zones.last() {
            return call;
        }
        harness.respond(call, pending());
        let waited = harness.expect_call(wait());
        harness.respond(waited, operation_failed(503, STOCKOUT));
    }
    panic!("there is no zone")
}

#[test]
fn a_zone_without_room_is_followed_by_the_next_and_remembered() {
    let mut harness = Harness::with(vm(&["a", "b", "c"], false));
    harness.wake();
    harness.respond_to_look(not_found());
    let insert = last_zone(&mut harness, &["a", "b", "c"], BringUp::Insert);
    harness.respond(insert, done());
    harness.respond_to_look(running());
    harness.expect_probe();
    assert_eq!(harness.lifecycle.zone(), "c");
    harness.lose();
    assert_eq!(harness.lifecycle.zone(), "c");
}

#[test]
fn a_quota_that_is_used_up_is_a_zone_without_room() {
    let mut harness = Harness::with(vm(&["a", "b"], false));
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, refused(403, "quotaExceeded"));
    harness.expect_change(BringUp::Insert);
    assert_eq!(harness.lifecycle.zone(), "b");
}

#[test]
fn when_no_zone_has_room_the_start_is_refused() {
    let mut harness = Harness::with(vm(&["a", "b"], false));
    harness.wake();
    harness.respond_to_look(not_found());
    let insert = last_zone(&mut harness, &["a", "b"], BringUp::Insert);
    harness.respond(insert, operation_failed(503, STOCKOUT));
    let Outcome::Failed(failure) = harness.expect_release() else { panic!() };
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.message.contains(STOCKOUT), "{}", failure.message);
}

#[test]
fn when_no_zone_has_room_for_a_spot_vm_a_standard_one_may_be_created() {
    let mut harness = Harness::with(vm(&["a", "b"], true));
    harness.wake();
    harness.respond_to_look(not_found());
    let insert = last_zone(&mut harness, &["a", "b"], BringUp::Insert);
    harness.respond(insert, operation_failed(503, STOCKOUT));
    let insert = last_zone(&mut harness, &["a", "b"], BringUp::InsertStandard);
    harness.respond(insert, operation_failed(503, STOCKOUT));
    assert!(matches!(harness.expect_release(), Outcome::Failed(_)));
}

#[test]
fn an_instance_that_exists_is_not_created_elsewhere() {
    let mut harness = Harness::with(vm(&["a", "b"], true));
    harness.wake();
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    let (start, _) = harness.expect_change(BringUp::Start);
    harness.respond(start, operation_failed(503, STOCKOUT));
    assert!(matches!(harness.expect_release(), Outcome::Failed(_)));
    assert_eq!(harness.lifecycle.zone(), "a");
}

#[test]
fn an_instance_that_is_gone_is_created_in_the_preferred_zone_again() {
    let mut harness = Harness::with(vm(&["a", "b"], false));
    harness.wake();
    harness.respond_to_look(not_found());
    let insert = last_zone(&mut harness, &["a", "b"], BringUp::Insert);
    harness.respond(insert, done());
    harness.expect_call(Call::Get);
    harness.send(Event::TakeDown(TakeDown::Delete));
    harness.expect_release();
    harness.respond_to_look(running());
    let (delete, _) = harness.expect_change(TakeDown::Delete);
    assert_eq!(harness.lifecycle.zone(), "b");
    harness.respond(delete, done());
    harness.wake();
    harness.respond_to_look(not_found());
    harness.expect_change(BringUp::Insert);
    assert_eq!(harness.lifecycle.zone(), "a");
}

#[test]
fn a_vm_whose_zone_is_not_configured_any_more_is_stopped_there() {
    let mut harness = Harness::running_with(vm(&["old"], false));
    harness.configure(vm(&["new"], false));
    harness.wake();
    harness.expect_state(VmState::Stopping);
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    assert_eq!(harness.lifecycle.zone(), "old");
    harness.respond(stop, done());
    let look = harness.expect_call(Call::Get);
    assert_eq!(harness.lifecycle.zone(), "new");
    harness.respond(look, not_found());
    harness.expect_change(BringUp::Insert);
}

#[test]
fn a_start_in_a_zone_that_is_not_configured_any_more_is_ended_and_begun_in_the_new_one() {
    let mut harness = Harness::with(vm(&["old"], false));
    harness.wake();
    harness.respond_to_look(not_found());
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.configure(vm(&["new"], false));
    harness.respond(insert, done());
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    assert_eq!(harness.lifecycle.zone(), "old");
    harness.respond(stop, done());
    // The request that waited for the old instance is served by the new one.
    harness.expect_call(Call::Get);
    assert_eq!(harness.lifecycle.zone(), "new");
}

#[test]
fn a_vm_that_is_down_in_an_old_zone_is_forgotten_there() {
    let mut harness = Harness::with(vm(&["old"], false));
    harness.configure(vm(&["new"], false));
    harness.expect_state(VmState::Absent);
    harness.wake();
    harness.expect_call(Call::Get);
    assert_eq!(harness.lifecycle.zone(), "new");
}

#[test]
fn a_vm_whose_history_is_lost_is_looked_for_in_all_zones_before_it_is_created() {
    let mut harness = Harness::recovered_with(vm(&["a", "b", "c"], false));
    harness.wake();
    for zone in ["a", "b", "c"] {
        assert_eq!(harness.lifecycle.zone(), zone);
        harness.lose();
        harness.respond_to_look(not_found());
    }
    harness.expect_change(BringUp::Insert);
    assert_eq!(harness.lifecycle.zone(), "a");
}

#[test]
fn one_that_is_not_found_because_a_look_is_refused_is_brought_down_all_the_same() {
    for in_a in [not_found(), instance(InstanceStatus::Terminated)] {
        let mut harness = Harness::recovered_with(vm(&["a", "b"], false));
        harness.wake();
        harness.respond_to_look(in_a);
        harness.respond_to_look(refused(403, "forbidden"));
        harness.expect_release();
        harness.expect_state(VmState::Failed);
        harness.advance(IDLE);
        harness.respond_to_look(running());
        harness.expect_change(TakeDown::Stop);
        assert_eq!(harness.lifecycle.zone(), "b");
    }
}

#[test]
fn one_that_runs_goes_before_one_that_is_down() {
    let mut harness = Harness::recovered_with(vm(&["a", "b", "c"], false));
    harness.wake();
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    harness.respond_to_look(running());
    harness.expect_probe();
    assert_eq!(harness.lifecycle.zone(), "b");

    let mut harness = Harness::recovered_with(vm(&["a", "b", "c"], false));
    harness.wake();
    harness.respond_to_look(not_found());
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    harness.respond_to_look(not_found());
    harness.respond_to_look(instance(InstanceStatus::Terminated));
    harness.expect_change(BringUp::Start);
    assert_eq!(harness.lifecycle.zone(), "b");
}

#[test]
fn a_vm_whose_history_is_lost_is_brought_down_in_whatever_zone_it_is() {
    let mut harness = Harness::recovered_with(vm(&["a", "b"], false));
    harness.advance(IDLE);
    harness.respond_to_look(not_found());
    harness.respond_to_look(running());
    let (stop, _) = harness.expect_change(TakeDown::Stop);
    assert_eq!(harness.lifecycle.zone(), "b");
    harness.respond(stop, done());
    harness.expect_state(VmState::Stopped);
    assert_eq!(harness.lifecycle.zone(), "b");
}
