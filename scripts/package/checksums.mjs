// Checksums of the released files.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

// Writes and prints the SHA-256 of files in a folder, in the format of
// `sha256sum --check SHA256SUMS`.
export function writeChecksums(folder, files) {
  const lines = files.map((file) => `${sha256(join(folder, file))}  ${file}\n`).join("");
  writeFileSync(join(folder, "SHA256SUMS"), lines);
  process.stdout.write(lines);
}

function sha256(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
