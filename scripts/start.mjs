// Runs the demo on this machine: the Worker under `wrangler dev`, with an emulator instead of
// Compute Engine. `npm start`, or with arguments for the emulator: `npm start -- --exec 'python3 -m
// http.server --bind $IP $PORT'`.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Failure, main } from "./process.mjs";
import { build } from "./build.mjs";
import { emulator as emulatorProgram } from "./setup/builds.mjs";
import { emulatorUrl, serviceAccountKey, startEmulator } from "./start/emulator.mjs";
import { checkPorts } from "./start/ports.mjs";
import { devVars, ensureDevVars, writeEmulatorVars } from "./start/secrets.mjs";
import { runWorker, workerUrl } from "./start/worker.mjs";

main(async () => {
  await checkPorts();
  // wrangler would build the Worker too, but only after the emulator has started.
  await build({ also: [emulatorProgram] });

  const emulator = await startEmulator(process.argv.slice(2));
  const key = await serviceAccountKey();
  ensureDevVars(key);

  // The emulator loses its VMs when it ends, so the Worker's state must not outlive this run
  // either. Within the run, the state survives restarts of the Worker.
  const folder = mkdtempSync(join(tmpdir(), "vmproxy-start-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const emulatorVars = join(folder, "emulator.vars");
  await writeEmulatorVars(emulatorVars, key);

  const worker = runWorker({ envFiles: [devVars, emulatorVars], state: join(folder, "state"), ready });
  const emulatorEnds = emulator.ended.then((result) => {
    throw new Failure(`the emulator ended with ${result}`);
  });
  await Promise.race([worker, emulatorEnds]);
});

function ready() {
  const hint = "(the first request creates the VM, about 3 s)";
  console.log(`\nReady: ${workerUrl}/ ${hint}. Emulator: ${emulatorUrl}/ . Admin token: .dev.vars`);
}
