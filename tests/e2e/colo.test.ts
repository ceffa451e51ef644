// The cache that the isolates of one colo share.

import { expect } from "vitest";
import { test } from "../harness/test.ts";

/**
 * The built Worker with an object that fails every request: a response proves that no object was
 * involved.
 */
const withoutObject = `
export { default } from "./index.js";
export class VmObject {
  fetch() { throw new Error("the object received a request"); }
}`;

test("a new isolate knows where the VM is from the last one", async ({ launch, storage }) => {
  const { worker, startAgain } = await launch({ storage, vm: { idle_timeout: "10m" } });
  expect((await worker.fetch("/")).headers.get("x-vmproxy-cold-start")).toBe("true");
  await worker.stop();

  const isolate = await startAgain({ main: withoutObject });

  const response = await isolate.fetch("/echo");
  expect(response.status).toBe(200);
  expect(response.headers.get("x-vmproxy-cold-start")).toBe(null);
  expect(isolate.log).not.toContain("the object received a request");
});

test("a VM that is gone is not looked for where it was", async ({ launch, storage }) => {
  const { cloud, worker, startAgain } = await launch({ storage, vm: { idle_timeout: "10m" } });
  expect((await worker.fetch("/")).status).toBe(200);
  await worker.stop();
  await cloud.afflict("preempt");
  await cloud.until("TERMINATED");

  const isolate = await startAgain();

  expect((await isolate.fetch("/echo")).headers.get("x-vmproxy-cold-start")).toBe("true");
  expect(await cloud.instance()).toMatchObject({ status: "RUNNING", boots: 2 });
});
