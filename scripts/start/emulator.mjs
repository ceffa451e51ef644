// The Compute Engine emulator, as `npm start` runs it.

import { createInterface } from "node:readline";
import { root } from "../project.mjs";
import { Failure, start } from "../process.mjs";
import { emulator as program } from "../setup/builds.mjs";
import { emulatorPort } from "./ports.mjs";

export const emulatorUrl = `http://127.0.0.1:${emulatorPort}`;

// The port of the demo's VMs, as in wrangler.toml.
const instancePort = 8780;

// Builds the emulator if needed, and returns its process once it listens.
export async function startEmulator(extraArguments) {
  const ports = ["--port", emulatorPort, "--instance-port", instancePort];
  await program.install();
  const emulator = start(program.path, [...ports, ...extraArguments], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  await Promise.race([listening(emulator), emulator.ended.then(fail)]);
  return emulator;
}

// Returns the key file that the emulator accepts. Without `--state` it is new at each start.
export async function serviceAccountKey() {
  const response = await fetch(`${emulatorUrl}/emulator/service-account.json`);
  if (!response.ok) throw new Failure(`the emulator gave no key file: ${response.status} ${await response.text()}`);
  return JSON.stringify(await response.json());
}

function listening(emulator) {
  return new Promise((resolve) => {
    createInterface({ input: emulator.stdout }).on("line", (line) => {
      console.log(line);
      if (line.includes("listening on")) resolve();
    });
  });
}

function fail(result) {
  throw new Failure(`the emulator ended with ${result}`);
}
