// The zone of a new instance, and instances whose zone or configuration has been removed.

import { describe, expect } from "vitest";
import { booting, type Emulator } from "../harness/emulator.ts";
import { eventually } from "../harness/eventually.ts";
import { expectProblem } from "../harness/problem.ts";
import { test } from "../harness/test.ts";

const [first, second, third] = ["us-central1-a", "us-central1-b", "us-east1-b"] as const;

describe("a zone that has no room", () => {
  test.for(["ZONE_RESOURCE_POOL_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "QUOTA_EXCEEDED"])(
    "(%s) is followed by the next, where the VM is found from then on",
    async (reason, { launch }) => {
      const { cloud, worker } = await launch({ vm: { instance: { zones: [second, third] } } });
      await cloud.fault({ method: "instances.insert", operation_error: reason });

      expect((await worker.fetch("/")).status).toBe(200);

      expect(await cloud.instances()).toMatchObject([{ name: "backend", zone: second, status: "RUNNING" }]);
      expect(await worker.vm()).toMatchObject({ state: "running", zone: second, error: null });

      await worker.admin("POST", "vms/backend/stop");
      await worker.untilVm("stopped");
      expect((await worker.fetch("/")).status).toBe(200);

      expect(await cloud.calls()).toMatchObject({ "instances.insert": 2, "instances.stop": 1, "instances.start": 1 });
      expect(await cloud.instances()).toMatchObject([{ zone: second, status: "RUNNING", boots: 2 }]);
      expect(await worker.vm()).toMatchObject({ zone: second });
    },
  );

  test("is preferred again after the VM has been deleted", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { instance: { zones: [second] } } });
    await cloud.fault({ method: "instances.insert", operation_error: "ZONE_RESOURCE_POOL_EXHAUSTED" });
    await worker.fetch("/");
    await worker.admin("POST", "vms/backend/delete");
    await worker.untilVm("absent");

    expect((await worker.fetch("/")).status).toBe(200);

    expect(await cloud.instances()).toMatchObject([{ zone: first, status: "RUNNING" }]);
    expect(await worker.vm()).toMatchObject({ zone: first });
  });

  test("is a 502 when all are such, after one try in each", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { instance: { zones: [second, third] } } });
    await cloud.fault({ method: "instances.insert", times: 9, operation_error: "ZONE_RESOURCE_POOL_EXHAUSTED" });

    const response = await worker.fetch("/");

    expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
    await expectProblem(response, 502, "The VM could not be started");
    expect(await cloud.calls()).toMatchObject({ "instances.insert": 3 });
    for (const zone of [first, second, third]) expect(await cloud.operations("backend", zone)).toEqual(["insert"]);
    expect(await cloud.instances()).toEqual([]);
    expect(await worker.vm()).toMatchObject({ state: "failed", error: expect.stringContaining("ZONE_RESOURCE_POOL_EXHAUSTED") });
  });

  test("is no reason to make a VM elsewhere that exists", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { instance: { zones: [second], spot_fallback: true } } });
    await worker.fetch("/");
    await worker.admin("POST", "vms/backend/stop");
    await worker.untilVm("stopped");
    await cloud.fault({ method: "instances.start", operation_error: "ZONE_RESOURCE_POOL_EXHAUSTED" });

    await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

    expect(await cloud.calls()).toMatchObject({ "instances.insert": 1, "instances.start": 1 });
    expect(await cloud.instances()).toMatchObject([{ zone: first, status: "TERMINATED" }]);
  });
});

describe("spot_fallback", () => {
  test("makes a standard VM when no zone has room for a Spot VM, and that is no drift", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { instance: { zones: [second], spot_fallback: true } } });
    await cloud.fault({ method: "instances.insert", times: 2, operation_error: "ZONE_RESOURCE_POOL_EXHAUSTED" });

    expect((await worker.fetch("/")).status).toBe(200);

    expect(await cloud.calls()).toMatchObject({ "instances.insert": 3 });
    expect(await cloud.instances()).toMatchObject([{ zone: first, status: "RUNNING" }]);
    expect(await cloud.resource()).toMatchObject({ scheduling: { provisioningModel: "STANDARD", preemptible: false } });
    expect(await worker.vm()).toMatchObject({ zone: first, drift: [] });
  });

  test("ends with a 502 too when there is no room for a standard VM either", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { instance: { zones: [second], spot_fallback: true } } });
    await cloud.fault({ method: "instances.insert", times: 9, operation_error: "ZONE_RESOURCE_POOL_EXHAUSTED" });

    await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

    expect(await cloud.calls()).toMatchObject({ "instances.insert": 4 });
    expect(await cloud.instances()).toEqual([]);
  });

  test("is not needed where there is room", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { instance: { spot_fallback: true } } });

    expect((await worker.fetch("/")).status).toBe(200);

    expect(await cloud.resource()).toMatchObject({ scheduling: { provisioningModel: "SPOT" } });
  });
});

describe("a VM that is configured to be in another zone", () => {
  test("is stopped in the old one by the next request, and made in the new one", async ({ launch, storage }) => {
    const { cloud, worker, startAgain } = await launch({ storage, vm: { on_idle: "never" } });
    await worker.fetch("/");
    await worker.stop();

    const moved = await startAgain({ vm: { on_idle: "never", instance: { zone: second } } });
    expect((await moved.fetch("/")).status).toBe(200);

    expect(await states(cloud)).toEqual({ [first]: "TERMINATED", [second]: "RUNNING" });
    expect(await cloud.operations("backend", first)).toEqual(["insert", "stop"]);
    expect(await cloud.operations("backend", second)).toEqual(["insert"]);
    expect(await moved.vm()).toMatchObject({ state: "running", zone: second });
  });

  test("is made in the new one at once if it was down", async ({ launch, storage }) => {
    const { cloud, worker, startAgain } = await launch({ storage });
    await worker.fetch("/");
    await worker.admin("POST", "vms/backend/stop");
    await worker.untilVm("stopped");
    await worker.stop();

    const moved = await startAgain({ vm: { instance: { zone: second } } });
    expect((await moved.fetch("/")).status).toBe(200);

    expect(await cloud.operations("backend", first)).toEqual(["insert", "stop"]);
    expect(await states(cloud)).toEqual({ [first]: "TERMINATED", [second]: "RUNNING" });
  });

  test("stays where it is if that zone is still among the configured ones", async ({ launch, storage }) => {
    const { cloud, worker, startAgain } = await launch({ storage });
    await worker.fetch("/");
    await worker.stop();

    const moved = await startAgain({ vm: { instance: { zone: second, zones: [first] } } });
    expect((await moved.fetch("/")).status).toBe(200);

    expect(await states(cloud)).toEqual({ [first]: "RUNNING" });
    expect(await cloud.operations()).toEqual(["insert"]);
    expect(await moved.vm()).toMatchObject({ zone: first });
  });
});

// Within ten seconds the alarm resumes what was in progress, and then applies the configuration.
describe("a VM whose start was under way when the configuration changed is stopped without another request", () => {
  const never = { on_idle: "never" };

  test.for<[how: string, vms: object[]]>([
    ["it is not in the configuration any more", [{ path: "/other", instance: { name: "other" } }]],
    ["it has another name", [{ ...never, instance: { name: "renamed" } }]],
    ["it has another zone", [{ ...never, instance: { zone: second } }]],
  ])("(%s)", async ([, vms], { launch, storage }) => {
    const { cloud, worker, startAgain } = await launch({ storage, vm: never, timing: booting });
    const lost = worker.fetch("/").catch(() => undefined);
    await worker.untilVm("booting");
    await worker.stop();
    await lost;

    await startAgain({ vms: vms as never });

    await eventually("the instance is stopped", async () => (await states(cloud))[first] === "TERMINATED");
    expect(await cloud.operations("backend", first)).toEqual(["insert", "stop"]);
  });

  test("(an operation is at work on it)", async ({ launch, storage }) => {
    const { cloud, worker, startAgain } = await launch({ storage, vm: never, timing: { provision_ms: 3000 } });
    const lost = worker.fetch("/").catch(() => undefined);
    await cloud.until("PROVISIONING");
    await worker.stop();
    await lost;

    await startAgain({ vms: [{ path: "/other", instance: { name: "other" } }] });

    await cloud.until("TERMINATED");
    expect(await cloud.operations()).toEqual(["insert", "stop"]);
    expect(await cloud.instances()).toHaveLength(1);
  });
});

async function states(cloud: Emulator): Promise<Record<string, string>> {
  return Object.fromEntries((await cloud.instances()).map(({ zone, status }) => [zone, status]));
}
