// A panic ends the wasm instance and everything that waits in it; the next call gets a new
// instance.

import { expect } from "vitest";
import { test } from "../harness/test.ts";

/**
 * The built Worker, which panics in the runtime function that a request names, and then logs it.
 */
const panicking = `
import built, { VmObject as BuiltObject } from "./index.js";

let named = null;
function panicIfNamed(name) {
  if (named !== name) return;
  named = null;
  console.log("it panics");
  // The panic hook of the worker crate sets this flag before it throws such an exception.
  globalThis.__worker_init_state.criticalError = true;
  throw new WebAssembly.RuntimeError("unreachable");
}

for (const name of ["setTimeout", "clearTimeout"]) {
  const real = globalThis[name].bind(globalThis);
  globalThis[name] = (...args) => {
    panicIfNamed(name);
    return real(...args);
  };
}

// Only the object calls its storage.
export class VmObject extends BuiltObject {
  constructor(state, env) {
    const { storage } = state;
    const setAlarm = storage.setAlarm.bind(storage);
    storage.setAlarm = (...args) => {
      panicIfNamed("setAlarm");
      return setAlarm(...args);
    };
    super(state, env);
  }
}

export default {
  ...built,
  fetch(request, env, ctx) {
    named = request.headers.get("x-panic");
    return built.fetch(request, env, ctx);
  },
};
`;

test.for([
  ["before a request has first waited", "setTimeout"],
  ["in a callback with the answer", "clearTimeout"],
] as const)("after a panic %s, others are answered", async ([, name], { launch }) => {
  const { cloud, worker } = await launch({ main: panicking, mayLog: /RuntimeError|Critical error|hung/ });
  expect((await worker.fetch("/")).status).toBe(200);
  const gone = new AbortController();
  const lost = worker.fetch("/", { headers: { "x-panic": name }, signal: gone.signal }).catch(() => undefined);
  await worker.untilLogged(/it panics/);

  for (const path of ["/", "/bytes/100000", "/"]) expect((await worker.fetch(path)).status).toBe(200);

  expect(await worker.vm()).toMatchObject({ state: "running" });
  expect(await cloud.operations()).toEqual(["insert"]);
  gone.abort();
  await lost;
});

test("after a panic in the VM's object, it is made anew of what is stored, and so is the wasm instance", async ({ launch }) => {
  const { cloud, worker } = await launch({ main: panicking, mayLog: /RuntimeError|Critical error|hung/ });
  expect((await worker.fetch("/")).status).toBe(200);
  await worker.admin("POST", "vms/backend/stop?wait=true");
  await worker.untilVm("stopped");
  const gone = new AbortController();
  const lost = worker.fetch("/", { headers: { "x-panic": "setAlarm" }, signal: gone.signal }).catch(() => undefined);
  await worker.untilLogged(/it panics/);

  expect((await worker.fetch("/")).status).toBe(200);

  await worker.untilLogged(/Starting anew after a panic/);
  expect(await worker.vm()).toMatchObject({ state: "running" });
  expect(await cloud.operations()).toEqual(["insert", "stop", "start"]);
  gone.abort();
  await lost;
});
