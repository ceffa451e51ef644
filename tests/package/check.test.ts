// `vmproxy check` finds every error in docs/configuration.md, in the Worker's words and with the
// right line. Each mistake is a separate environment in one file, so one run checks them all.

import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { leastVm, Message, mistakenVms, rowsAfter } from "./harness/documented.ts";
import { vmproxy } from "./harness/program.ts";
import { test } from "./harness/test.ts";
import { writeJsonc, writeToml } from "./harness/writer.ts";

const aboutVms = rowsAfter("## Errors");
const aboutVariables = rowsAfter("Of the variables themselves:");

const key = JSON.stringify({
  type: "service_account",
  project_id: "my-project",
  private_key_id: "1",
  private_key: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }),
  client_email: "vm-starter@my-project.iam.gserviceaccount.com",
  token_uri: "https://oauth2.googleapis.com/token",
});

/** The variables with each documented mistake; `undefined` removes one. */
const variables: Record<string, Record<string, unknown>> = {
  "`VMS` is not set": { VMS: undefined },
  "`VMS` is a string that is not JSON": { VMS: "path = '/'" },
  "`GOOGLE_SERVICE_ACCOUNT_KEY` is not the key file": { GOOGLE_SERVICE_ACCOUNT_KEY: "key.json" },
  "`GOOGLE_SERVICE_ACCOUNT_KEY_NEXT` is of another project": {
    GOOGLE_SERVICE_ACCOUNT_KEY: key,
    GOOGLE_SERVICE_ACCOUNT_KEY_NEXT: key.replace('"my-project"', '"other"'),
  },
  "`AUTH` is neither `token` nor `self_signed`": { AUTH: "jwt" },
  "`IMPERSONATE_SERVICE_ACCOUNT` is no account": { IMPERSONATE_SERVICE_ACCOUNT: "vm-starter" },
  "`QUOTA_PROJECT` is no project": { QUOTA_PROJECT: "my project" },
  "a schedule's time zone is none": { VMS: [{ ...leastVm(), keep_awake: ["daily 08:00-18:00 Europe/Berlim"] }] },
  "`vpc` names no binding": { VMS: [{ ...leastVm(), vpc: "NET", instance: { ...leastVm().instance, address: "internal" } }] },
};

/** Mistakes that no file shows: the secrets are set when the Worker is deployed. */
const unknownBefore: Record<string, Record<string, unknown>> = {
  "`GOOGLE_SERVICE_ACCOUNT_KEY` is not set": {},
  "`wake.secret` names no secret": { VMS: [{ ...leastVm(), wake: { secret: "WAKE_SECRET" } }] },
};

test("every documented mistake is made here, and no other", () => {
  expect(aboutVms.length).toBeGreaterThan(100);
  expect(aboutVariables.map(([what]) => what).sort()).toEqual(Object.keys({ ...variables, ...unknownBefore }).sort());
});

const mistakes = [
  ...aboutVms.map(([what, says]) => ({ what, says, vars: { VMS: mistakenVms(what) } })),
  ...aboutVariables.flatMap(([what, says]) => (variables[what] ? [{ what, says, vars: variables[what] }] : [])),
].map((mistake, index) => ({ ...mistake, environment: `mistake-${index}` }));

const configuration = {
  name: "mistaken",
  main: "index.js",
  compatibility_date: "2026-11-01",
  migrations: [{ tag: "v1", new_sqlite_classes: ["VmObject"] }],
  ...environment({}),
  env: Object.fromEntries([
    ...mistakes.map(({ environment: name, vars }) => [name, environment(vars)]),
    ...Object.values(unknownBefore).map((vars, index) => [`unknown-${index}`, environment(vars)]),
  ]),
};

describe.for([
  { name: "wrangler.toml", write: writeToml },
  { name: "wrangler.jsonc", write: writeJsonc },
])("in $name", ({ name, write }) => {
  test("each documented mistake is found, where it is", async ({ folder }) => {
    const written = write(configuration);
    writeFileSync(join(folder, name), written.text);

    const { status, stdout, stderr } = await vmproxy(["check"], { cwd: folder });

    expect({ status, stderr }).toEqual({ status: 1, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toBe(`${name}: 1 VM, no problem found`);
    expect(lines.length).toBe(1 + mistakes.length + Object.keys(unknownBefore).length);
    for (const [index, { what, says, environment }] of mistakes.entries()) {
      const message = new Message(says.split("`")[1] ?? "");
      const line = written.lineOf(`env.${environment}.vars.${message.key}`);
      expect(lines[1 + index], what).toMatch(message.after(`${name}:${line}: [env.${environment}] `));
    }
    for (const [index, what] of Object.keys(unknownBefore).entries()) {
      expect(lines[1 + mistakes.length + index], what).toBe(`${name}: [env.unknown-${index}] 1 VM, no problem found`);
    }
  });
});

/** Returns an environment that is valid except for these variables. */
function environment(vars: Record<string, unknown>): Record<string, unknown> {
  const all = Object.entries({ VMS: [leastVm()], ...vars }).filter(([, value]) => value !== undefined);
  return {
    durable_objects: { bindings: [{ name: "VM", class_name: "VmObject" }] },
    vars: Object.fromEntries(all),
  };
}
