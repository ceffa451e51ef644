// vmproxy as a library: examples/own-worker, and every field of `Instance`.

import { describe, expect } from "vitest";
import { Emulator } from "../harness/emulator.ts";
import { expectProblem } from "../harness/problem.ts";
import { test as base } from "../harness/test.ts";
import { Worker } from "../harness/worker.ts";

const test = base.extend<{ cloud: Emulator; variables: Record<string, unknown>; worker: Worker }>({
  cloud: async ({}, use) => {
    const cloud = await Emulator.start({}, 8780);
    await use(cloud);
    await cloud.stop();
  },
  variables: {},
  worker: async ({ cloud, variables }, use) => {
    const worker = await Worker.start({
      build: "examples/own-worker/build",
      variables: {
        COMPUTE_ENDPOINT: cloud.computeEndpoint,
        GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify(await cloud.keyFile()),
        ...variables,
      },
    });
    await use(worker);
    await worker.stop();
  },
});

describe("a Worker of one's own", () => {
  test("has pages that need no VM", async ({ cloud, worker }) => {
    const response = await worker.fetch("/");

    expect(response.status).toBe(200);
    expect(await response.text()).toBe("The VM is behind /app.\n");
    expect((await worker.fetch("/elsewhere")).status).toBe(404);
    expect(await cloud.calls()).toEqual({});
  });

  test("serves a VM under a path, and asks how it is", async ({ cloud, worker }) => {
    expect(await text(worker.fetch("/vm"))).toBe("running: false, address: None\n");

    const response = await worker.fetch("/app/echo?x=1");

    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ instance: "own-backend", url: "/echo?x=1" });
    const { public_ip } = await cloud.until("RUNNING", "own-backend");
    expect(await text(worker.fetch("/vm"))).toBe(`running: true, address: Some(${public_ip})\n`);
  });

  test("starts, stops and deletes it, and has its answer when that is done", async ({ cloud, worker }) => {
    const act = (action: string) => text(worker.fetch(`/vm/${action}`, { method: "POST" }));

    expect(await act("start")).toBe("done\n");
    expect(await cloud.instance("own-backend")).toMatchObject({ status: "RUNNING", listening: true });

    expect(await act("stop")).toBe("done\n");
    expect(await cloud.instance("own-backend")).toMatchObject({ status: "TERMINATED" });
    expect(await text(worker.fetch("/vm"))).toBe("running: false, address: None\n");

    expect(await act("start")).toBe("done\n");
    expect(await cloud.instance("own-backend")).toMatchObject({ status: "RUNNING", boots: 2 });

    expect(await act("delete")).toBe("done\n");
    expect(await cloud.instances()).toEqual([]);
    expect(await text(worker.fetch("/vm"))).toBe("running: false, address: None\n");
  });

  test("is told when the start is refused", async ({ cloud, worker }) => {
    await cloud.fault({ method: "instances.insert", operation_error: "ZONE_RESOURCE_POOL_EXHAUSTED" });

    const response = await worker.fetch("/vm/start", { method: "POST" });

    expect(response.status).toBe(502);
    await worker.untilLogged(/own-backend: the start was refused: .*ZONE_RESOURCE_POOL_EXHAUSTED/);
  });
});

describe("a Worker of one's own without the binding that its VM names", () => {
  test.override({ variables: { NETWORK: "PRIVATE" } });

  test("is misconfigured, and starts nothing", async ({ cloud, worker }) => {
    await expectProblem(await worker.fetch("/app/echo"), 500, "The proxy is misconfigured");
    expect((await worker.fetch("/vm/start", { method: "POST" })).status).toBe(502);

    await worker.untilLogged(/vmproxy: misconfigured: vpc: the Worker has no binding "PRIVATE" with a fetch\(\)/);
    expect(await cloud.calls()).toEqual({});
  });
});

test("every field of the instance is in what Compute Engine is asked for", async ({ launch }) => {
  const { cloud, worker } = await launch({
    vm: {
      instance: {
        name: "every-field",
        zone: "europe-west1-b",
        image: "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64",
        machine_type: "e2-medium",
        tags: ["http-server", "backend"],
        metadata: { colour: "blue" },
        startup_script: "#!/bin/sh\necho up\n",
        boot_disk_size: 42,
        not_preemptible: true,
        scopes: ["https://www.googleapis.com/auth/devstorage.read_only"],
      },
    },
  });

  expect((await worker.fetch("/")).status).toBe(200);

  const resource = await cloud.resource("every-field", "europe-west1-b");
  expect(resource).toMatchObject({
    name: "every-field",
    zone: expect.stringMatching(/\/zones\/europe-west1-b$/),
    disks: [{ boot: true, autoDelete: true, diskSizeGb: "42" }],
    machineType: expect.stringMatching(/zones\/europe-west1-b\/machineTypes\/e2-medium$/),
    tags: { items: ["http-server", "backend"] },
    metadata: {
      items: [
        { key: "colour", value: "blue" },
        { key: "startup-script", value: "#!/bin/sh\necho up\n" },
      ],
    },
    scheduling: { provisioningModel: "STANDARD" },
    serviceAccounts: [{ email: "default", scopes: ["https://www.googleapis.com/auth/devstorage.read_only"] }],
  });
});

test("an instance of which little is said gets the defaults", async ({ launch }) => {
  const { cloud, worker } = await launch({ vm: { instance: { startup_script_url: "https://example.com/up.sh" } } });

  expect((await worker.fetch("/")).status).toBe(200);

  const resource = await cloud.resource();
  expect(resource).toMatchObject({
    machineType: expect.stringMatching(/machineTypes\/n1-standard-1$/),
    tags: { items: ["http-server"] },
    metadata: { items: [{ key: "startup-script-url", value: "https://example.com/up.sh" }] },
    scheduling: { provisioningModel: "SPOT", automaticRestart: false },
  });
  expect(resource).not.toHaveProperty("serviceAccounts");
});

async function text(coming: Promise<Response>): Promise<string> {
  const response = await coming;
  expect(response.status).toBe(200);
  return await response.text();
}
