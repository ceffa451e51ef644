// The Worker's secrets in development.

import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../project.mjs";
import { emulatorUrl } from "./emulator.mjs";
import { movedVms } from "./worker.mjs";

export const devVars = join(root, ".dev.vars");

// Writes `.dev.vars` unless it exists: the file belongs to the user.
export function ensureDevVars(key) {
  if (existsSync(devVars)) return;
  writeSecrets(devVars, { GOOGLE_SERVICE_ACCOUNT_KEY: key, ADMIN_TOKEN: randomBytes(16).toString("hex") });
}

// Writes the variables that override `.dev.vars` while the emulator replaces Google. The key in
// `.dev.vars` may be that of an earlier emulator, or a real key, which the emulator must not see.
// Key and endpoints are set together, so no key goes to the wrong server.
export async function writeEmulatorVars(file, key) {
  writeSecrets(file, {
    GOOGLE_SERVICE_ACCOUNT_KEY: key,
    COMPUTE_ENDPOINT: `${emulatorUrl}/compute/v1`,
    IAM_CREDENTIALS_ENDPOINT: `${emulatorUrl}/v1`,
    ...(await movedVms()),
  });
}

function writeSecrets(file, values) {
  const lines = Object.entries(values).map(([name, value]) => `${name}='${value}'\n`);
  writeFileSync(file, lines.join(""), { mode: 0o600 });
}
