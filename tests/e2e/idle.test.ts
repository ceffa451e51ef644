// What keeps an idle VM up, whether it is stopped or suspended, and failures to do so.

import { describe, expect } from "vitest";
import { applyChanges, type Condition, conditionOf, type ExternalChange } from "../harness/external-changes.ts";
import { Emulator } from "../harness/emulator.ts";
import { eventually } from "../harness/eventually.ts";
import { test } from "../harness/test.ts";
import { Worker } from "../harness/worker.ts";

describe("a VM that is asked whether it is busy", () => {
  test("stays up while it says so, until its limit, and goes down at once if it does not", async ({ launch }) => {
    const asked = { idle_timeout: "1s", busy_limit: "8s" };
    const rows: [name: string, busyPath: string][] = [
      ["busy", "/status/200"],
      ["idle", "/status/204"],
      ["broken", "/status/500"],
      ["missing", "/status/404"],
    ];
    const { cloud, worker } = await launch({
      vms: rows.map(([name, busy_path]) => ({ path: `/${name}`, strip_prefix: true, busy_path, ...asked, instance: { name } })),
    });
    await Promise.all(rows.map(async ([name]) => expect((await worker.fetch(`/${name}/`)).status).toBe(200)));
    const { last_activity } = await worker.vm("busy");

    await Promise.all(rows.map(([name]) => cloud.until("TERMINATED", name)));

    const busyFor = (await stoppedAt(cloud, "busy")) - Date.parse(last_activity!);
    expect(busyFor).toBeGreaterThanOrEqual(8000);
    for (const [name] of rows.slice(1)) {
      expect(await stoppedAt(cloud, name)).toBeLessThan(await stoppedAt(cloud, "busy"));
      expect(await cloud.operations(name)).toEqual(["insert", "stop"]);
    }
  });

  test("has its limit counted anew from each request", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { idle_timeout: "1s", busy_path: "/status/200", busy_limit: "5s" } });
    await worker.fetch("/");
    const first = await worker.vm();
    await eventually("the VM has reported that it is busy", async () => {
      const { idle_deadline } = await worker.vm();
      return idle_deadline !== null && idle_deadline > first.idle_deadline!;
    });

    expect((await worker.fetch("/")).status).toBe(200);
    const { last_activity } = await worker.vm();
    await cloud.until("TERMINATED");

    expect(Date.parse(last_activity!)).toBeGreaterThan(Date.parse(first.last_activity!));
    expect((await stoppedAt(cloud)) - Date.parse(last_activity!)).toBeGreaterThanOrEqual(5000);
    expect(await cloud.operations()).toEqual(["insert", "stop"]);
  });
});

test("a VM is not stopped under a request that takes longer than its idle timeout", async ({ launch }) => {
  const { cloud, worker } = await launch({ vm: { idle_timeout: "1s" } });
  await worker.fetch("/");

  const response = await worker.fetch("/slow/5000");

  expect(response.status).toBe(200);
  expect(response.headers.has("x-vmproxy-cold-start")).toBe(false);
  await cloud.until("TERMINATED");
  // Had the VM been stopped during the request, the request would have started it again.
  expect(await cloud.operations()).toEqual(["insert", "stop"]);
});

describe("a suspended VM", () => {
  const vm = { idle_timeout: "1s", on_idle: "suspend" };

  test("is stopped after deep_sleep_after, and started by the next request", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { ...vm, deep_sleep_after: "2s" } });
    await worker.fetch("/");
    await cloud.until("SUSPENDED");

    await cloud.until("TERMINATED");

    expect(await cloud.operations()).toEqual(["insert", "suspend", "resume", "stop"]);
    await worker.untilVm("stopped");
    expect((await worker.fetch("/")).status).toBe(200);
    expect((await cloud.operations()).slice(4, 5)).toEqual(["start"]);
  });

  test("is resumed by a request that comes while it is taken to deep sleep", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { ...vm, deep_sleep_after: "2s" }, timing: { resume_ms: 2000 } });
    await worker.fetch("/");
    await cloud.until("SUSPENDED");
    await cloud.until("STAGING");

    expect((await worker.fetch("/")).status).toBe(200);

    expect((await cloud.operations()).slice(0, 4)).toEqual(["insert", "suspend", "resume"]);
  });

  test("is suspended again next time, although somebody stopped it this time", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { ...vm, idle_timeout: "5s" } });
    await worker.fetch("/");
    await applyChanges(cloud, ["stop"], "TERMINATED");
    await worker.untilVm("stopped");
    await worker.fetch("/");

    await worker.untilVm("suspended");

    expect((await cloud.operations()).slice(-2)).toEqual(["start", "suspend"]);
  });

  test("is stopped instead, now and later, if it cannot be suspended", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm });
    await cloud.fault({ method: "instances.suspend", times: 9, operation_error: "UNSUPPORTED_OPERATION" });
    await worker.fetch("/");
    await cloud.until("TERMINATED");
    await worker.untilVm("stopped");
    await worker.fetch("/");
    await cloud.until("TERMINATED");

    expect(await cloud.operations()).toEqual(["insert", "suspend", "stop", "start", "stop"]);
  });
});

test("an idle VM that somebody has brought down is left so, and woken by the next request", async ({ launch }) => {
  const rows: [change: ExternalChange, condition: Condition, state: string][] = [
    ["stop", "TERMINATED", "stopped"],
    ["suspend", "SUSPENDED", "suspended"],
    ["delete", "gone", "absent"],
  ];
  const { cloud, worker } = await launch({
    vms: rows.map(([name]) => ({ path: `/${name}`, strip_prefix: true, idle_timeout: "5s", instance: { name } })),
  });
  const request = async (name: string) => expect((await worker.fetch(`/${name}/`)).status).toBe(200);
  await Promise.all(rows.map(([name]) => request(name)));

  await Promise.all(rows.map(([name, condition]) => applyChanges(cloud, [name], condition, [name])));
  await Promise.all(rows.map(([name, , state]) => worker.untilVm(state, name)));

  for (const [name, condition] of rows) expect(await conditionOf(cloud, name)).toBe(condition);
  await Promise.all(rows.map(([name]) => request(name)));
});

describe("a VM that may not be stopped", () => {
  const forbidden = { method: "instances.stop", times: 3, status: 403 };

  test("is said to be so, and is stopped as soon as it may", async ({ launch }) => {
    const { cloud, worker } = await launch();
    await worker.fetch("/");
    await cloud.fault({ ...forbidden, times: 4 });

    expect((await worker.admin("POST", "vms/backend/stop")).status).toBe(202);

    await eventually("the status has the error", async () => (await worker.vm()).error?.includes("cannot stop the instance: Compute Engine responded 403"));
    await worker.untilLogged(/backend: instances\.stop: Compute Engine responded 403/);
    await cloud.until("TERMINATED");
    await worker.untilVm("stopped");
    expect(await cloud.operations()).toEqual(["insert", "stop"]);
    expect(await cloud.calls()).toMatchObject({ "instances.stop": 5 });
    // The failed stop does not prevent a start.
    expect((await worker.fetch("/")).status).toBe(200);
    expect(await worker.vm()).toMatchObject({ state: "running", error: null });
  });

  test("serves whoever asks for it meanwhile", async ({ launch }) => {
    const { cloud, worker } = await launch();
    await worker.fetch("/");
    await cloud.fault({ ...forbidden, times: 1000 });
    await worker.admin("POST", "vms/backend/stop");
    await eventually("the status has the error", async () => (await worker.vm()).error?.includes("cannot stop the instance"));

    const response = await worker.fetch("/");

    expect(response.status).toBe(200);
    expect(await cloud.instance()).toMatchObject({ status: "RUNNING", boots: 1 });
    expect(await cloud.operations()).toEqual(["insert"]);
  });

  // The example's VM listens on this port.
  test("fails Vm::stop, and is stopped all the same", async ({ onTestFinished }) => {
    const cloud = await Emulator.start({}, 8780);
    onTestFinished(() => cloud.stop());
    const worker = await Worker.start({
      build: "examples/own-worker/build",
      variables: { COMPUTE_ENDPOINT: cloud.computeEndpoint, GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify(await cloud.keyFile()) },
    });
    onTestFinished(() => worker.stop());
    const act = async (action: string) => (await worker.fetch(`/vm/${action}`, { method: "POST" })).status;
    expect(await act("start")).toBe(200);
    await cloud.fault(forbidden);

    expect(await act("stop")).toBe(502);

    await worker.untilLogged(/own-backend: .*cannot stop the instance: Compute Engine responded 403/);
    await cloud.until("TERMINATED", "own-backend");
    expect(await act("stop")).toBe(200);
    expect(await cloud.instance("own-backend")).toMatchObject({ status: "TERMINATED" });
  });
});

async function stoppedAt(cloud: Emulator, name = "backend"): Promise<number> {
  return Date.parse((await cloud.resource(name)).lastStopTimestamp as string);
}
