// The limits on starts and on running time.

import { describe, expect } from "vitest";
import { expectProblem } from "../harness/problem.ts";
import { test } from "../harness/test.ts";

describe("max_starts_per_hour", () => {
  test("refuses requests that would start the VM once more, and leaves the VM to its operator", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { max_starts_per_hour: 2 } });
    await worker.fetch("/");
    await worker.stopVm();
    expect((await worker.fetch("/")).status).toBe(200);
    await worker.stopVm();
    const before = await cloud.calls();

    for (let request = 0; request < 5; request += 1) {
      const response = await worker.fetch("/");
      const seconds = Number(response.headers.get("retry-after"));
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(3600);
      const { detail } = await expectProblem(response, 503, "The VM is over its limit");
      expect(detail).toContain("started 2 times within an hour (max_starts_per_hour)");
    }

    expect(await cloud.calls()).toEqual(before);
    expect((await worker.vm()).error).toContain("max_starts_per_hour");

    expect((await worker.admin("POST", "vms/backend/start")).status).toBe(202);
    await worker.untilVm("running");

    expect((await worker.fetch("/")).status).toBe(200);
    expect(await cloud.operations()).toEqual(["insert", "stop", "start", "stop", "start"]);
    expect(await worker.vm()).toMatchObject({ state: "running", error: null });

    await worker.stopVm();
    await expectProblem(await worker.fetch("/"), 503, "The VM is over its limit");
  });

  test("does not count finding the VM up", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { max_starts_per_hour: 1 } });
    await worker.fetch("/");
    await cloud.afflict("crash");
    await cloud.call("POST", "zones/us-central1-a/instances/backend/reset");

    expect((await worker.fetch("/")).status).toBe(200);

    expect(await cloud.operations()).toEqual(["insert", "reset"]);
  });

  test("counts creating, resuming, and what survives a restart of the Worker", async ({ launch, storage }) => {
    const { worker, startAgain } = await launch({ storage, vm: { max_starts_per_hour: 2, on_idle: "suspend" } });
    await worker.fetch("/");
    await worker.admin("POST", "vms/backend/suspend");
    await worker.untilVm("suspended");
    expect((await worker.fetch("/")).status).toBe(200);
    await worker.stopVm();
    await worker.stop();

    const again = await startAgain();

    await expectProblem(await again.fetch("/"), 503, "The VM is over its limit");
  });
});

test("max_run_duration is Compute Engine's to keep", async ({ launch }) => {
  const { cloud, worker } = await launch({
    vms: [
      { path: "/spot", instance: { name: "spot", max_run_duration: "30s" } },
      { path: "/standard", instance: { name: "standard", max_run_duration: "36h", not_preemptible: true } },
      { path: "/unlimited", instance: { name: "unlimited" } },
    ].map((vm) => ({ ...vm, strip_prefix: true })),
  });

  for (const name of ["spot", "standard", "unlimited"]) expect((await worker.fetch(`/${name}/`)).status).toBe(200);

  expect(await cloud.resource("spot")).toMatchObject({
    scheduling: { provisioningModel: "SPOT", maxRunDuration: { seconds: "30" }, instanceTerminationAction: "STOP" },
    resourceStatus: { scheduling: { terminationTimestamp: expect.any(String) } },
  });
  expect(await cloud.resource("standard")).toMatchObject({
    scheduling: { provisioningModel: "STANDARD", maxRunDuration: { seconds: "129600" }, instanceTerminationAction: "STOP" },
  });
  expect((await cloud.resource("unlimited")).scheduling).not.toHaveProperty("maxRunDuration");
  for (const name of ["spot", "standard", "unlimited"]) expect((await worker.vm(name)).drift).toEqual([]);
});
