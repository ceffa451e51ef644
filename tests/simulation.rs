//! A deterministic simulation of the VM's object: in virtual time and from a seed, the real
//! [`Driver`](vmproxy::driver::Driver) runs against a model of Compute Engine, of the VM's server,
//! of clients and of an operator, and may be lost between any two of its outputs.
//!
//! ```sh
//! cargo test --test simulation                          # 4,000 seeds
//! SEEDS=1000000 cargo test --test simulation            # another number of seeds
//! SEED=12345 cargo test --test simulation -- --nocapture # one seed, with its whole trace
//! SURVEY=1 cargo test --test simulation -- --nocapture   # every kind of violation, with its count
//! THREADS=1 cargo test --test simulation                # one thread instead of two
//! ```
//!
//! In the first part of a run faults strike, of the kinds and with the probabilities that the seed
//! has drawn (`simulation/scenario.rs`), and the configuration may change
//! (`simulation/configuration.rs`). Then the faults end, and the VM must recover. The invariants are
//! in `simulation/invariants.rs`, those of calls in `simulation/calls.rs`, and those of the whole
//! world in `simulation/convergence.rs`. `simulation/coverage.rs` lists what has to occur, so that
//! the simulation cannot become trivial. The second state diagram in
//! `docs/internals/architecture.md` must show exactly the transitions that the 4,000 seeds observe.
//!
//! New versions of the Worker reach the object and the isolates at different times
//! (`simulation/rollout.rs`), the VM may be removed from the configuration, the month may end
//! (`simulation/monthly_limit.rs`), and there may be a schedule (`simulation/schedule.rs`).
//!
//! One case is excluded: a record that cannot be read while the VM is in a zone that the next
//! configuration does not have, while its insert is on its way, or after the VM has been removed
//! from the configuration. Nothing is left then by which the VM could be found.
//!
//! Each patch of `tests/simulation/mutants/` breaks an invariant on purpose.
//! `node scripts/mutants.mjs` applies each patch to a copy of the code, and runs the tests that must
//! find it.

mod simulation {
    pub mod api;
    pub mod calls;
    pub mod chaos;
    pub mod clients;
    pub mod compute;
    pub mod configuration;
    pub mod convergence;
    pub mod coverage;
    pub mod diagram;
    pub mod effects;
    pub mod event_queue;
    pub mod host;
    pub mod invariants;
    pub mod monthly_limit;
    pub mod operation;
    pub mod random;
    pub mod ready;
    pub mod rollout;
    pub mod scenario;
    pub mod schedule;
    pub mod server;
    pub mod world;
}

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use simulation::coverage::Coverage;
use simulation::world::World;

/// The default of `SEEDS`.
const SEEDS: u64 = 4000;

/// The default of `THREADS`.
const THREADS: u64 = 2;

/// The number of lines of a failed seed's trace that are shown.
const SHOWN: usize = 60;

#[test]
fn the_lifecycle_keeps_its_promises_whatever_happens() {
    if let Some(seed) = number("SEED") {
        let report = World::run(seed, true);
        println!("{}", report.trace.join("\n"));
        if let Some(violation) = report.violation {
            panic!("seed {seed}: {violation}");
        }
        return;
    }
    let seeds = number("SEEDS").unwrap_or(SEEDS);
    let survey = number("SURVEY").is_some();
    let sum = run_all(seeds, !survey);
    if survey {
        for (count, seed, message) in sum.violations.values() {
            println!("{count:6}  first {seed:6}  {message}");
        }
    }
    if let Some((seed, message)) = sum.first() {
        panic!("{}", story(seed, message));
    }
    println!("{seeds} seeds\n{}", sum.coverage.table());
    if seeds >= SEEDS {
        // Anything that occurs less often has silently stopped occurring.
        let missing = sum.coverage.missing(seeds / 200);
        assert!(missing.is_empty(), "hardly or never occurred: {missing:#?}");
    }
    // Other numbers of seeds observe other rare transitions.
    if seeds == SEEDS {
        let differences = simulation::diagram::differences(&sum.coverage);
        assert!(differences.is_empty(), "the diagram in docs/internals/architecture.md: {differences:#?}");
    }
}

#[test]
fn a_seed_is_the_same_run_for_ever() {
    for seed in 0..20 {
        assert_eq!(World::run(seed, true).trace, World::run(seed, true).trace);
    }
}

/// The result of all seeds from 0.
struct Sum {
    coverage: Coverage,
    /// Every kind of violation: the number of seeds that found it, the first of them, and its
    /// message.
    violations: BTreeMap<String, (u64, u64, String)>,
}

impl Sum {
    fn first(&self) -> Option<(u64, &str)> {
        self.violations.values().map(|(_, seed, message)| (*seed, message.as_str())).min()
    }
}

/// Runs all seeds, or stops at the first failure. A run does not depend on its thread.
fn run_all(seeds: u64, until_one_fails: bool) -> Sum {
    let (next, stop_at) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let run = || {
        let (mut coverage, mut found) = (Coverage::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= seeds || seed > stop_at.load(Ordering::SeqCst) {
                return (coverage, found);
            }
            let violation = match std::panic::catch_unwind(|| World::run(seed, false)) {
                Ok(report) => {
                    coverage.add(report.coverage);
                    report.violation
                }
                Err(_) => Some("panics".to_owned()),
            };
            if let Some(violation) = violation {
                found.push((seed, violation));
                if until_one_fails {
                    stop_at.fetch_min(seed, Ordering::SeqCst);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..number("THREADS").unwrap_or(THREADS)).map(|_| scope.spawn(run)).collect();
        let (mut coverage, mut found) = (Coverage::default(), Vec::new());
        for thread in threads {
            let (seen, failed) = thread.join().expect("a run panicked");
            coverage.add(seen);
            found.extend(failed);
        }
        found.sort();
        let mut violations = BTreeMap::new();
        for (seed, message) in found {
            let kind = message.chars().filter(|c| !c.is_ascii_digit()).collect();
            violations.entry(kind).or_insert((0, seed, message)).0 += 1;
        }
        Sum { coverage, violations }
    })
}

/// Returns the end of a failed seed's trace, and the command that shows all of it.
fn story(seed: u64, message: &str) -> String {
    let trace = World::run(seed, true).trace;
    let mut story = format!("seed {seed}: {message}\n\n");
    for line in trace.iter().skip(trace.len().saturating_sub(SHOWN)) {
        let _ = writeln!(story, "{line}");
    }
    let _ = write!(
        story,
        "\nseed {seed}: {message}\nAll of it: SEED={seed} cargo test --test simulation -- --nocapture"
    );
    story
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text:?}")))
}
