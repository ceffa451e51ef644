// The steps of a set-up. Each has
// - `task`, what it does, and `duration`, the seconds that this usually takes on two cores;
// - `isThere()`, `install()`, and `byHand()`: the command that does it where `install()` cannot;
// - `after`: the steps that it needs. Others run at the same time.

import { Failure } from "../process.mjs";
import { Progress } from "./progress.mjs";

// Takes the steps whose results are missing.
export async function takeMissing(steps) {
  const missing = steps.filter((step) => !step.isThere());
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
  // A failure may only mean that another run was faster.
  if (!step.isThere()) {
    throw new Failure(`${step.task}: ${reason}. Do it by hand, then try again: ${step.byHand()}`);
  }
}
