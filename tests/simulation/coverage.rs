//! Counts of everything that occurs, so that no fault and no behaviour silently stops occurring.

use std::collections::{BTreeMap, BTreeSet};

use vmproxy::compute::InstanceStatus;
use vmproxy::VmState;

use super::scenario::Fault;

const TRANSITIONS: &str = "transitions";

/// Returns the state's name in the admin API.
fn name(state: VmState) -> String {
    serde_json::to_value(state).expect("a state is text").as_str().expect("a state is text").to_owned()
}

/// The number of occurrences of each kind.
#[derive(Default)]
pub struct Coverage {
    counts: BTreeMap<(&'static str, String), u64>,
}

impl Coverage {
    pub fn count(&mut self, kind: &'static str, what: &str) {
        if let Some(count) = self.counts.get_mut(&(kind, what.to_owned())) {
            *count += 1;
        } else {
            self.counts.insert((kind, what.to_owned()), 1);
        }
    }

    pub fn state(&mut self, state: VmState) {
        self.count("states", &format!("{state:?}"));
    }

    pub fn status(&mut self, status: &InstanceStatus) {
        self.count("statuses", &format!("{status:?}"));
    }

    pub fn transition(&mut self, before: Option<VmState>, after: VmState) {
        let before = before.map_or("[*]".to_owned(), name);
        self.count(TRANSITIONS, &format!("{before} --> {}", name(after)));
    }

    /// Returns the state transitions that have occurred, as `absent --> starting`.
    pub fn transitions(&self) -> BTreeSet<String> {
        let all = self.counts.keys().filter(|(kind, _)| *kind == TRANSITIONS);
        all.map(|(_, what)| what.clone()).collect()
    }

    pub fn fault(&mut self, fault: Fault) {
        self.count("faults", &format!("{fault:?}"));
    }

    pub fn add(&mut self, other: Coverage) {
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }

    /// Returns everything that has to occur, but has occurred less than `least` times.
    pub fn missing(&self, least: u64) -> Vec<String> {
        let states = [
            VmState::Absent,
            VmState::Stopped,
            VmState::Suspended,
            VmState::Starting,
            VmState::Booting,
            VmState::Running,
            VmState::Stopping,
            VmState::Suspending,
            VmState::Deleting,
            VmState::Failed,
        ];
        let statuses = [
            InstanceStatus::Pending,
            InstanceStatus::Provisioning,
            InstanceStatus::Staging,
            InstanceStatus::Running,
            InstanceStatus::Stopping,
            InstanceStatus::PendingStop,
            InstanceStatus::Deprovisioning,
            InstanceStatus::Stopped,
            InstanceStatus::Terminated,
            InstanceStatus::Suspending,
            InstanceStatus::Suspended,
            InstanceStatus::Repairing,
        ];
        let changes = [
            "Insert",
            "Insert elsewhere",
            "InsertStandard",
            "Start",
            "Resume",
            "Stop",
            "Suspend",
            "Delete",
            "Adapt MachineType",
            "Adapt Tags",
            "Adapt Ready",
        ];
        let behaviours = [
            "answers that it is busy",
            "answers that it is not",
            "gets a configuration",
            "leaves a zone",
            "begins to sleep deeply",
            "is up before its operation is done",
            "is ready by its own word",
            "is looked at while it is probed",
            "is refused for want of starts",
            "is recovered",
            "is looked for in another zone",
            "is refused for want of hours",
            "goes down for its hours",
            "is started in a new month",
            "is removed",
            "is sent an older configuration",
            "is sent a newer configuration",
            "is to be woken",
            "is kept awake",
            "is looked at in its window",
        ];
        let mut expected: Vec<(&'static str, String)> = Vec::new();
        expected.extend(states.iter().map(|state| ("states", format!("{state:?}"))));
        expected.extend(statuses.iter().map(|status| ("statuses", format!("{status:?}"))));
        expected.extend(changes.iter().map(|change| ("changes", (*change).to_owned())));
        expected.extend(behaviours.iter().map(|what| ("the VM", (*what).to_owned())));
        expected.extend(Fault::ALL.iter().map(|fault| ("faults", format!("{fault:?}"))));
        let refusals =
            ["StartupTimeout", "Refused", "ServerDown", "OverLimit", "OverHours", "OverWakes", "Interrupted"];
        expected.extend(refusals.iter().map(|kind| ("refused", (*kind).to_owned())));
        let words = [
            "a wrong token",
            "an old token",
            "it before its address is known",
            "it when it runs",
            "it when nobody waits",
            "it while it is probed",
        ];
        expected.extend(words.iter().map(|what| ("said to be ready", (*what).to_owned())));
        let downs = ["is down", "refused"];
        expected.extend(downs.iter().map(|how| ("waited for down", (*how).to_owned())));
        expected.extend(["served", "not served"].iter().map(|how| ("requests", (*how).to_owned())));
        let count = |what: &(&'static str, String)| self.counts.get(what).copied().unwrap_or(0);
        let rare = expected.into_iter().filter(|what| count(what) < least);
        rare.map(|what| format!("{} {}: {}", what.0, what.1, count(&what))).collect()
    }

    /// Returns all counts, one line per kind.
    pub fn table(&self) -> String {
        let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((kind, what), count) in &self.counts {
            lines.entry(kind).or_default().push(format!("{what} {count}"));
        }
        lines.into_iter().map(|(kind, counts)| format!("{kind}: {}\n", counts.join(", "))).collect()
    }
}
