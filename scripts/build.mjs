// Builds a Worker into the `build/` of its folder: `npm run build`, or
// `node scripts/build.mjs examples/own-worker`.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { root } from "./project.mjs";
import { Failure, main } from "./process.mjs";
import { setUp } from "./setup.mjs";
import { bundle } from "./setup/builds.mjs";

// The size limit of the compressed WebAssembly in KiB: Cloudflare loads it whenever it starts an
// isolate.
const budget = 400;

// `also` lists further steps of the set-up that the calling command needs.
export async function build({ crate = root, also = [] } = {}) {
  await setUp(also);
  await bundle(crate);
  for (const name of ["index.js", "index_bg.wasm"]) {
    const file = join(crate, "build", name);
    const content = readFileSync(file);
    const hash = createHash("sha256").update(content).digest("hex");
    const compressed = gzipSync(content, { level: 9 }).length / 1024;
    console.log(`${relative(root, file)}: ${kibibytes(content.length / 1024)}, ${kibibytes(compressed)} gzipped, SHA-256 ${hash}`);
    if (compressed > budget) throw new Failure(`${relative(root, file)} is over its ${kibibytes(budget)} gzipped`);
  }
}

function kibibytes(size) {
  return `${size.toFixed(1)} KiB`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(() => build({ crate: resolve(root, process.argv[2] ?? ".") }));
