// The life of a VM, from the first request to the last.

import { setTimeout as pause } from "node:timers/promises";
import { describe, expect } from "vitest";
import { test } from "../harness/test.ts";
import type { Emulator } from "../harness/emulator.ts";

describe("a VM that is stopped when idle", () => {
  test("is created by the first request, serves the next ones, sleeps, and is started by the next", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { idle_timeout: "4s" } });

    const first = await worker.fetch("/");

    expect(first.status).toBe(200);
    expect(await first.text()).toContain("backend");
    expect(first.headers.get("x-vmproxy-cold-start")).toBe("true");
    const phases = first.headers.get("server-timing")?.split(", ").map((phase) => phase.replace(/;dur=\d+$/, ""));
    expect(phases).toEqual(["token", "api", "boot", "app", "total"]);
    const callsOfTheStart = await cloud.calls();
    expect(callsOfTheStart).toMatchObject({ token: 1, "instances.insert": 1 });

    const second = await worker.fetch("/");

    expect(second.status).toBe(200);
    expect(second.headers.has("x-vmproxy-cold-start")).toBe(false);
    expect(second.headers.has("server-timing")).toBe(false);
    expect(await cloud.calls()).toEqual(callsOfTheStart);
    const { public_ip: address } = await cloud.until("RUNNING");

    await cloud.until("TERMINATED");

    expect(await cloud.calls()).toMatchObject({ "instances.insert": 1, "instances.stop": 1 });

    const third = await worker.fetch("/");

    expect(third.status).toBe(200);
    expect(third.headers.get("x-vmproxy-cold-start")).toBe("true");
    expect(await cloud.calls()).toMatchObject({ "instances.insert": 1, "instances.start": 1 });
    const again = await cloud.until("RUNNING");
    expect(again.public_ip).not.toBe(address);
    expect(await third.text()).toContain(again.public_ip);
  });

  test("is kept up by requests", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { idle_timeout: "3s" } });
    await worker.fetch("/");

    const until = Date.now() + 7_000;
    while (Date.now() < until) {
      expect((await worker.fetch("/status/200")).status).toBe(200);
      await pause(300);
    }

    expect(await cloud.instance()).toMatchObject({ status: "RUNNING", boots: 1 });
    await cloud.until("TERMINATED");
  });

  test("is kept up by an open stream until it ends", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { idle_timeout: "3s" } });

    const stream = await worker.fetch("/stream?n=9&interval_ms=1000");

    expect((await stream.text()).match(/^data:/gm)).toHaveLength(9);
    expect(await cloud.instance()).toMatchObject({ status: "RUNNING", boots: 1 });
    await cloud.until("TERMINATED");
  });
});

test("a VM that is deleted when idle is created anew", async ({ launch }) => {
  const { cloud, worker } = await launch({ vm: { idle_timeout: "3s", on_idle: "delete" } });
  await worker.fetch("/");
  await cloud.untilGone();

  const response = await worker.fetch("/");

  expect(response.status).toBe(200);
  expect(await cloud.calls()).toMatchObject({ "instances.insert": 2, "instances.delete": 1 });
  expect(await cloud.calls()).not.toHaveProperty("instances.start");
});

test("a VM that is suspended when idle resumes where it was", async ({ launch }) => {
  const { cloud, worker } = await launch({ vm: { idle_timeout: "3s", on_idle: "suspend" } });
  const bootTime = await bootTimeOn(await worker.fetch("/"));
  await cloud.until("SUSPENDED");

  const response = await worker.fetch("/");

  expect(response.status).toBe(200);
  expect(await bootTimeOn(response)).toBe(bootTime);
  expect(await cloud.calls()).toMatchObject({ "instances.insert": 1, "instances.suspend": 1, "instances.resume": 1 });
});

test("a VM that never sleeps has no deadline", async ({ launch }) => {
  const { cloud, worker } = await launch({
    vms: [
      { path: "/", idle_timeout: "1s", on_idle: "never" },
      { path: "/other", idle_timeout: "1s", instance: { name: "other" } },
    ],
  });
  await worker.fetch("/");
  await worker.fetch("/other");
  expect((await worker.vm("backend")).idle_deadline).toBeNull();

  await cloud.until("TERMINATED", "other");

  expect(await cloud.instance()).toMatchObject({ status: "RUNNING" });
});

describe("requests that arrive together", () => {
  test("while the VM does not exist are all answered after one insert", async ({ launch }) => {
    const { cloud, worker } = await launch();

    const statuses = await inParallel(100, async () => (await worker.fetch("/status/200")).status);

    expect(statuses).toEqual(Array(100).fill(200));
    expect(await cloud.calls()).toMatchObject({ token: 1, "instances.insert": 1 });
    expect(await cloud.instances()).toHaveLength(1);
  });

  test("while the VM is being stopped are all answered after one start", async ({ launch }) => {
    const { cloud, worker } = await launch({ timing: { stop_ms: 3000 } });
    await worker.fetch("/");
    await worker.admin("POST", "vms/backend/stop");
    await cloud.until("STOPPING");

    const statuses = await inParallel(20, async () => (await worker.fetch("/status/200")).status);

    expect(statuses).toEqual(Array(20).fill(200));
    expect(await cloud.calls()).toMatchObject({ "instances.insert": 1, "instances.stop": 1, "instances.start": 1 });
  });
});

describe("a VM that ends by itself", () => {
  test("is restarted by the next request after a preemption", async ({ launch }) => {
    const { cloud, worker } = await launch();
    await worker.fetch("/");
    await cloud.afflict("preempt");
    await cloud.until("TERMINATED");

    const response = await worker.fetch("/");

    expect(response.status).toBe(200);
    expect(await cloud.calls()).toMatchObject({ "instances.insert": 1, "instances.start": 1 });
  });

  test("is restarted once by many requests, and their uploads arrive whole", async ({ launch }) => {
    const { cloud, worker } = await launch();
    await worker.fetch("/");
    await cloud.afflict("preempt");
    await cloud.until("TERMINATED");
    const upload = "whole ".repeat(20_000);

    const echoes = await inParallel(10, async () => echo(await worker.fetch("/echo", { method: "POST", body: upload })));

    for (const seen of echoes) expect(seen).toMatchObject({ method: "POST", body: upload });
    expect(await cloud.calls()).toMatchObject({ "instances.insert": 1, "instances.start": 1 });
  });

  test("is waited for when a request comes in the middle of its preemption", async ({ launch }) => {
    const { cloud, worker } = await launch({ timing: { stop_ms: 3000 } });
    await worker.fetch("/");
    await cloud.afflict("preempt");
    await cloud.until("STOPPING");

    const response = await worker.fetch("/");

    expect(response.status).toBe(200);
    expect(await cloud.calls()).toMatchObject({ "instances.insert": 1, "instances.start": 1 });
  });

  test("is created anew after somebody has deleted it", async ({ launch }) => {
    const { cloud, worker } = await launch();
    await worker.fetch("/");
    await deleteExternally(cloud);

    const response = await worker.fetch("/");

    expect(response.status).toBe(200);
    expect(await cloud.calls()).toMatchObject({ "instances.insert": 2 });
  });
});

test("two VMs are chosen by path, and one of them does not see its prefix", async ({ launch }) => {
  const { cloud, worker } = await launch({
    vms: [
      { path: "/site", instance: { name: "site" } },
      { path: "/app", strip_prefix: true, instance: { name: "app" } },
    ],
  });

  const app = await echo(await worker.fetch("/app/echo?x=1"));

  expect(app).toMatchObject({ instance: "app", url: "/echo?x=1" });
  expect((await cloud.instances()).map(({ name }) => name)).toEqual(["app"]);

  const site = await worker.fetch("/site/echo");

  expect(site.status).toBe(404);
  expect(await site.text()).toContain("site has nothing at <code>/site/echo</code>");
});

async function bootTimeOn(page: Response): Promise<string> {
  const time = /\d{4}-\d\d-\d\dT[\d:.]+Z/.exec(await page.text())?.[0];
  if (!time) throw new Error("the page does not show when the machine booted");
  return time;
}

async function echo(response: Response): Promise<unknown> {
  expect(response.status).toBe(200);
  return await response.json();
}

function inParallel<T>(count: number, work: () => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, work));
}

async function deleteExternally(cloud: Emulator): Promise<void> {
  await cloud.call("DELETE", "zones/us-central1-a/instances/backend");
  await cloud.untilGone();
}
