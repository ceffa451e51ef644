// Authentication of the proxy with Google.

import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { describe, expect } from "vitest";
import type { KeyFile } from "../harness/emulator.ts";
import { expectProblem } from "../harness/problem.ts";
import { type Setting, test, type World } from "../harness/test.ts";

const starter = "vm-starter@emulator-project.iam.gserviceaccount.com";

/** Returns a key file that the token server does not know. */
function withUnknownKey(key: KeyFile): string {
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return JSON.stringify({ ...key, private_key: privateKey });
}

function pkcs1(pem: string): string {
  return createPrivateKey(pem).export({ type: "pkcs1", format: "pem" }).toString();
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64").replace(/.{76}/g, "$&\n");
}

/**
 * Sends the first request, expects the VM's response and no secret in any output; returns the calls
 * that the start took.
 */
async function start({ cloud, worker }: World): Promise<Record<string, number>> {
  const response = await worker.fetch("/");
  expect(response.status).toBe(200);
  const status = JSON.stringify(await worker.vm());
  for (const told of [worker.log, status, JSON.stringify([...response.headers])]) expectNoSecret(told);
  return await cloud.calls();
}

// Every JWT begins with "eyJ", every access token with "ya29.".
function expectNoSecret(text: string): void {
  expect(text).not.toMatch(/PRIVATE KEY|eyJ|ya29\./);
}

describe("the key", () => {
  const key = "GOOGLE_SERVICE_ACCOUNT_KEY";

  test.for<[how: string, setting: Setting]>([
    ["as JSON", {}],
    ["as JSON in base64", { variables: (file) => ({ [key]: base64(JSON.stringify(file)) }) }],
    ["in PKCS#1", { variables: (file) => ({ [key]: JSON.stringify({ ...file, private_key: pkcs1(file.private_key) }) }) }],
    ["in a Secrets Store", { stored: [key] }],
    ["in a Secrets Store in base64", { stored: [key], variables: (file) => ({ [key]: base64(JSON.stringify(file)) }) }],
  ])("%s is exchanged for a token, once", async ([, setting], { launch }) => {
    const world = await launch(setting);

    expect(await start(world)).toMatchObject({ token: 1, "instances.insert": 1 });
  });

  test("in a Secrets Store that is none is told when it is needed", async ({ launch }) => {
    const { cloud, worker } = await launch({ stored: [key], variables: { [key]: "key.json" } });

    expect((await worker.fetch("/_vmproxy/healthz")).status).toBe(200);
    await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

    await worker.untilLogged(/GOOGLE_SERVICE_ACCOUNT_KEY: not valid JSON/);
    expect(await cloud.calls()).toEqual({});
  });

  test("in a Secrets Store may be changed while the proxy runs", async ({ launch }) => {
    const { cloud, worker } = await launch({ stored: [key], variables: (file) => ({ [key]: withUnknownKey(file) }) });
    await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

    await worker.store(key, JSON.stringify(await cloud.keyFile()));

    await worker.admin("POST", "vms/backend/start");
    await worker.untilVm("running");
    expect(await cloud.calls()).toMatchObject({ token: 2, "instances.insert": 1 });
  });

  test.for<[where: string, setting: Setting]>([
    ["secrets", {}],
    ["Secrets Stores", { stored: [key, `${key}_NEXT`] }],
  ])("that is refused gives way to the next one, in %s, for good", async ([, setting], { launch }) => {
    const world = await launch({
      ...setting,
      variables: (file) => ({ [key]: withUnknownKey(file), [`${key}_NEXT`]: JSON.stringify(file) }),
    });

    expect(await start(world)).toMatchObject({ token: 2, "instances.insert": 1 });

    const { cloud, worker } = world;
    expect(worker.log).toContain(
      "refused the service account key of GOOGLE_SERVICE_ACCOUNT_KEY (400 invalid_grant: Invalid JWT Signature.): " +
        "trying the key of GOOGLE_SERVICE_ACCOUNT_KEY_NEXT instead",
    );
    // The next token is requested with the key that worked.
    await worker.admin("POST", "vms/backend/stop");
    await worker.untilVm("stopped");
    await cloud.fault({ method: "instances.get", status: 401 });
    expect((await worker.fetch("/")).status).toBe(200);
    expect(await cloud.calls()).toMatchObject({ token: 3 });
  });

  test("and the next one may both be refused: each is tried once", async ({ launch }) => {
    const { cloud, worker } = await launch({
      variables: (file) => ({ [key]: withUnknownKey(file), [`${key}_NEXT`]: withUnknownKey(file) }),
    });

    await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

    expect(await cloud.calls()).toEqual({ token: 2 });
    expect((await worker.vm()).error).toContain("refused the service account key of GOOGLE_SERVICE_ACCOUNT_KEY_NEXT");
    expectNoSecret(worker.log);
  });
});

describe("a self-signed token", () => {
  test("needs no token server", async ({ launch }) => {
    const world = await launch({ variables: { AUTH: "self_signed" } });

    const calls = await start(world);

    expect(calls).not.toHaveProperty("token");
    expect(calls).toMatchObject({ "instances.insert": 1 });
  });

  test("that the API refuses is not tried again: the key is exchanged", async ({ launch }) => {
    const world = await launch({ variables: { AUTH: "self_signed" } });
    const { cloud, worker } = world;
    await cloud.fault({ method: "instances.get", status: 401 });

    expect(await start(world)).toMatchObject({ token: 1, "instances.insert": 1 });

    expect(worker.log).toContain("Google refused the self-signed token: the key is exchanged for tokens instead");
    // The next token is exchanged as well.
    await worker.admin("POST", "vms/backend/stop");
    await worker.untilVm("stopped");
    await cloud.fault({ method: "instances.get", status: 401 });
    expect((await worker.fetch("/")).status).toBe(200);
    expect(await cloud.calls()).toMatchObject({ token: 2 });
    expect(worker.log.match(/refused the self-signed token/g)).toHaveLength(1);
  });

  test("of a key that Google does not know is a refusal of the key", async ({ launch }) => {
    const { cloud, worker } = await launch({
      variables: (file) => ({ AUTH: "self_signed", GOOGLE_SERVICE_ACCOUNT_KEY: withUnknownKey(file) }),
    });

    await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

    expect(await cloud.calls()).toEqual({ "instances.get": 1, token: 1 });
    expect((await worker.vm()).error).toContain("Invalid JWT Signature");
  });
});

describe("another service account", () => {
  const method = "serviceAccounts.generateAccessToken";

  test("is impersonated with a token of one's own", async ({ launch }) => {
    const world = await launch({ variables: { IMPERSONATE_SERVICE_ACCOUNT: starter } });

    expect(await start(world)).toMatchObject({ token: 1, [method]: 1, "instances.insert": 1 });
  });

  test("is impersonated with a self-signed token", async ({ launch }) => {
    const world = await launch({ variables: { AUTH: "self_signed", IMPERSONATE_SERVICE_ACCOUNT: starter } });

    const calls = await start(world);

    expect(calls).toMatchObject({ [method]: 1, "instances.insert": 1 });
    expect(calls).not.toHaveProperty("token");
  });

  test("is impersonated with an exchanged token if the self-signed one is refused", async ({ launch }) => {
    const world = await launch({ variables: { AUTH: "self_signed", IMPERSONATE_SERVICE_ACCOUNT: starter } });
    await world.cloud.fault({ method, status: 401 });

    expect(await start(world)).toMatchObject({ token: 1, [method]: 2, "instances.insert": 1 });
  });

  test("may be none that the key's account can be", async ({ launch }) => {
    const other = "other@emulator-project.iam.gserviceaccount.com";
    const { cloud, worker } = await launch({ variables: { IMPERSONATE_SERVICE_ACCOUNT: other } });

    await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

    expect((await worker.vm()).error).toContain(
      `refused to impersonate ${other} (403 PERMISSION_DENIED: Permission 'iam.serviceAccounts.getAccessToken' denied`,
    );
    expect(await cloud.calls()).toEqual({ token: 1, [method]: 1 });
    expectNoSecret(worker.log);
  });

  test("is waited for while IAM is out of service", async ({ launch }) => {
    const world = await launch({ variables: { IMPERSONATE_SERVICE_ACCOUNT: starter } });
    await world.cloud.fault({ method, times: 2, status: 503 });

    expect(await start(world)).toMatchObject({ [method]: 3, "instances.insert": 1 });
  });
});

test.for([3, -3])("a clock that is %i hours off is corrected by the token server's Date", async (hours, { launch }) => {
  const world = await launch();
  const { cloud, worker } = world;
  await cloud.clock(hours * 3_600_000);

  expect(await start(world)).toMatchObject({ token: 2, "instances.insert": 1 });

  expect(worker.log).toContain("the token server's clock differs from this one: its Date header is used");
  // The clock offset is kept: the next token takes one call.
  await worker.admin("POST", "vms/backend/stop");
  await worker.untilVm("stopped");
  await cloud.fault({ method: "instances.get", status: 401 });
  expect((await worker.fetch("/")).status).toBe(200);
  expect(await cloud.calls()).toMatchObject({ token: 3 });
});

describe("the quota project", () => {
  test("is told to the API", async ({ launch }) => {
    const world = await launch({ variables: { QUOTA_PROJECT: "emulator-project" } });

    expect(await start(world)).toMatchObject({ "instances.insert": 1 });
  });

  test("must be the account's to use", async ({ launch }) => {
    const { worker } = await launch({ variables: { QUOTA_PROJECT: "other" } });

    await expectProblem(await worker.fetch("/"), 502, "The VM could not be started");

    expect((await worker.vm()).error).toContain("Caller does not have required permission to use project other");
  });
});
