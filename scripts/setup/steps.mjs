// The steps of a set-up. A step has
// - `task`: its description; `duration`: the seconds that it usually takes on two cores;
// - `isInstalled()`, `install()`, and `manualCommand()`: the command to use where `install()`
//   fails;
// - `after`: the steps on whose results it depends. All other steps run at the same time.

import { Failure } from "../process.mjs";
import { Progress } from "./progress.mjs";

// Runs the steps whose results are missing.
export async function installMissing(steps) {
  const missing = steps.filter((step) => !step.isInstalled());
  const progress = new Progress(missing.length);
  const ends = new Map();
  const end = (step) => {
    if (!missing.includes(step)) return undefined;
    if (!ends.has(step)) ends.set(step, take(step));
    return ends.get(step);
  };
  const take = async (step) => {
    await Promise.all((step.after ?? []).map(end));
    progress.begin(step);
    await install(step);
    progress.done(step);
  };
  try {
    await Promise.all(missing.map(end));
  } finally {
    progress.end();
  }
}

async function install(step) {
  let reason = "it cannot be done from here";
  try {
    await step.install();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    reason = error.message;
  }
  // The failure may only mean that another run was faster.
  if (!step.isInstalled()) {
    throw new Failure(`${step.task}: ${reason}. Do it by hand, then try again: ${step.manualCommand()}`);
  }
}
