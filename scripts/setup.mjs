// Installs and builds what is missing for building and running the project: `npm run setup`, and first thing in every
// command. Prints nothing when nothing is missing. Can be interrupted and run again, and be run twice at once.

import { pathToFileURL } from "node:url";
import { main } from "./process.mjs";
import { bundler, worker } from "./setup/builds.mjs";
import { npmPackages } from "./setup/npm-packages.mjs";
import { rust } from "./setup/rust.mjs";
import { takeMissing } from "./setup/steps.mjs";
import { wasmTarget } from "./setup/wasm-target.mjs";

// Takes the steps that every command needs, and those that this one needs besides.
export async function setUp(also = []) {
  await takeMissing([npmPackages, rust, wasmTarget, bundler, worker, ...also]);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(() => setUp());
