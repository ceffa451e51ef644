// The errors described in docs/configuration.md.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { getStaticTOMLValue, parseTOML } from "toml-eslint-parser";
import { root } from "../../harness/root.ts";

type Table = Record<string, unknown>;

/** Returns the rows of the first table after a heading: the mistake and its message. */
export function rowsAfter(heading: string): [what: string, says: string][] {
  const text = readFileSync(join(root, "docs", "configuration.md"), "utf8");
  const lines = text.slice(text.indexOf(heading)).split("\n");
  const table = lines.slice(lines.findIndex((line) => line.startsWith("|---")) + 1);
  const rows = table.slice(0, table.findIndex((line) => !line.startsWith("|")));
  return rows.map((row) => row.slice(2, -2).split(" | ") as [string, string]);
}

/** A documented message; an ellipsis means that the rest may vary. */
export class Message {
  readonly #beginning: string;
  readonly #isWhole: boolean;

  constructor(documented: string) {
    const [beginning = "", end] = documented.split("…");
    this.#beginning = beginning;
    this.#isWhole = end === undefined;
  }

  /** The key in the message. */
  get key(): string {
    return this.#beginning.split(": ")[0] ?? "";
  }

  /** Returns a pattern for the message after the text `before`. */
  after(before: string): RegExp {
    const text = (before + this.#beginning).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return new RegExp(`^${text}${this.#isWhole ? "$" : ""}`);
  }
}

/** Returns the code spans in a cell. */
export function codeIn(cell: string): string[] {
  return cell.split("`").filter((_, index) => index % 2 === 1);
}

/** Returns the VM to which the documented mistakes are applied. */
export function leastVm(): Table & { instance: Table } {
  return { path: "/", instance: { name: "backend", zone: "us-central1-a" } };
}

/** Returns the VMs with a mistake as the document describes it, like src/config/documented.rs. */
export function mistakenVms(what: string): unknown {
  const code = codeIn(what);
  const [key = ""] = code;
  switch (what.split(" ")[0]) {
    case "without":
      return [without(leastVm(), key.split("."))];
    case "65": {
      const names = Array.from({ length: 65 }, (_, number) => `name-${number}`);
      const many = key === "instance.labels" ? Object.fromEntries(names.map((name) => [name, ""])) : names;
      return [merge(leastVm(), { instance: { [key.replace("instance.", "")]: many } })];
    }
    case "another":
      return [leastVm(), merge(leastVm(), toml(code))];
    default: {
      const given = toml(code);
      return "VMS" in given ? given.VMS : [merge(leastVm(), given)];
    }
  }
}

function toml(lines: string[]): Table {
  return getStaticTOMLValue(parseTOML(lines.join("\n"))) as Table;
}

function merge(before: Table, given: Table): Table {
  const merged = Object.entries(given).map(([key, value]) => {
    const old = before[key];
    return [key, isTable(old) && isTable(value) ? merge(old, value) : value];
  });
  return { ...before, ...Object.fromEntries(merged) };
}

function without(table: Table, [key = "", ...rest]: string[]): Table {
  const { [key]: taken, ...others } = table;
  if (taken === undefined) throw new Error(`there is no ${key}`);
  return rest.length === 0 ? others : { ...others, [key]: without(taken as Table, rest) };
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
