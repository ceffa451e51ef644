import { readFileSync, statSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { Failure } from "../errors.ts";
import { parseJsonc } from "./jsonc.ts";
import type { Node } from "./node.ts";
import { SyntaxProblem } from "./syntax-problem.ts";
import { parseToml } from "./toml.ts";

/**
 * Returns the file that wrangler reads. Each name in turn is searched for in the current folder and
 * all folders above, nearest first.
 */
export function findConfigFile(): string {
  const names = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];
  const folders = withParents(process.cwd());
  for (const name of names) {
    const file = folders.map((folder) => join(folder, name)).find(isFile);
    if (file !== undefined) return relative("", file);
  }
  throw new Failure(`check: found no ${names.join(", ")} here or in a folder above; \`vmproxy init\` writes one`);
}

/** Reads the whole file as a table. */
export function readConfigFile(file: string): Node {
  const text = readText(file);
  const parse = parsers[extname(file)];
  if (!parse) throw new Failure(`check: "${file}" is not named as wrangler reads it: .toml, .json or .jsonc`);
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxProblem)) throw error;
    throw new Failure(`check: ${file}:${error.line}:${error.column}: ${error.message}`);
  }
}

const parsers: Record<string, (text: string) => Node> = {
  ".toml": parseToml,
  ".json": parseJsonc,
  ".jsonc": parseJsonc,
};

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/^\ufeff/, "");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "does not exist" : code === "EISDIR" ? "is a folder" : `cannot be read (${code})`;
    throw new Failure(`check: "${file}" ${reason}`);
  }
}

function withParents(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...withParents(parent)];
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}
