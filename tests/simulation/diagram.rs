//! The state diagram in `docs/internals/architecture.md`, which shows what the simulation observes.

use std::collections::BTreeSet;

use super::coverage::Coverage;

const DOCUMENT: &str = include_str!("../../docs/internals/architecture.md");

/// Returns the differences between the diagram and what has occurred, one line per edge.
pub fn differences(seen: &Coverage) -> Vec<String> {
    let (drawn, seen) = (drawn(DOCUMENT), seen.transitions());
    let missing = seen.difference(&drawn).map(|edge| format!("occurs, and is not drawn: {edge}"));
    let superfluous = drawn.difference(&seen).map(|edge| format!("is drawn, and does not occur: {edge}"));
    missing.chain(superfluous).collect()
}

/// Returns the edges of the document's last state diagram, as `absent --> starting`.
fn drawn(document: &str) -> BTreeSet<String> {
    let diagrams = document.split("```mermaid\nstateDiagram-v2\n").skip(1);
    let diagram =
        diagrams.last().and_then(|rest| rest.split("```").next()).expect("there is a state diagram");
    let lines = diagram.lines().map(|line| line.split(':').next().unwrap_or(line).trim());
    lines.filter(|line| line.contains(" --> ")).map(str::to_owned).collect()
}
