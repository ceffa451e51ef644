// The admin API below /_vmproxy/.

import { describe, expect } from "vitest";
import { booting } from "../harness/emulator.ts";
import { eventually } from "../harness/eventually.ts";
import { expectProblem } from "../harness/problem.ts";
import { Origin } from "../harness/origin.ts";
import { test } from "../harness/test.ts";
import { adminToken } from "../harness/worker.ts";

const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe("without the token", () => {
  test.for<[what: string, variables: Record<string, unknown>, headers: Record<string, string>]>([
    ["none is configured", { ADMIN_TOKEN: undefined }, { authorization: `Bearer ${adminToken}` }],
    ["an empty one is configured", { ADMIN_TOKEN: "" }, { authorization: "Bearer " }],
    ["none is given", {}, {}],
    ["another one is given", {}, { authorization: `Bearer ${adminToken}s` }],
    ["it is given otherwise", {}, { authorization: `Basic ${adminToken}` }],
  ])("(%s) there is nothing to be seen or done", async ([, variables, headers], { launch }) => {
    const { cloud, worker } = await launch({ variables });

    for (const [method, path] of [
      ["GET", ""],
      ["GET", "vms"],
      ["GET", "vms/backend"],
      ["POST", "vms/backend/start"],
      ["GET", "vms/nothing"],
    ] as const) {
      await expectProblem(await worker.fetch(`/_vmproxy/${path}`, { method, headers }), 404, "Not found");
    }

    expect(await cloud.calls()).toEqual({});
  });

  test("healthz answers, and wakes nothing", async ({ launch }) => {
    const { cloud, worker } = await launch();

    const response = await worker.fetch("/_vmproxy/healthz");

    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok" });
    expect(await cloud.calls()).toEqual({});
  });
});

test("the scheme of the token may be written in any case", async ({ launch }) => {
  const { worker } = await launch();

  const response = await worker.fetch("/_vmproxy/vms", { headers: { authorization: `bearer ${adminToken}` } });

  expect(response.status).toBe(200);
});

test("a VM is described by twelve fields", async ({ launch }) => {
  const { cloud, worker } = await launch();

  const untouched = await worker.vm();

  expect(untouched).toEqual({
    name: "backend",
    path: "/",
    state: "absent",
    zone: "us-central1-a",
    public_ip: null,
    since: time,
    last_activity: null,
    idle_deadline: null,
    error: null,
    drift: [],
    cold_starts: [],
    expected: {},
  });
  expect(await cloud.calls()).toEqual({});

  await worker.fetch("/");
  const used = await worker.vm();

  const { public_ip } = await cloud.until("RUNNING");
  const ms = expect.any(Number);
  const spread = { median_ms: ms, p90_ms: ms };
  expect(used).toEqual({
    ...untouched,
    state: "running",
    public_ip,
    since: time,
    last_activity: time,
    idle_deadline: time,
    cold_starts: [{ at: time, kind: "create", token_ms: ms, api_ms: ms, boot_ms: ms, app_ms: ms, total_ms: ms }],
    expected: { create: { token: spread, api: spread, boot: spread, app: spread, total: spread } },
  });
  expect(Date.parse(used.idle_deadline ?? "")).toBeGreaterThan(Date.parse(used.last_activity ?? ""));
  const [cold] = used.cold_starts;
  expect(cold!.token_ms + cold!.api_ms + cold!.boot_ms + cold!.app_ms).toBe(cold!.total_ms);
});

test("all VMs are listed in the order of the configuration", async ({ launch }) => {
  const { worker } = await launch({
    vms: [
      { path: "/b", instance: { name: "second" } },
      { path: "/a", instance: { name: "first" } },
    ],
  });

  const response = await worker.admin("GET", "vms");

  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(await response.json()).toEqual({ vms: [await worker.vm("second"), await worker.vm("first")] });
});

test("each state of a VM's life can be seen", async ({ launch, onTestFinished }) => {
  let ready = false;
  const origin = await Origin.listen({
    "/ready": (c) => c.end(`HTTP/1.1 ${ready ? "200 OK" : "503 Not Yet"}\r\nContent-Length: 0\r\n\r\n`),
  });
  onTestFinished(() => origin.close());
  const { cloud, worker } = await launch({
    vm: { origin: `http://127.0.0.1:${origin.port}`, health_path: "/ready" },
    timing: { provision_ms: 1500, stop_ms: 1500, suspend_ms: 1500 },
  });
  const act = async (action: string) => {
    const response = await worker.admin("POST", `vms/backend/${action}`);
    expect(response.status).toBe(202);
    return ((await response.json()) as { state: string }).state;
  };

  expect((await worker.vm()).state).toBe("absent");
  expect(await act("start")).toBe("starting");
  await worker.untilVm("booting");
  ready = true;
  await worker.untilVm("running");
  expect(await act("stop")).toBe("stopping");
  await worker.untilVm("stopped");
  expect(await cloud.instance()).toMatchObject({ status: "TERMINATED" });
  expect(await act("start")).toBe("starting");
  await worker.untilVm("running");
  expect(await act("suspend")).toBe("suspending");
  await worker.untilVm("suspended");
  expect(await cloud.instance()).toMatchObject({ status: "SUSPENDED" });
  expect(await act("delete")).toBe("deleting");
  await worker.untilVm("absent");
  expect(await cloud.instances()).toEqual([]);
  expect(await cloud.calls()).toMatchObject({
    "instances.insert": 1,
    "instances.stop": 1,
    "instances.start": 1,
    "instances.suspend": 1,
    "instances.delete": 1,
  });
});

describe("a stop during a start", () => {
  test("ends in a stopped VM, and sends the waiting request away", async ({ launch }) => {
    const { cloud, worker } = await launch({ timing: booting });
    const waiting = worker.fetch("/");
    await worker.untilVm("booting");

    const stop = await worker.admin("POST", "vms/backend/stop");

    expect(stop.status).toBe(202);
    const response = await waiting;
    expect(response.headers.get("retry-after")).toBe("10");
    await expectProblem(response, 503, "The VM is being stopped");
    await cloud.until("TERMINATED");
    await worker.untilVm("stopped");
  });

  test("waits for the instance to be made, and then stops it", async ({ launch }) => {
    const { cloud, worker } = await launch({ timing: { provision_ms: 3000 } });
    const waiting = worker.fetch("/");
    await cloud.until("PROVISIONING");

    await worker.admin("POST", "vms/backend/stop");

    await expectProblem(await waiting, 503, "The VM is being stopped");
    await cloud.until("TERMINATED");
    await worker.untilVm("stopped");
    expect(await cloud.calls()).toMatchObject({ "instances.insert": 1, "instances.stop": 1 });
  });
});

test("what there is not is a 404, and what one may not is a 405 that says what one may", async ({ launch }) => {
  const { cloud, worker } = await launch();

  const { detail } = await expectProblem(await worker.admin("GET", "vms/frontend"), 404, "Not found");
  expect(detail).toContain("backend");
  await expectProblem(await worker.admin("POST", "vms/backend/reboot"), 404, "Not found");
  await expectProblem(await worker.admin("GET", "nothing"), 404, "Not found");
  for (const [method, path, allowed] of [
    ["POST", "vms", "GET"],
    ["DELETE", "vms/backend", "GET"],
    ["GET", "vms/backend/stop", "POST"],
    ["POST", "healthz", "GET"],
  ] as const) {
    const response = await worker.admin(method, path);
    expect(response.headers.get("allow")).toBe(allowed);
    await expectProblem(response, 405, "Method not allowed");
  }

  expect(await cloud.calls()).toEqual({});
});

test("nothing below /_vmproxy/ is ever forwarded, not even to a running VM", async ({ launch, onTestFinished }) => {
  const origin = await Origin.listen({ "/": (c) => c.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") });
  onTestFinished(() => origin.close());
  const { worker } = await launch({ vm: { origin: `http://127.0.0.1:${origin.port}` } });
  expect((await worker.fetch("/")).status).toBe(200);
  await eventually("the VM has received the request", () => origin.heads.length === 1);

  for (const path of ["/_vmproxy", "/_vmproxy/", "/_vmproxy/anything", "/_vmproxy/../_vmproxy/echo", "/_vmproxy?x"]) {
    expect((await worker.request(path)).status).toBe(404);
  }

  expect(origin.heads.filter((head) => head.includes("_vmproxy"))).toEqual([]);
});
