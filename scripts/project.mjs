// Where the project is, and what its lock file pins.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

// npm programs, among them the Node version that wrangler and vitest ask for.
export const npmBin = join(root, "node_modules", ".bin");

export const cargoHome = process.env.CARGO_HOME ?? join(homedir(), ".cargo");

// The version of a crate in Cargo.lock.
export function lockedVersion(crate) {
  const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
  const found = lock.match(new RegExp(`^name = "${crate}"\nversion = "([^"]+)"`, "m"));
  if (!found) throw new Error(`Cargo.lock does not name ${crate}`);
  return found[1];
}
