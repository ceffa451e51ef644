//! The state diagram in `docs/internals/architecture.md`, which has to be what the simulation sees.

use std::collections::BTreeSet;

use super::coverage::Coverage;

const DOCUMENT: &str = include_str!("../../docs/internals/architecture.md");

/// How the diagram differs from what has occurred, an edge a line.
pub fn differences(seen: &Coverage) -> Vec<String> {
    let (drawn, seen) = (drawn(DOCUMENT), seen.transitions());
    let missing = seen.difference(&drawn).map(|edge| format!("occurs, and is not drawn: {edge}"));
    let superfluous = drawn.difference(&seen).map(|edge| format!("is drawn, and does not occur: {edge}"));
    missing.chain(superfluous).collect()
}

/// The edges, as `absent --> starting`, of the document's last state diagram.
fn drawn(document: &str) -> BTreeSet<String> {
    let diagrams = document.split("```mermaid\nstateDiagram-v2\n").skip(1);
    let diagram =
        diagrams.last().and_then(|rest| rest.split("```").next()).expect("there is a state diagram");
    let lines = diagram.lines().map(|line| line.split(':').next().unwrap_or(line).trim());
    lines.filter(|line| line.contains(" --> ")).map(str::to_owned).collect()
}
