//! The stored record, held against `records.json`: what lies in deployed objects' storage.
//!
//! Whoever changes the format adds records to the file and keeps those that are there, under other
//! names; or breaks the format on purpose, and says so in the changelog: a record that cannot be
//! read is a VM whose history is lost (`Lifecycle::recovered`).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use crate::compute::{BringUp, TakeDown};
use crate::driver::Record;
use crate::lifecycle::tests::harness::{self, Harness};
use crate::vm::{Instance, OnDrift, OnIdle, Vm, WakePolicy};

const STORED: &str = include_str!("records.json");

#[test]
fn what_is_stored_can_be_read() {
    let stored: BTreeMap<String, Value> = serde_json::from_str(STORED).unwrap();
    for (name, record) in stored {
        let read: Result<Record, _> = crate::json::from_str(&record.to_string());
        let record = read.unwrap_or_else(|error| panic!("{name}: {error}"));
        let state = serde_json::to_value(record.lifecycle.vm_state()).unwrap();
        assert!(name.starts_with(state.as_str().unwrap()), "{name} is read as {state}");
        assert_eq!(record.vm.instance.name, "backend", "{name}");
    }
}

#[test]
fn what_is_written_is_in_the_file() {
    let stored: BTreeMap<String, Value> = serde_json::from_str(STORED).unwrap();
    for (name, record) in written() {
        let written = serde_json::to_value(&record).unwrap();
        assert_eq!(stored.get(name), Some(&written), "{name:?}: {written}");
    }
}

/// A record of each kind.
fn written() -> Vec<(&'static str, Record)> {
    let mut records = Vec::new();
    let mut add = |name: &'static str, vm: Vm, harness: &Harness| {
        records.push((name, Record { vm: Rc::new(vm), lifecycle: harness.lifecycle.clone() }));
    };

    let mut harness = Harness::with(vm());
    add("absent", vm(), &harness);
    harness.wake();
    add("starting, looks", vm(), &harness);
    harness.respond_to_look(harness::not_found());
    add("starting, inserts", vm(), &harness);
    let (insert, _) = harness.expect_change(BringUp::Insert);
    harness.respond(insert, harness::pending());
    add("starting, waits", vm(), &harness);
    harness.advance(Duration::from_secs(3));
    harness.expect_call(harness::wait());
    harness.respond_to_look(harness::staging());
    add("starting, probes early", vm(), &harness);

    let mut harness = Harness::with(vm());
    harness.wake();
    harness.respond_to_look(harness::drifted());
    add("starting, updates", vm(), &harness);

    let mut harness = Harness::with(vm());
    harness.wake();
    harness.respond_to_look(harness::running());
    add("booting", vm(), &harness);

    let harness = Harness::running_with(vm());
    add("running", vm(), &harness);

    let (mut harness, suspend, _) = Harness::going_down_with(vm(), TakeDown::Suspend);
    add("suspending, asks", vm(), &harness);
    harness.respond(suspend, harness::pending());
    add("suspending, waits", vm(), &harness);
    let wait = harness.expect_call(harness::wait());
    harness.respond(wait, harness::done());
    add("suspended", vm(), &harness);
    harness.advance(Duration::from_secs(60 * 60));
    add("stopping, resumes first", vm(), &harness);

    let mut harness = Harness::with(vm());
    harness.wake();
    harness.respond_to_look(harness::refused(403, "forbidden"));
    add("failed, refused", vm(), &harness);
    add("failed, history lost", vm(), &Harness::recovered_with(vm()));
    records
}

/// With a setting of each kind that the lifecycle remembers.
fn vm() -> Vm {
    let instance = Instance {
        name: "backend".into(),
        zones: vec!["zone-1".into(), "zone-2".into()],
        ..Instance::default()
    };
    Vm {
        on_idle: OnIdle::Suspend,
        deep_sleep_after: Some(Duration::from_secs(60 * 60)),
        max_starts_per_hour: Some(4),
        max_hours_per_month: Some(100),
        on_drift: OnDrift::Apply,
        wake: WakePolicy { wakes_per_hour: Some(10), ..WakePolicy::default() },
        ready_push: Some("https://app.example.com".into()),
        instance,
        ..Vm::default()
    }
}
