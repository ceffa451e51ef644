// The errors of variables in docs/configuration.md. src/config/documented.rs tests the errors of VMS.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { root } from "../harness/root.ts";
import { type Setting, test } from "../harness/test.ts";

const settings: Record<string, Setting> = {
  "`VMS` is not set": { variables: { VMS: undefined } },
  "`VMS` is a text that is not JSON": { variables: { VMS: "path = '/'" } },
  "`GOOGLE_SERVICE_ACCOUNT_KEY` is not set": { variables: { GOOGLE_SERVICE_ACCOUNT_KEY: undefined } },
  "`GOOGLE_SERVICE_ACCOUNT_KEY` is not the key file": { variables: { GOOGLE_SERVICE_ACCOUNT_KEY: "key.json" } },
  "`GOOGLE_SERVICE_ACCOUNT_KEY_NEXT` is of another project": {
    variables: (key) => ({ GOOGLE_SERVICE_ACCOUNT_KEY_NEXT: JSON.stringify({ ...key, project_id: "other" }) }),
  },
  "`AUTH` is neither `token` nor `self_signed`": { variables: { AUTH: "jwt" } },
  "`IMPERSONATE_SERVICE_ACCOUNT` is no account": { variables: { IMPERSONATE_SERVICE_ACCOUNT: "vm-starter" } },
  "`QUOTA_PROJECT` is no project": { variables: { QUOTA_PROJECT: "my project" } },
  "a schedule's time zone is none": { vm: { keep_awake: ["daily 08:00-18:00 Europe/Berlim"] } },
  "`vpc` names no binding": { vm: { vpc: "NET", instance: { address: "internal" } } },
  "`wake.secret` names no secret": { vm: { wake: { secret: "WAKE_SECRET" } } },
};

const documented = new Map(rowsAfter("Of the variables themselves:"));

test("every documented mistake is made here, and no other", () => {
  expect([...documented.keys()]).toEqual(Object.keys(settings));
});

describe("the log says what the document says", () => {
  test.for(Object.entries(settings))("%s", async ([what, setting], { launch }) => {
    const { worker } = await launch(setting);

    expect((await worker.fetch("/")).status).toBe(500);

    const [beginning = "", end] = documented.get(what)?.replaceAll("`", "").split("…") ?? [];
    const text = `vmproxy: misconfigured: ${beginning}`.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    await worker.untilLogged(new RegExp(end === undefined ? `^${text}$` : `^${text}`, "m"));
  });
});

function rowsAfter(heading: string): [what: string, says: string][] {
  const text = readFileSync(join(root, "docs", "configuration.md"), "utf8");
  const lines = text.slice(text.indexOf(heading)).split("\n");
  const rows = lines.slice(lines.findIndex((line) => line.startsWith("|---")) + 1).filter((line) => line.startsWith("|"));
  return rows.map((row) => row.slice(2, -2).split(" | ") as [string, string]);
}
