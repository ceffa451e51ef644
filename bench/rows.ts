import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../tests/harness/root.ts";

/** One measured figure. */
export interface Row {
  name: string;
  value: number;
  unit: string;
  /** The baseline's figure from the same run. */
  baseline: number | null;
  /** `value / baseline`, or the median of the rounds' ratios. */
  ratio: number | null;
  goal: string;
  met: boolean;
}

interface Goal {
  text: string;
  met: boolean;
}

export function row(name: string, value: number, unit: string, goal: Goal, baseline?: number): Row {
  const against = baseline === undefined ? { baseline: null, ratio: null } : { baseline: round(baseline), ratio: round(value / baseline) };
  return { name, value: round(value), unit, ...against, goal: goal.text, met: goal.met };
}

/**
 * Returns a row for a comparison in turns. Its ratio is the one within a round: from one round to
 * another the machine may be twice as fast.
 */
export function compared(name: string, unit: string, values: number[], baselines: number[], goal: (ratio: number) => Goal): Row {
  const ratio = median(ratios(values, baselines));
  const { text, met } = goal(ratio);
  return { name, value: round(median(values)), unit, baseline: round(median(baselines)), ratio: round(ratio), goal: text, met };
}

/** Returns each round's `value / baseline`. */
export function ratios(values: number[], baselines: number[]): number[] {
  return values.map((value, round) => value / (baselines[round] ?? Number.NaN));
}

/** Returns the goal that the figure is at most `limit`. */
export function atMost(value: number, limit: number, unit: string): Goal {
  return { text: `at most ${limit} ${unit}`, met: value <= limit };
}

/** Returns the goal that the ratio is at most `limit`. */
export function atMostOf(part: number): (ratio: number) => Goal {
  return (ratio) => ({ text: `at most ${part} of the baseline`, met: ratio <= part });
}

/** Returns the goal that the ratio is at least `limit`. */
export function atLeastOf(part: number): (ratio: number) => Goal {
  return (ratio) => ({ text: `at least ${part} of the baseline`, met: ratio >= part });
}

export function median(values: number[]): number {
  return percentile(values, 0.5);
}

/** Returns the value below which the given part of all values lies. */
export function percentile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}

/** Prints rows as a table. */
export function print(rows: Row[]): void {
  const cells = rows.map((r) => [r.name, `${r.value} ${r.unit}`, r.baseline === null ? "" : `${r.baseline} ${r.unit}`, r.ratio === null ? "" : `${r.ratio}`, r.goal, r.met ? "met" : "NOT MET"]);
  const table = [["figure", "measured", "baseline", "ratio", "goal", ""], ...cells];
  const widths = [0, 1, 2, 3, 4, 5].map((column) => Math.max(...table.map((line) => (line[column] ?? "").length)));
  for (const line of table) console.log(line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd());
}

const results = join(root, "bench", "results.json");

/** Writes rows to `bench/results.json`, and keeps the rows with other names. */
export function write(rows: Row[]): void {
  const old = existsSync(results) ? (JSON.parse(readFileSync(results, "utf8")) as Row[]) : [];
  const renewed = old.map((row) => rows.find(({ name }) => name === row.name) ?? row);
  const added = rows.filter(({ name }) => !old.some((row) => row.name === name));
  writeFileSync(results, `${JSON.stringify([...renewed, ...added], null, 2)}\n`);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
