// Failures: the client gets a clear response, the operator the cause, and Compute Engine few calls.

import { generateKeyPairSync } from "node:crypto";
import { describe, expect } from "vitest";
import { booting, type Emulator } from "../harness/emulator.ts";
import { expectProblem } from "../harness/problem.ts";
import { type Setting, test } from "../harness/test.ts";

describe("a misconfigured proxy", () => {
  test.for<[what: string, setting: Setting, cause: RegExp]>([
    [
      "a key that is not JSON",
      { variables: { GOOGLE_SERVICE_ACCOUNT_KEY: "key.json" } },
      /GOOGLE_SERVICE_ACCOUNT_KEY: not valid JSON/,
    ],
    [
      "a key without private_key",
      { variables: { GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify({ project_id: "p", client_email: "a@p" }) } },
      /GOOGLE_SERVICE_ACCOUNT_KEY: .*`private_key` is missing/,
    ],
    [
      "a private_key that is not PEM",
      { key: { private_key: "secret" } },
      /GOOGLE_SERVICE_ACCOUNT_KEY: .*`private_key` that is not in PEM/,
    ],
    [
      "no service account key",
      { variables: { GOOGLE_SERVICE_ACCOUNT_KEY: undefined } },
      /GOOGLE_SERVICE_ACCOUNT_KEY: not set; run .wrangler secret put/,
    ],
    [
      "a next key that is not JSON",
      { variables: { GOOGLE_SERVICE_ACCOUNT_KEY_NEXT: "key.json" } },
      /GOOGLE_SERVICE_ACCOUNT_KEY_NEXT: not valid JSON/,
    ],
    [
      "an unknown key",
      { vm: { idle_timeut: "5m" } },
      /VMS\[0\]\.idle_timeut: unknown key; expected one of path, .*, idle_timeout, /,
    ],
    ["an unknown key of the instance", { vm: { instance: { disk: 10 } } }, /VMS\[0\]\.instance\.disk: unknown key; expected one of name, /],
    ["a bad duration", { vm: { idle_timeout: "5 minutes" } }, /VMS\[0\]\.idle_timeout: "5 minutes" is not a duration: .*"90s"/],
    ["an origin that cannot work", { vm: { origin: "https://{ip}" } }, /VMS\[0\]\.origin: "https:\/\/\{ip\}"/],
    ["no VMs", { variables: { VMS: undefined } }, /VMS: missing/],
  ])("%s: is said in the log, and calls nobody", async ([, setting, cause], { launch }) => {
    const { cloud, worker } = await launch(setting);

    for (let request = 0; request < 20; request += 1) {
      await expectProblem(await worker.fetch("/"), 500, "The proxy is misconfigured");
    }

    await worker.untilLogged(cause);
    const health = await worker.fetch("/_vmproxy/healthz");
    expect(health.status).toBe(500);
    expect(await health.json()).toEqual({ status: "misconfigured" });
    expect(await cloud.calls()).toEqual({});
  });
});

describe("a start that is refused", () => {
  const { privateKey: strange } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });

  interface Refusal {
    setting?: Setting;
    prepare?: (cloud: Emulator) => Promise<unknown>;
    cause: RegExp;
    /** The call made once for each start attempt. */
    attempt?: string;
  }

  test.for<[what: string, refusal: Refusal]>([
    [
      "by the token server, which does not know the key",
      { setting: { key: { private_key: strange } }, cause: /Invalid JWT Signature/, attempt: "token" },
    ],
    [
      "by the private key itself, which cannot be read",
      {
        setting: { key: { private_key: "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n" } },
        cause: /GOOGLE_SERVICE_ACCOUNT_KEY: has a `private_key` that cannot be read/,
      },
    ],
    [
      "because there is no such zone",
      { setting: { vm: { instance: { zone: "us-central1-q" } } }, cause: /us-central1-q/, attempt: "instances.get" },
    ],
    [
      "because the quota is used up",
      {
        prepare: (cloud) =>
          cloud.fault({
            method: "instances.insert",
            times: 9,
            operation_error: { code: "QUOTA_EXCEEDED", message: "Quota 'CPUS' exceeded. Limit: 8.0 in region us-central1." },
          }),
        cause: /QUOTA_EXCEEDED: Quota 'CPUS' exceeded/,
        attempt: "instances.insert",
      },
    ],
    [
      "because the zone has run out of machines",
      {
        prepare: (cloud) =>
          cloud.fault({ method: "instances.insert", times: 9, operation_error: "ZONE_RESOURCE_POOL_EXHAUSTED" }),
        cause: /ZONE_RESOURCE_POOL_EXHAUSTED/,
        attempt: "instances.insert",
      },
    ],
    [
      "because the account may not",
      {
        prepare: (cloud) => cloud.fault({ method: "instances.insert", times: 9, status: 403 }),
        cause: /Compute Engine responded 403/,
        attempt: "instances.insert",
      },
    ],
  ])("%s: is tried once in ten seconds, and its cause is the operator's", async ([, refusal], { launch }) => {
    const { cloud, worker } = await launch(refusal.setting);
    await refusal.prepare?.(cloud);

    const began = Date.now();
    for (let request = 0; request < 20; request += 1) {
      const response = await worker.fetch("/");
      const seconds = Number(response.headers.get("retry-after"));
      expect(seconds).toBeGreaterThanOrEqual(1);
      expect(seconds).toBeLessThanOrEqual(60);
      const { detail } = await expectProblem(response, 502, "The VM could not be started");
      expect(detail).not.toMatch(refusal.cause);
    }
    const attempts = 1 + Math.floor((Date.now() - began) / 10_000);

    await worker.untilLogged(refusal.cause);
    expect(await worker.vm()).toMatchObject({ state: "failed", error: expect.stringMatching(refusal.cause), public_ip: null });
    const calls = await cloud.calls();
    if (refusal.attempt) expect(calls[refusal.attempt]).toBeGreaterThanOrEqual(1);
    for (const method of ["token", "instances.get", "instances.insert"]) expect(calls[method] ?? 0).toBeLessThanOrEqual(attempts);
    expect(await cloud.instances()).toEqual([]);
  });

  test("is tried at once when the operator asks for it", async ({ launch }) => {
    const { cloud, worker } = await launch();
    await cloud.fault({ method: "instances.insert", operation_error: "ZONE_RESOURCE_POOL_EXHAUSTED" });
    await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

    const start = await worker.admin("POST", "vms/backend/start");

    expect(start.status).toBe(202);
    expect(await worker.untilVm("running")).toMatchObject({ error: null });
    expect(await cloud.calls()).toMatchObject({ "instances.insert": 2 });
    expect((await worker.fetch("/")).status).toBe(200);
  });
});

describe("a VM that does not become ready in time", () => {
  test("is a 504, and is brought down after its idle timeout", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { startup_timeout: "4s", idle_timeout: "2s" }, timing: booting });

    const { detail } = await expectProblem(await worker.fetch("/"), 504, "The VM did not start in time");

    expect(detail).toContain("4s");
    await worker.untilLogged(/startup timeout: not ready after 4s: the health path did not respond with 2xx/);
    expect(await cloud.calls()).toMatchObject({ "instances.insert": 1 });
    await cloud.until("TERMINATED");
  });

  test("is a 502 when it runs and its server has crashed, without a storm of calls", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { startup_timeout: "5s" } });
    expect((await worker.fetch("/")).status).toBe(200);
    await cloud.afflict("crash");
    const before = await cloud.calls();

    await expectProblem(await worker.fetch("/"), 502, "The VM's server does not respond");

    expect(await cloud.calls()).toEqual({ ...before, "instances.get": (before["instances.get"] ?? 0) + 1 });
  });

  test("is a 504 too when its server hangs", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { startup_timeout: "5s" } });
    await worker.fetch("/");
    await worker.admin("POST", "vms/backend/stop");
    await cloud.until("TERMINATED");
    await cloud.timing(booting);
    const waiting = worker.fetch("/");
    await cloud.until("RUNNING");
    await cloud.afflict("hang");

    await expectProblem(await waiting, 504, "The VM did not start in time");
  });
});

describe("a hiccup on the way", () => {
  test.for<[what: string, fault: Parameters<Emulator["fault"]>[0]]>([
    ["the API is unavailable twice", { method: "instances.get", times: 2, status: 503 }],
    ["the insert is refused twice for now", { method: "instances.insert", times: 2, status: 503 }],
    ["there were too many calls", { method: "instances.insert", status: 429 }],
    ["waiting for the operation breaks off", { method: "zoneOperations.wait", times: 2, drop: true }],
    ["the token server is down twice", { method: "token", times: 2, drop: true }],
    ["the answer to the insert is lost", { method: "instances.insert", drop: "answer" }],
    ["the insert itself is lost", { method: "instances.insert", drop: true }],
  ])("(%s) only delays the request, and makes one instance", async ([, fault], { launch }) => {
    const { cloud, worker } = await launch();
    await cloud.fault(fault);

    const response = await worker.fetch("/");

    expect(response.status).toBe(200);
    expect(await cloud.instances()).toMatchObject([{ name: "backend", status: "RUNNING", boots: 1 }]);
    expect((await cloud.calls())[fault.method]).toBeGreaterThan(fault.times ?? 1);
    expect(await worker.vm()).toMatchObject({ state: "running", error: null });
  });
});

test("a path that no VM serves is a 404, and wakes nothing", async ({ launch }) => {
  const { cloud, worker } = await launch({ vm: { path: "/app" } });

  await expectProblem(await worker.fetch("/apple"), 404, "Not found");

  expect(await cloud.calls()).toEqual({});
});

test("a host that no VM serves is a 404, and wakes nothing", async ({ launch }) => {
  const { cloud, worker } = await launch({ vm: { host: "app.example.com" } });
  const status = async (host: string) => (await worker.request("/", { headers: { host } })).status;

  expect(await status("other.example.com")).toBe(404);

  expect(await cloud.calls()).toEqual({});
  expect(await status("app.example.com")).toBe(200);
});

test("a request that does not want to wait is told when to come again", async ({ launch }) => {
  const { cloud, worker } = await launch({ vm: { cold_start: "reject" } });

  const response = await worker.fetch("/");

  expect(response.headers.get("retry-after")).toBe("10");
  await expectProblem(response, 503, "The VM is starting");
  await worker.untilVm("running");
  expect((await worker.fetch("/")).status).toBe(200);
  expect(await cloud.calls()).toMatchObject({ "instances.insert": 1 });
});
