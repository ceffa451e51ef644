// The Compute Engine request that each instance setting leads to.

import { expect } from "vitest";
import { instanceResource } from "../harness/external-changes.ts";
import { expectProblem } from "../harness/problem.ts";
import { test } from "../harness/test.ts";

test("every option reaches the instance", async ({ launch }) => {
  const instance = {
    machine_type: "n1-standard-4",
    accelerators: [{ type: "nvidia-tesla-t4", count: 2 }],
    boot_disk_size: 50,
    boot_disk_type: "pd-ssd",
    network: "web",
    subnetwork: "web-us",
    labels: { team: "shop", env: "test" },
    service_account: "vm@emulator-project.iam.gserviceaccount.com",
    not_preemptible: true,
    max_run_duration: "4h",
    startup_script: "echo hi",
    shutdown_script: "echo bye",
    resource: {
      description: "as the API names it",
      canIpForward: true,
      scheduling: { automaticRestart: false },
      shieldedInstanceConfig: { enableSecureBoot: true },
    },
  };
  const { cloud, worker } = await launch({ vm: { instance } });

  expect((await worker.fetch("/")).status).toBe(200);

  const resource = await cloud.resource();
  expect(resource).toMatchObject({
    machineType: expect.stringMatching(/\/machineTypes\/n1-standard-4$/),
    guestAccelerators: [
      { acceleratorType: expect.stringMatching(/zones\/us-central1-a\/acceleratorTypes\/nvidia-tesla-t4$/), acceleratorCount: 2 },
    ],
    disks: [{ boot: true, diskSizeGb: "50" }],
    networkInterfaces: [
      {
        network: expect.stringMatching(/\/global\/networks\/web$/),
        subnetwork: expect.stringMatching(/\/regions\/us-central1\/subnetworks\/web-us$/),
      },
    ],
    labels: { team: "shop", env: "test" },
    serviceAccounts: [
      {
        email: "vm@emulator-project.iam.gserviceaccount.com",
        scopes: ["https://www.googleapis.com/auth/cloud-platform"],
      },
    ],
    // Merged fields keep the fields beside them.
    scheduling: {
      provisioningModel: "STANDARD",
      onHostMaintenance: "TERMINATE",
      maxRunDuration: { seconds: "14400" },
      instanceTerminationAction: "STOP",
      automaticRestart: false,
    },
    metadata: {
      items: [
        { key: "shutdown-script", value: "echo bye" },
        { key: "startup-script", value: "echo hi" },
      ],
    },
    description: "as the API names it",
    canIpForward: true,
    shieldedInstanceConfig: { enableSecureBoot: true },
  });
  expect((await worker.vm()).drift).toEqual([]);
});

test("a list in resource takes the place of the proxy's own", async ({ launch }) => {
  const image = "projects/debian-cloud/global/images/family/debian-12";
  const disks = [
    { boot: true, autoDelete: true, initializeParams: { sourceImage: image } },
    { autoDelete: true, initializeParams: { diskName: "data", diskSizeGb: "100" } },
  ];
  const { cloud, worker } = await launch({ vm: { instance: { resource: { disks } } } });

  expect((await worker.fetch("/")).status).toBe(200);

  const { disks: made } = await cloud.resource();
  expect(made).toMatchObject([{ boot: true }, { boot: false, diskSizeGb: "100", source: expect.stringMatching(/\/disks\/data$/) }]);
});

test("what the API does not know in resource is refused with its reason", async ({ launch }) => {
  const { worker } = await launch({ vm: { instance: { resource: { machinType: "e2-small" } } } });

  await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

  expect((await worker.vm()).error).toMatch(/Compute Engine responded 400.*machinType/s);
});

test("the instance may be in another project than the service account", async ({ launch }) => {
  const { project_id, setting } = { project_id: "another-project", setting: { project: "emulator-project" } };
  const { cloud, worker } = await launch({ key: { project_id }, vm: { instance: setting } });

  expect((await worker.fetch("/")).status).toBe(200);

  expect(await cloud.instance()).toMatchObject({ name: "backend", status: "RUNNING" });
  expect(await worker.vm()).toMatchObject({ state: "running" });
});

test("an internal address may be a fixed one", async ({ launch }) => {
  const asked: string[] = [];
  const NET = async (request: Request) => {
    asked.push(new URL(request.url).hostname);
    return new Response("from inside");
  };
  const { cloud, worker } = await launch({
    networks: { NET },
    vm: { vpc: "NET", instance: { address: "internal", static_address: "10.128.0.77" } },
  });

  expect(await (await worker.fetch("/")).text()).toBe("from inside");

  expect(new Set(asked)).toEqual(new Set(["10.128.0.77"]));
  expect(await cloud.resource()).toMatchObject({ networkInterfaces: [{ networkIP: "10.128.0.77" }] });
});

test("an instance without the address that is asked for is refused with what to do", async ({ launch }) => {
  const { cloud, worker } = await launch();
  const networkInterfaces = [{ network: "global/networks/default" }];
  const { name } = await cloud.call("POST", "zones/us-central1-a/instances", instanceResource({ networkInterfaces }));
  await cloud.call("POST", `zones/us-central1-a/operations/${String(name)}/wait`);

  await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

  const { error } = await worker.vm();
  expect(error).toMatch(/has no external IPv4 address \(instance\.address = "external"\).*"internal" or "ipv6"/);
});

test("an instance may be made from a template", async ({ launch }) => {
  const { cloud, worker } = await launch({ vm: { instance: { source_instance_template: "web", labels: { team: "shop" } } } });
  const { name: _, zone: __, ...properties } = instanceResource({ machineType: "e2-small", labels: { env: "test", team: "blog" } });
  const { name } = await cloud.call("POST", "global/instanceTemplates", { name: "web", properties });
  await cloud.call("POST", `global/operations/${String(name)}/wait`);

  expect((await worker.fetch("/")).status).toBe(200);

  expect(await cloud.resource()).toMatchObject({
    machineType: expect.stringMatching(/\/machineTypes\/e2-small$/),
    labels: { env: "test", team: "shop" },
  });
  expect((await worker.vm()).drift).toEqual([]);
});

test("an external address may be a reserved one", async ({ launch }) => {
  const { cloud, startAgain } = await launch();
  const { name } = await cloud.call("POST", "regions/us-central1/addresses", { name: "web" });
  await cloud.call("POST", `regions/us-central1/operations/${String(name)}/wait`);
  const { address } = await cloud.call("GET", "regions/us-central1/addresses/web");
  const worker = await startAgain({ vm: { instance: { static_address: address } } });

  expect((await worker.fetch("/")).status).toBe(200);

  expect(await cloud.resource()).toMatchObject({ networkInterfaces: [{ accessConfigs: [{ natIP: address }] }] });
});

test("a VM may be reached over IPv6", async ({ launch }) => {
  const { cloud, startAgain } = await launch();
  const ipv6AccessConfigs = [{ type: "DIRECT_IPV6", networkTier: "PREMIUM" }];
  const networkInterfaces = [{ subnetwork: "regions/us-central1/subnetworks/dual", stackType: "IPV4_IPV6", ipv6AccessConfigs }];
  await cloud.call("POST", "zones/us-central1-a/instances", instanceResource({ networkInterfaces }));
  await cloud.until("RUNNING");
  // The emulators of a machine share its one IPv6 loopback address: each uses another port.
  const port = (await cloud.instance())?.ipv6_port;
  const worker = await startAgain({ vm: { port, instance: { address: "ipv6", subnetwork: "dual" } } });

  expect((await worker.fetch("/")).status).toBe(200);

  expect(await worker.vm()).toMatchObject({ state: "running", public_ip: "::1" });
});
