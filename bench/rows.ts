import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../tests/e2e/harness/root.ts";

/** One measured figure. */
export interface Row {
  name: string;
  value: number;
  unit: string;
  /** The same figure of what it is compared with, from the same run. */
  baseline: number | null;
  /** `value / baseline`. */
  ratio: number | null;
  goal: string;
  met: boolean;
}

export function row(name: string, value: number, unit: string, goal: { text: string; met: boolean }, baseline?: number): Row {
  const ratio = baseline === undefined ? null : round(value / baseline);
  return { name, value: round(value), unit, baseline: baseline === undefined ? null : round(baseline), ratio, goal: goal.text, met: goal.met };
}

/** A goal that the figure stays at or below `limit`. */
export function atMost(value: number, limit: number, unit: string) {
  return { text: `at most ${limit} ${unit}`, met: value <= limit };
}

/** A goal that the figure is at most so much of what it is compared with. */
export function atMostOf(value: number, baseline: number, part: number) {
  return { text: `at most ${part} of the baseline`, met: value <= part * baseline };
}

/** A goal that the figure is at least so much of what it is compared with. */
export function atLeastOf(value: number, baseline: number, part: number) {
  return { text: `at least ${part} of the baseline`, met: value >= part * baseline };
}

export function median(values: number[]): number {
  return percentile(values, 0.5);
}

/** The value below which the given part of all lies. */
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

/** Writes rows to `bench/results.json`; the rows of other names that are there stay as they were. */
export function write(rows: Row[]): void {
  const old = existsSync(results) ? (JSON.parse(readFileSync(results, "utf8")) as Row[]) : [];
  const renewed = old.map((row) => rows.find(({ name }) => name === row.name) ?? row);
  const added = rows.filter(({ name }) => !old.some((row) => row.name === name));
  writeFileSync(results, `${JSON.stringify([...renewed, ...added], null, 2)}\n`);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
