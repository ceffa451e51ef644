// Installs and builds what is missing for building and running the project: `npm run setup`, and at
// the beginning of every command. Prints nothing when nothing is missing. It can be interrupted and
// run again, and two runs can go on at once.

import { pathToFileURL } from "node:url";
import { main } from "./process.mjs";
import { bundler, worker } from "./setup/builds.mjs";
import { npmPackages } from "./setup/npm-packages.mjs";
import { rust } from "./setup/rust.mjs";
import { installMissing } from "./setup/steps.mjs";
import { wasmTarget } from "./setup/wasm-target.mjs";

// Runs the steps that every command needs, and the further steps that this command needs.
export async function setUp(also = []) {
  await installMissing([npmPackages, rust, wasmTarget, bundler, worker, ...also]);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(() => setUp());
