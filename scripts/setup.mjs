// Installs what is missing for building and running the project: `npm run setup`, and first thing in every command.
// Says nothing when all is there. Can be interrupted and run again, and be run twice at once.

import { pathToFileURL } from "node:url";
import { Failure, main } from "./process.mjs";
import { workerBuild, wasmBindgen } from "./setup/cargo-tools.mjs";
import { linker } from "./setup/linker.mjs";
import { npmPackages } from "./setup/npm-packages.mjs";
import { rust } from "./setup/rust.mjs";
import { wasmTarget } from "./setup/wasm-target.mjs";

// Each step: its `name`, about how long it takes (`duration`), `isThere()`, `install()`, and the command that does it
// `byHand` where `install()` cannot.
const steps = [npmPackages, rust, wasmTarget, linker, workerBuild, wasmBindgen];

// What every command needs, and what this one needs besides.
export async function setUp(more = []) {
  for (const step of [...steps, ...more]) {
    if (!step.isThere()) await install(step);
  }
}

async function install(step) {
  console.log(`\nSet-up: ${step.name} missing or out of date; installing (about ${step.duration}).`);
  const started = Date.now();
  let reason = "there is no way to do it from here";
  try {
    await step.install();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    reason = error.message;
  }
  // A failure may only mean that another run was faster.
  if (!step.isThere()) {
    const byHand = `Do it by hand, then try again:\n\n    ${step.byHand()}\n`;
    throw new Failure(`could not install ${step.name}: ${reason}.\n${byHand}`);
  }
  console.log(`Set-up: ${step.name} installed in ${((Date.now() - started) / 1000).toFixed(0)} s.`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main(() => setUp());
