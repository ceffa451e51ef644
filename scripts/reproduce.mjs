// Builds the Worker a second time, from a copy of the sources in another folder and with another
// CARGO_HOME, and compares the bytes: `npm run reproduce`.

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./project.mjs";
import { Failure, main } from "./process.mjs";
import { build } from "./build.mjs";
import { bundle } from "./setup/builds.mjs";

export async function reproduce() {
  await build();
  const folder = mkdtempSync(join(tmpdir(), "vmproxy-reproduce-"));
  try {
    const copy = join(folder, "copy");
    cpSync(root, copy, { recursive: true, filter: isSource });
    const cargoHome = join(folder, "cargo");
    symlinkSync(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), cargoHome);
    await bundle(copy, { workspace: copy, env: { CARGO_HOME: cargoHome, CARGO_TARGET_DIR: join(folder, "target") } });
    for (const name of ["index.js", "index_bg.wasm"]) {
      const [first, second] = [root, copy].map((workspace) => readFileSync(join(workspace, "build", name)));
      if (!first.equals(second)) throw new Failure(`${name} depends on the folder that it is built in`);
    }
    console.log("The same bytes of index.js and index_bg.wasm in another folder");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isSource(path) {
  return !["node_modules", "target", "build", "dist", ".git", ".wrangler"].includes(basename(path));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(reproduce);
