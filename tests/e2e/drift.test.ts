// Instances that exist and differ from the configuration.

import { describe, expect } from "vitest";
import { instanceResource } from "../harness/external-changes.ts";
import type { Emulator } from "../harness/emulator.ts";
import { expectProblem } from "../harness/problem.ts";
import { test } from "../harness/test.ts";

const configured = {
  machine_type: "e2-medium",
  not_preemptible: true,
  tags: ["http-server", "web"],
  metadata: { color: "green", shape: "round" },
  startup_script: "echo new",
};

const found = {
  machineType: "zones/us-central1-a/machineTypes/e2-small",
  scheduling: { provisioningModel: "STANDARD", maxRunDuration: { seconds: "3600" }, instanceTerminationAction: "STOP" },
  tags: { items: ["ssh"] },
  metadata: {
    items: [
      { key: "ssh-keys", value: "me:ssh-ed25519 AAAA" },
      { key: "color", value: "red" },
      { key: "startup-script", value: "echo old" },
      { key: "shape", value: "round" },
    ],
  },
};

const differences = [
  "machine_type: is e2-small, configured e2-medium",
  "scheduling: is standard, 1h at most, configured standard, 2h at most",
  'tags: is {"ssh"}, configured {"http-server", "web"}',
  "metadata: is otherwise, configured color, startup-script",
];

const instance = { ...configured, max_run_duration: "2h" };

test("by default it is served as it is, and its status tells in what it differs", async ({ launch }) => {
  const { cloud, worker } = await launch({ vm: { instance } });
  await insert(cloud, found);

  expect((await worker.fetch("/")).status).toBe(200);

  expect((await worker.vm()).drift).toEqual(differences);

  await worker.stopVm();
  expect((await worker.fetch("/")).status).toBe(200);

  expect((await worker.vm()).drift).toEqual(differences);
  expect(await cloud.operations()).toEqual(["insert", "stop", "start"]);
  expect(await cloud.resource()).toMatchObject({ machineType: expect.stringMatching(/e2-small$/), tags: { items: ["ssh"] } });
});

describe("with on_drift = apply", () => {
  const vm = { on_drift: "apply", instance };

  test("it is brought in line at its next start, and what is not configured is kept", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm });
    await insert(cloud, found);

    expect((await worker.fetch("/")).status).toBe(200);

    // A running instance is not changed.
    expect((await worker.vm()).drift).toEqual(differences);
    expect(await cloud.operations()).toEqual(["insert"]);

    await worker.stopVm();
    expect((await worker.fetch("/")).status).toBe(200);

    const changes = ["setMachineType", "setScheduling", "setTags", "setMetadata"];
    expect(await cloud.operations()).toEqual(["insert", "stop", ...changes, "start"]);
    const resource = await cloud.resource();
    expect(resource).toMatchObject({
      machineType: expect.stringMatching(/\/machineTypes\/e2-medium$/),
      scheduling: { provisioningModel: "STANDARD", maxRunDuration: { seconds: "7200" }, instanceTerminationAction: "STOP" },
    });
    expect((resource.tags as { items: string[] }).items.toSorted()).toEqual(["http-server", "web"]);
    expect(metadataOf(resource)).toEqual({
      "ssh-keys": "me:ssh-ed25519 AAAA",
      color: "green",
      shape: "round",
      "startup-script": "echo new",
    });
    expect((await worker.vm()).drift).toEqual([]);

    await worker.stopVm();
    expect((await worker.fetch("/")).status).toBe(200);

    expect((await cloud.operations()).slice(-2)).toEqual(["stop", "start"]);
    expect((await worker.vm()).drift).toEqual([]);
  });

  test.for<[what: string, fields: object, own: object, change: string, after: object, cleared?: string[]]>([
    [
      "another machine type",
      { machineType: "zones/us-central1-a/machineTypes/e2-small" },
      { machine_type: "e2-medium" },
      "setMachineType",
      { machineType: expect.stringMatching(/\/machineTypes\/e2-medium$/) },
    ],
    [
      "a standard VM that is to be a Spot VM",
      { scheduling: { provisioningModel: "STANDARD" } },
      {},
      "setScheduling",
      { scheduling: { provisioningModel: "SPOT", preemptible: true, automaticRestart: false } },
    ],
    [
      "a Spot VM that is to be a standard VM",
      { scheduling: { provisioningModel: "SPOT" } },
      { not_preemptible: true },
      "setScheduling",
      { scheduling: { provisioningModel: "STANDARD", preemptible: false } },
    ],
    [
      "no limit of its run",
      {},
      { max_run_duration: "2h" },
      "setScheduling",
      { scheduling: { provisioningModel: "SPOT", maxRunDuration: { seconds: "7200" } } },
    ],
    [
      "a limit of its run",
      { scheduling: { provisioningModel: "SPOT", maxRunDuration: { seconds: "3600" }, instanceTerminationAction: "STOP" } },
      {},
      "setScheduling",
      { scheduling: { provisioningModel: "SPOT", instanceTerminationAction: "STOP" } },
      ["maxRunDuration"],
    ],
    [
      "a limit of the run of a standard VM that was to be a Spot VM",
      { scheduling: { provisioningModel: "STANDARD", maxRunDuration: { seconds: "3600" }, instanceTerminationAction: "STOP" } },
      { spot_fallback: true },
      "setScheduling",
      { scheduling: { provisioningModel: "STANDARD" } },
      ["maxRunDuration", "instanceTerminationAction"],
    ],
    ["other tags", { tags: { items: ["ssh"] } }, {}, "setTags", { tags: { items: ["http-server"] } }],
    ["no tags", { tags: {} }, {}, "setTags", { tags: { items: ["http-server"] } }],
    [
      "no metadata",
      {},
      { metadata: { color: "green" } },
      "setMetadata",
      { metadata: { items: [{ key: "color", value: "green" }] } },
    ],
    [
      "no script for its shutdown",
      {},
      { shutdown_script: "echo bye" },
      "setMetadata",
      { metadata: { items: [{ key: "shutdown-script", value: "echo bye" }] } },
    ],
    [
      "other labels",
      { labels: { team: "blog", tool: "gcloud" } },
      { labels: { team: "shop" } },
      "setLabels",
      { labels: { team: "shop", tool: "gcloud" } },
    ],
    ["no labels", {}, { labels: { team: "shop" } }, "setLabels", { labels: { team: "shop" } }],
  ])("(%s) only that is changed, once", async ([, fields, own, change, after, cleared = []], { launch }) => {
    const { cloud, worker } = await launch({ vm: { on_drift: "apply", instance: own as Record<string, unknown> } });
    await insert(cloud, fields as Record<string, unknown>);
    await stopExternally(cloud);

    expect((await worker.fetch("/")).status).toBe(200);

    expect(await cloud.operations()).toEqual(["insert", "stop", change, "start"]);
    const resource = await cloud.resource();
    expect(resource).toMatchObject(after);
    for (const option of cleared) expect(resource.scheduling).not.toHaveProperty(option);
    expect((await worker.vm()).drift).toEqual([]);

    await worker.stopVm();
    expect((await worker.fetch("/")).status).toBe(200);

    expect((await cloud.operations()).slice(-2)).toEqual(["stop", "start"]);
    expect((await worker.vm()).drift).toEqual([]);
  });

  test("what the proxy has made itself is in line", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm });
    await worker.fetch("/");

    expect((await worker.vm()).drift).toEqual([]);
    await worker.stopVm();
    expect((await worker.fetch("/")).status).toBe(200);

    expect(await cloud.operations()).toEqual(["insert", "stop", "start"]);
    expect((await worker.vm()).drift).toEqual([]);
  });

  test("a change by somebody else meanwhile is not lost: it is looked at again", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { on_drift: "apply", instance: { metadata: { color: "green" } } } });
    await insert(cloud, { metadata: { items: [{ key: "ssh-keys", value: "old" }] } });
    await stopExternally(cloud);
    await cloud.fault({ method: "instances.setMetadata", status: 412 });

    expect((await worker.fetch("/")).status).toBe(200);

    expect(await cloud.calls()).toMatchObject({ "instances.setMetadata": 2, "instances.start": 1 });
    expect(metadataOf(await cloud.resource())).toEqual({ color: "green", "ssh-keys": "old" });
  });

  test("a change that is refused is a 502, whose cause is the operator's", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm });
    await insert(cloud, found);
    await stopExternally(cloud);
    await cloud.fault({ method: "instances.setMachineType", status: 403 });

    await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

    expect(await worker.vm()).toMatchObject({
      state: "failed",
      error: expect.stringMatching(/cannot be brought in line with the configuration: Compute Engine responded 403/),
    });
    expect(await cloud.calls()).not.toHaveProperty("instances.start");
    expect(await cloud.instance()).toMatchObject({ status: "TERMINATED" });
  });

  test("a suspended instance is resumed as it is", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { ...vm, on_idle: "suspend" } });
    await insert(cloud, found);
    await worker.fetch("/");
    await worker.admin("POST", "vms/backend/suspend");
    await worker.untilVm("suspended");

    expect((await worker.fetch("/")).status).toBe(200);

    expect(await cloud.operations()).toEqual(["insert", "suspend", "resume"]);
    expect((await worker.vm()).drift).toEqual(differences);
  });
});

async function insert(cloud: Emulator, fields: Record<string, unknown>): Promise<void> {
  await waitFor(cloud, await cloud.call("POST", "zones/us-central1-a/instances", instanceResource(fields)));
}

async function stopExternally(cloud: Emulator): Promise<void> {
  await waitFor(cloud, await cloud.call("POST", "zones/us-central1-a/instances/backend/stop"));
}

async function waitFor(cloud: Emulator, { name }: Record<string, unknown>): Promise<void> {
  await cloud.call("POST", `zones/us-central1-a/operations/${String(name)}/wait`);
}

function metadataOf(resource: Record<string, unknown>): Record<string, string> {
  const { items } = resource.metadata as { items: { key: string; value: string }[] };
  return Object.fromEntries(items.map(({ key, value }) => [key, value]));
}
