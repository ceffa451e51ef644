// The number of calls of Google's APIs in a cold start: the held request waits for each round trip.

import { describe, expect } from "vitest";
import { applyChanges } from "../harness/external-changes.ts";
import type { Emulator, Timing } from "../harness/emulator.ts";
import { test } from "../harness/test.ts";

interface Case {
  auth: "token" | "self_signed";
  from: "absent" | "stopped" | "suspended";
  pace: keyof typeof paces;
  /** The maximum of token requests, instance calls and waits. */
  most: number;
}

// The operation may end before or after the read 3 s into the wait, and that read may come before
// or after the address is assigned.
const paces = {
  "at once": {},
  "in 5 s, address early": { provision_ms: 500, stage_ms: 4500, resume_ms: 5000, boot_ms: 1000 },
  "in 5 s, address late": { provision_ms: 4500, stage_ms: 500, resume_ms: 5000, boot_ms: 1000 },
} satisfies Record<string, Partial<Timing>>;

const cases = (["token", "self_signed"] as const).flatMap((auth) =>
  (["absent", "stopped", "suspended"] as const).flatMap((from) =>
    (Object.keys(paces) as Case["pace"][]).map((pace): Case => {
      return { auth, from, pace, most: auth === "token" ? 6 : 5 };
    }),
  ),
);

describe.concurrent("a cold start", () => {
  test.for(cases)("from $from, $pace, with AUTH = $auth, takes $most calls at most", async ({ auth, from, pace, most }, { launch }) => {
    const { cloud, worker } = await launch({ variables: { AUTH: auth } });
    if (from === "stopped") await applyChanges(cloud, ["insert", "stop"], "TERMINATED");
    if (from === "suspended") await applyChanges(cloud, ["insert", "suspend"], "SUSPENDED");
    await cloud.timing(paces[pace]);
    const before = await cloud.calls();

    const response = await worker.fetch("/");

    expect(response.status).toBe(200);
    const made = await callsSince(cloud, before);
    expect(made["zoneOperations.wait"], "the operation is waited for").toBeGreaterThanOrEqual(1);
    expect(made.token ?? 0).toBe(auth === "token" ? 1 : 0);
    const total = Object.values(made).reduce((sum, count) => sum + count, 0);
    expect(total, JSON.stringify(made)).toBeLessThanOrEqual(most);
  });
});

async function callsSince(cloud: Emulator, before: Record<string, number>): Promise<Record<string, number>> {
  const made = Object.entries(await cloud.calls()).map(([method, count]) => [method, count - (before[method] ?? 0)] as const);
  return Object.fromEntries(made.filter(([, count]) => count > 0));
}
