// Ready pushes: how the VM learns where to send them, and their effect.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test as plain } from "vitest";
import { type Emulator, instancePort } from "../harness/emulator.ts";
import { eventually } from "../harness/eventually.ts";
import { expectProblem } from "../harness/problem.ts";
import { root } from "../harness/root.ts";
import { launch, type VmConfig, type World } from "../harness/test.ts";
import type { Worker } from "../harness/worker.ts";

/** Probes never find this VM ready. */
const unhealthy = { health_path: "/status/503" };

/** A world in which the VM can reach the Worker, or cannot. */
interface PushingWorld extends World {
  /** Lets ready pushes through from this moment on. */
  open(): void;
  /** The ready pushes sent so far, whether let through or not. */
  pushes: string[];
}

const test = plain.extend<{ pushing: (vm?: VmConfig, door?: "open" | "closed" | "none") => Promise<PushingWorld> }>({
  pushing: async ({}, use) => {
    const ends: (() => Promise<void> | void)[] = [];
    await use(async (vm = {}, door = "open") => {
      const pushes: string[] = [];
      let worker: Worker | undefined;
      const server = createServer(async (request, response) => {
        const authorization = request.headers.authorization ?? "";
        pushes.push(authorization);
        if (door !== "open" || !worker) {
          response.writeHead(503).end();
          return;
        }
        const forwarded = await worker.fetch(request.url ?? "", { method: request.method ?? "", headers: { authorization } });
        response.writeHead(forwarded.status).end();
      });
      await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const world = await launch({ vm: door === "none" ? vm : { ready_push: address, ...vm } });
      worker = world.worker;
      ends.push(world.end, () => void server.closeAllConnections(), () => void server.close());
      return { ...world, pushes, open: () => void (door = "open") };
    });
    for (const end of ends) await end();
  },
});

describe.concurrent("a VM that says that it is ready", () => {
  test("(created) ends the wait though its health path fails, and no call is made for it", async ({ pushing }) => {
    const { cloud, worker, pushes } = await pushing(unhealthy);

    const response = await worker.fetch("/echo");

    expect(response.status).toBe(200);
    expect(response.headers.get("x-vmproxy-cold-start")).toBe("true");
    expect(await cloud.calls()).toEqual({ token: 1, "instances.get": 2, "instances.insert": 1, "zoneOperations.wait": 1 });
    expect(pushes).toEqual([`Bearer ${await token(cloud)}`]);
    expect(await metadata(cloud, "vmproxy-ready-url")).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/_vmproxy\/vms\/backend\/ready$/);
    const vm = await worker.vm();
    expect(vm).toMatchObject({ state: "running", error: null, drift: [] });
    expect(JSON.stringify(vm) + worker.log).not.toContain(await token(cloud));
  });

  test("(started) has a new token, and all its other metadata is kept", async ({ pushing }) => {
    const { cloud, worker, pushes } = await pushing({ ...unhealthy, instance: { metadata: { color: "green" } } });
    expect((await worker.fetch("/echo")).status).toBe(200);
    const first = await token(cloud);
    await setMetadata(cloud, { "ssh-keys": "me:ssh-ed25519 AAAA", color: "red" });
    await worker.stopVm();
    const before = await cloud.calls();

    expect((await worker.fetch("/echo")).status).toBe(200);

    const second = await token(cloud);
    expect(second).not.toBe(first);
    expect(pushes).toEqual([`Bearer ${first}`, `Bearer ${second}`]);
    expect(await metadata(cloud, "ssh-keys")).toBe("me:ssh-ed25519 AAAA");
    // The difference from the configuration is reported, not corrected.
    expect(await metadata(cloud, "color")).toBe("red");
    expect((await worker.vm()).drift).toEqual(["metadata: is otherwise, configured color"]);
    expect(await cloud.operations()).toEqual(["insert", "setMetadata", "stop", "setMetadata", "start"]);
    const made = Object.entries(await cloud.calls()).map(([method, count]) => [method, count - (before[method] ?? 0)]);
    const once = { "instances.setMetadata": 1, "instances.start": 1 };
    expect(Object.fromEntries(made)).toMatchObject({ ...once, "instances.get": 2, "zoneOperations.wait": 2, token: 0 });
  });

  test("(started, and brought in line) is told by the same call", async ({ pushing }) => {
    const { cloud, worker } = await pushing({ ...unhealthy, on_drift: "apply", instance: { metadata: { color: "green" } } });
    expect((await worker.fetch("/echo")).status).toBe(200);
    const first = await token(cloud);
    await setMetadata(cloud, { shape: "round", color: "red" });
    await worker.stopVm();

    expect((await worker.fetch("/echo")).status).toBe(200);

    expect(await token(cloud)).not.toBe(first);
    expect([await metadata(cloud, "color"), await metadata(cloud, "shape")]).toEqual(["green", "round"]);
    expect(await cloud.operations()).toEqual(["insert", "setMetadata", "stop", "setMetadata", "start"]);
    expect((await worker.vm()).drift).toEqual([]);
  });

  test("(before its address is known) is looked at once", async ({ pushing }) => {
    const { cloud, worker } = await pushing(unhealthy);
    await cloud.fault({ method: "zoneOperations.wait", delay_ms: 60_000 });

    expect((await worker.fetch("/echo")).status).toBe(200);

    expect(await cloud.calls()).toMatchObject({ "instances.get": 2, "zoneOperations.wait": 1 });
    expect(await worker.vm()).toMatchObject({ state: "running" });
  });

  test("(and cannot be told before its start) is started and probed all the same", async ({ pushing }) => {
    const { cloud, worker, pushes } = await pushing();
    expect((await worker.fetch("/")).status).toBe(200);
    await worker.stopVm();
    await cloud.fault({ method: "instances.setMetadata", status: 403 });

    expect((await worker.fetch("/")).status).toBe(200);

    expect((await worker.vm()).error).toBe(null);
    const [first, second] = await eventually("the VM has pushed twice", () => pushes.length === 2 && pushes);
    expect(second, "with the token that is no good any more").toBe(first);
    expect((await push(worker, first)).status).toBe(403);
  });
});

test("the script in docs/cold-starts.md says so", async ({ pushing }) => {
  const { cloud, worker, pushes, open } = await pushing(unhealthy, "closed");
  const first = worker.fetch("/echo");
  await eventually("the VM has pushed while no push gets through", () => pushes.length === 1);
  open();
  const document = readFileSync(join(root, "docs", "cold-starts.md"), "utf8");
  const vm = await cloud.until("RUNNING");
  const script = /```sh\n([^]*?)```/.exec(document)?.[1]?.replace("127.0.0.1/", `${vm.public_ip}:${instancePort}/`) ?? "";
  const metadata = `${cloud.url.replace("http://", "")}/emulator/instances/backend`;

  await promisify(execFile)("sh", ["-c", script], { env: { ...process.env, GCE_METADATA_HOST: metadata } });

  expect((await first).status).toBe(200);
  expect(pushes).toEqual(Array(2).fill(`Bearer ${await token(cloud)}`));
});

describe.concurrent("a word that it is ready", () => {
  test("is believed with the token of the present boot alone", async ({ pushing }) => {
    const { cloud, worker, pushes } = await pushing(unhealthy, "closed");
    const first = worker.fetch("/echo");
    const [old] = await eventually("the VM has pushed while no push gets through", () => pushes.length === 1 && pushes);
    await worker.untilVm("booting");

    for (const wrong of [undefined, "", "Bearer", "Bearer x", `${old}x`, old?.slice(0, -1), old?.replace("Bearer", "Basic")]) {
      await expectProblem(await push(worker, wrong), 403, "Forbidden");
    }
    expect(await worker.vm()).toMatchObject({ state: "booting" });
    expect((await push(worker, old)).status).toBe(204);
    expect((await first).status).toBe(200);
    expect((await push(worker, old)).status, "again, when it runs").toBe(204);

    await worker.stopVm();
    await expectProblem(await push(worker, old), 403, "Forbidden");
    expect(await worker.vm()).toMatchObject({ state: "stopped" });
    const second = worker.fetch("/echo");
    const [, present] = await eventually("the VM has pushed again", () => pushes.length === 2 && pushes);
    await worker.untilVm("booting");
    await expectProblem(await push(worker, old), 403, "Forbidden");
    expect(await worker.vm()).toMatchObject({ state: "booting" });
    expect(present).toBe(`Bearer ${await token(cloud)}`);
    expect((await push(worker, present)).status).toBe(204);
    expect((await second).status).toBe(200);
  });

  test("is not believed of a VM that was resumed: nothing has booted", async ({ pushing }) => {
    const { cloud, worker, pushes } = await pushing({ on_idle: "suspend" });
    expect((await worker.fetch("/")).status).toBe(200);
    const [old] = await eventually("the VM has pushed", () => pushes.length === 1 && pushes);
    await worker.admin("POST", "vms/backend/suspend");
    await worker.untilVm("suspended");

    expect((await worker.fetch("/")).status).toBe(200);

    await expectProblem(await push(worker, old), 403, "Forbidden");
    expect(await cloud.operations()).toEqual(["insert", "suspend", "resume"]);
    expect(pushes).toEqual([old]);
  });

  test("is a POST", async ({ pushing }) => {
    const { worker } = await pushing({}, "closed");
    const response = await worker.fetch("/_vmproxy/vms/backend/ready");
    expect(response.headers.get("allow")).toBe("POST");
    await expectProblem(response, 405, "Method not allowed");
  });

  test("is heard of no other VM, and nobody learns which there are", async ({ pushing }) => {
    const { cloud, worker } = await pushing({}, "none");
    expect((await worker.fetch("/")).status).toBe(200);
    await expect(token(cloud)).rejects.toThrow("404");
    const nothing = await expectProblem(await worker.fetch("/_vmproxy/vms"), 404, "Not found");
    for (const name of ["backend", "other"]) {
      const response = await worker.fetch(`/_vmproxy/vms/${name}/ready`, { method: "POST", headers: { authorization: "Bearer x" } });
      expect(await expectProblem(response, 404, "Not found")).toEqual(nothing);
    }
  });
});

/** Sends a ready push. */
function push(worker: Worker, authorization: string | undefined): Promise<Response> {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  return worker.fetch("/_vmproxy/vms/backend/ready", { method: "POST", headers });
}

function token(cloud: Emulator): Promise<string> {
  return metadata(cloud, "vmproxy-ready-token");
}

/** Returns what the VM's metadata server has under this key. */
async function metadata(cloud: Emulator, key: string): Promise<string> {
  const url = `${cloud.url}/emulator/instances/backend/computeMetadata/v1/instance/attributes/${key}`;
  const response = await fetch(url, { headers: { "metadata-flavor": "Google" } });
  if (!response.ok) throw new Error(`${key}: ${response.status}`);
  return response.text();
}

/** Sets these items as an external change, and keeps the others. */
async function setMetadata(cloud: Emulator, items: Record<string, string>): Promise<void> {
  const { metadata } = (await cloud.resource()) as { metadata: { fingerprint: string; items: { key: string; value: string }[] } };
  const kept = metadata.items.filter(({ key }) => !(key in items));
  const set = Object.entries(items).map(([key, value]) => ({ key, value }));
  const instance = "zones/us-central1-a/instances/backend";
  const body = { fingerprint: metadata.fingerprint, items: [...kept, ...set] };
  const { name } = await cloud.call("POST", `${instance}/setMetadata`, body);
  await cloud.call("POST", `zones/us-central1-a/operations/${String(name)}/wait`);
}
