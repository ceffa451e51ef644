// The Worker under `wrangler dev`, as `npm start` runs it.

import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "../project.mjs";
import { Failure, end, pause, start } from "../process.mjs";
import { usualWorkerPort, workerPort } from "./ports.mjs";

export const workerUrl = `http://127.0.0.1:${workerPort}`;

// The demo's VMs say that they are ready to the port that wrangler.toml has: what replaces it when PORT moves it.
export async function movedVms() {
  if (workerPort === usualWorkerPort) return {};
  // Not above: a fresh clone has no packages yet when this file is read.
  const { unstable_readConfig } = await import("wrangler");
  const { VMS } = unstable_readConfig({ config: join(root, "wrangler.toml"), env: "demo" }).vars;
  return { VMS: JSON.stringify(VMS.map((vm) => ({ ...vm, ready_push: workerUrl }))) };
}

// Runs the Worker until wrangler ends by itself; calls `ready` each time it answers.
export async function runWorker({ envFiles, state, ready }) {
  for (;;) {
    const wrangler = startWrangler(envFiles, state);
    const ended = wrangler.ended.then((result) => {
      throw new Failure(`wrangler ended with ${result}`);
    });
    if (!(await Promise.race([answers(60), ended]))) throw new Failure("the Worker did not answer within 60 s");
    ready();
    await Promise.race([stuck(wrangler), ended]);
    console.log("The Worker does not answer any more: starting it again.");
    ended.catch(() => {});
    await end(wrangler);
  }
}

function startWrangler(envFiles, state) {
  const address = ["--ip", "127.0.0.1", "--port", workerPort, "--inspector-port", 0];
  const files = envFiles.flatMap((file) => ["--env-file", file]);
  const wrangler = start("wrangler", ["dev", "--env", "demo", ...address, "--persist-to", state, ...files], {
    cwd: root,
    // CI: no interactive keys.
    env: { WRANGLER_SEND_METRICS: "false", CI: "true" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  wrangler.stdout.pipe(process.stdout, { end: false });
  return wrangler;
}

// wrangler starts a killed workerd again, but when it was the one that listens, requests hang from then on
// (seen with wrangler 4.164). Nothing is asked before, as each question would show in the log.
async function stuck(wrangler) {
  for await (const line of createInterface({ input: wrangler.stdout })) {
    if (line.includes("crashed unexpectedly") && !(await answers(3))) return;
  }
  await new Promise(() => {});
}

async function answers(seconds) {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    try {
      await fetch(`${workerUrl}/_vmproxy/healthz`, { signal: AbortSignal.timeout(2000) });
      return true;
    } catch {
      await pause(200);
    }
  }
  return false;
}
