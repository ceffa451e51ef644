// The Worker under `wrangler dev`, as `npm start` runs it.

import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "../project.mjs";
import { Failure, end, pause, start } from "../process.mjs";
import { usualWorkerPort, workerPort } from "./ports.mjs";

export const workerUrl = `http://127.0.0.1:${workerPort}`;

// The demo's VMs push their readiness to the port in wrangler.toml. Returns the variables for
// another PORT.
export async function movedVms() {
  if (workerPort === usualWorkerPort) return {};
  // Imported here because a fresh clone has no packages yet when this file is loaded.
  const { unstable_readConfig } = await import("wrangler");
  const { VMS } = unstable_readConfig({ config: join(root, "wrangler.toml"), env: "demo" }).vars;
  return { VMS: JSON.stringify(VMS.map((vm) => ({ ...vm, ready_push: workerUrl }))) };
}

// Runs the Worker until wrangler ends by itself; calls `ready` each time the Worker starts to
// respond.
export async function runWorker({ envFiles, state, ready }) {
  for (;;) {
    const wrangler = startWrangler(envFiles, state);
    const ended = wrangler.ended.then((result) => {
      throw new Failure(`wrangler ended with ${result}`);
    });
    if (!(await Promise.race([responds(60), ended]))) throw new Failure("the Worker did not respond within 60 s");
    ready();
    await Promise.race([untilStuck(wrangler), ended]);
    console.log("The Worker no longer responds: starting it again.");
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

// wrangler restarts a workerd that was killed. But if that workerd was the one that listens, all
// later requests hang (seen with wrangler 4.164). No request is sent before a crash, because each
// request would appear in the log.
async function untilStuck(wrangler) {
  for await (const line of createInterface({ input: wrangler.stdout })) {
    if (line.includes("crashed unexpectedly") && !(await responds(3))) return;
  }
  await new Promise(() => {});
}

async function responds(seconds) {
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
