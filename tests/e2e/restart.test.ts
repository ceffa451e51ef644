// The runtime may be killed at any moment: the object resumes what was in progress.

import { execFileSync } from "node:child_process";
import { describe, expect } from "vitest";
import type { Emulator } from "../harness/emulator.ts";
import { eventually } from "../harness/eventually.ts";
import { test, type World } from "../harness/test.ts";
import type { Worker } from "../harness/worker.ts";

// Sequential: each test kills the only runtime that there is.
describe("after kill -9", { concurrent: false }, () => {
  test.for<[moment: string, reached: (world: World) => Promise<unknown>]>([
    ["while the instance is made", ({ cloud }) => cloud.until("PROVISIONING")],
    ["while the VM boots", ({ cloud }) => cloud.until("RUNNING")],
    ["while its server is waited for", ({ worker }) => worker.untilVm("booting")],
  ])("%s, the next request is answered by the same instance", async ([, reached], { launch, storage }) => {
    const world = await launch({ storage, timing: { provision_ms: 3000, boot_ms: 3000 } });
    const lost = world.worker.fetch("/").catch(() => "lost");
    await reached(world);

    await kill(world.worker);
    expect(await lost).toBe("lost");
    const worker = await world.startAgain();
    const response = await worker.fetch("/");

    expect(response.status).toBe(200);
    expect(response.headers.get("x-vmproxy-cold-start")).toBe("true");
    await expectOneInstance(world.cloud);
  });

  test("in the middle of a start, the start goes on without another request", async ({ launch, storage }) => {
    const world = await launch({ storage, timing: { provision_ms: 3000 } });
    await world.worker.admin("POST", "vms/backend/start");
    await world.cloud.until("PROVISIONING");

    await kill(world.worker);
    // A status request would load the object, so the test watches its calls.
    const looks = async () => (await world.cloud.calls())["instances.get"] ?? 0;
    const before = await looks();
    await world.startAgain();

    await eventually("the start continues", async () => (await looks()) > before);
    await expectOneInstance(world.cloud);
  });

  test("of a running VM, it still goes down without another request", async ({ launch, storage }) => {
    const world = await launch({ storage, vm: { idle_timeout: "4s" } });
    await world.worker.fetch("/");

    await kill(world.worker);
    expect(await world.cloud.instance()).toMatchObject({ status: "RUNNING" });
    await world.startAgain();

    await world.cloud.until("TERMINATED");
    await expectOneInstance(world.cloud);
  });

  test("of a running VM, the next request goes straight to it", async ({ launch, storage }) => {
    const world = await launch({ storage });
    await world.worker.fetch("/");
    const before = await world.cloud.calls();

    await kill(world.worker);
    const worker = await world.startAgain();
    const response = await worker.fetch("/");

    expect(response.status).toBe(200);
    expect(response.headers.has("x-vmproxy-cold-start")).toBe(false);
    expect(await world.cloud.calls()).toEqual(before);
  });

  test("in the middle of a stop, the VM is down in the end, and started by the next request", async ({ launch, storage }) => {
    const world = await launch({ storage, timing: { stop_ms: 3000 } });
    await world.worker.fetch("/");
    await world.worker.admin("POST", "vms/backend/stop");
    await world.cloud.until("STOPPING");

    await kill(world.worker);
    const worker = await world.startAgain();
    const response = await worker.fetch("/");

    expect(response.status).toBe(200);
    expect(await world.cloud.operations()).toEqual(["insert", "stop", "start"]);
  });
});

/** Kills the runtime, and keeps Miniflare from restarting it. */
async function kill(worker: Worker): Promise<void> {
  const runtimes = children().filter(({ command }) => command.includes("workerd"));
  expect(runtimes).toHaveLength(1);
  for (const { pid } of runtimes) process.kill(pid, "SIGKILL");
  await worker.stop();
}

function children(): { pid: number; command: string }[] {
  const lines = execFileSync("ps", ["-eo", "pid=,ppid=,stat=,args="], { encoding: "utf8" }).trim().split("\n");
  return lines.flatMap((line) => {
    const [, pid, parent, state, command = ""] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    const isChild = Number(parent) === process.pid && !state?.startsWith("Z");
    return isChild ? [{ pid: Number(pid), command }] : [];
  });
}

/** A call whose response was lost is repeated with the same `requestId`: no second operation. */
async function expectOneInstance(cloud: Emulator): Promise<void> {
  const operations = await cloud.operations();
  expect(operations.filter((type) => type === "insert")).toHaveLength(1);
  expect(await cloud.instances()).toMatchObject([{ name: "backend", boots: 1 }]);
}
