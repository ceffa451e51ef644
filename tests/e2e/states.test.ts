// Each event in each state of an instance, reached by the proxy or by external changes. While an
// operation is in progress, Compute Engine refuses every other one, so nothing can intervene in the
// proxy's own operations: external changes meet an instance that is stable, or that boots.

import { describe, expect } from "vitest";
import { applyChanges, type Condition, conditionOf, type ExternalChange, isStable, slow, untilCondition } from "../harness/external-changes.ts";
import { booting, type Emulator, quick } from "../harness/emulator.ts";
import { expectProblem } from "../harness/problem.ts";
import { test, type World } from "../harness/test.ts";
import type { Worker } from "../harness/worker.ts";

/** An action of the proxy. */
type Step = "serve" | "stop" | "suspend" | "delete";

/** The operations that follow an event, and the final state. */
type Down = [operations: ExternalChange[], state: "absent" | "stopped" | "suspended"];

interface Outcome {
  /** The operations after which the VM responds to a request. */
  request: ExternalChange[];
  /** The outcome when the operator stops the VM. */
  stop: Down;
  /** The outcome when the operator deletes the VM. */
  delete: Down;
}

type Row = [proxy: Step[], external: ExternalChange[], condition: Condition, outcome: Outcome];

/** The events. Each has its own instance, named after the event. */
const events = ["request", "stop", "delete"] as const;
type Event = (typeof events)[number];
const setting = { vms: events.map((name) => ({ path: `/${name}`, strip_prefix: true, instance: { name } })) };

const serving: Outcome = { request: [], stop: [["stop"], "stopped"], delete: [["delete"], "absent"] };
const stopped: Outcome = { request: ["start"], stop: [[], "stopped"], delete: [["delete"], "absent"] };
const suspended: Outcome = { request: ["resume"], stop: [[], "suspended"], delete: [["delete"], "absent"] };
const gone: Outcome = { request: ["insert"], stop: [[], "absent"], delete: [[], "absent"] };

describe("a request, a stop and a delete by the operator, when the proxy finds the instance so:", () => {
  const rows: Row[] = [
    // Unknown to the proxy.
    [[], [], "gone", gone],
    [[], ["insert"], "PROVISIONING", serving],
    [[], ["insert"], "STAGING", serving],
    [[], ["insert"], "booting", serving],
    [[], ["insert"], "serving", serving],
    [[], ["insert", "stop"], "STOPPING", stopped],
    [[], ["insert", "stop"], "TERMINATED", stopped],
    [[], ["insert", "suspend"], "SUSPENDING", suspended],
    [[], ["insert", "suspend"], "SUSPENDED", suspended],
    [[], ["insert", "delete"], "STOPPING", gone],
    // Served by the proxy.
    [["serve"], [], "serving", serving],
    [["serve"], ["stop"], "STOPPING", stopped],
    [["serve"], ["stop"], "TERMINATED", stopped],
    [["serve"], ["preempt"], "STOPPING", stopped],
    [["serve"], ["preempt"], "TERMINATED", stopped],
    [["serve"], ["suspend"], "SUSPENDING", suspended],
    [["serve"], ["suspend"], "SUSPENDED", suspended],
    [["serve"], ["delete"], "STOPPING", gone],
    [["serve"], ["delete"], "gone", gone],
    [["serve"], ["reset"], "booting", serving],
    // Running again at another address.
    [["serve"], ["stop", "start"], "PROVISIONING", serving],
    [["serve"], ["stop", "start"], "serving", serving],
    [["serve"], ["suspend", "resume"], "serving", serving],
    [["serve"], ["delete", "insert"], "serving", serving],
    // Stopped by the proxy.
    [["serve", "stop"], [], "TERMINATED", stopped],
    [["serve", "stop"], ["start"], "PROVISIONING", serving],
    [["serve", "stop"], ["start"], "serving", serving],
    [["serve", "stop"], ["start", "suspend"], "SUSPENDED", suspended],
    [["serve", "stop"], ["delete"], "gone", gone],
    // Suspended by the proxy.
    [["serve", "suspend"], [], "SUSPENDED", suspended],
    [["serve", "suspend"], ["resume"], "STAGING", serving],
    [["serve", "suspend"], ["resume"], "serving", serving],
    [["serve", "suspend"], ["resume", "stop"], "TERMINATED", stopped],
    [["serve", "suspend"], ["delete"], "gone", gone],
    // Deleted by the proxy.
    [["serve", "delete"], [], "gone", gone],
    [["serve", "delete"], ["insert"], "serving", serving],
  ];

  test.for(rows)("(proxy: %j, by hand: %j) %s", async ([steps, changes, condition, outcome], { launch }) => {
    const world = await launch(setting);
    for (const step of steps) await Promise.all(events.map((name) => perform(world.worker, step, name)));
    await applyChanges(world.cloud, changes, condition, events);

    await expectOutcome(world, outcome, isStable(condition) ? 2 : 20, new Map());
  });
});

describe("a request, a stop and a delete by the operator, while the proxy is busy with the instance:", () => {
  type Busy = [proxy: Step[], step: Step, condition: Condition, outcome: Outcome];
  const rows: Busy[] = [
    [[], "serve", "PROVISIONING", serving],
    [[], "serve", "STAGING", serving],
    [[], "serve", "booting", serving],
    [["serve", "stop"], "serve", "PROVISIONING", serving],
    [["serve", "suspend"], "serve", "STAGING", serving],
    [["serve"], "stop", "STOPPING", stopped],
    [["serve"], "suspend", "SUSPENDING", suspended],
    [["serve"], "delete", "STOPPING", gone],
  ];

  test.for(rows)("(proxy: %j, then %s) %s", async ([earlier, step, condition, outcome], { launch }) => {
    const world = await launch(setting);
    const { cloud, worker } = world;
    for (const step of earlier) await Promise.all(events.map((name) => perform(worker, step, name)));
    await cloud.timing(slow(condition));
    const held = new Map<Event, Promise<Response>>();
    if (step === "serve") for (const name of events) held.set(name, worker.fetch(`/${name}/echo`));
    else await Promise.all(events.map((name) => operate(worker, step, name)));
    await untilCondition(cloud, condition, events);
    await cloud.timing(quick);

    await expectOutcome(world, outcome, 2, held);
  });
});

// The proxy reads a booting instance every 30 s, so all of these wait in parallel.
test("a VM that is changed by hand while the proxy waits for its server is served all the same", async ({ launch }) => {
  const rows: [name: string, changes: ExternalChange[], condition: Condition, operations: string[]][] = [
    ["stopped", ["stop"], "TERMINATED", ["insert", "stop", "start"]],
    ["preempted", ["preempt"], "TERMINATED", ["insert", "compute.instances.preempted", "start"]],
    ["suspended", ["suspend"], "SUSPENDED", ["insert", "suspend", "resume"]],
    ["deleted", ["delete"], "gone", ["insert", "delete", "insert"]],
    ["moved", ["stop", "start"], "serving", ["insert", "stop", "start"]],
  ];
  const { cloud, worker } = await launch({
    vms: rows.map(([name]) => ({ path: `/${name}`, strip_prefix: true, instance: { name } })),
    timing: booting,
  });
  const held = rows.map(([name]) => worker.fetch(`/${name}/echo`));
  await Promise.all(rows.map(([name]) => worker.untilVm("booting", name)));
  await cloud.timing(quick);

  await Promise.all(rows.map(([name, changes, condition]) => applyChanges(cloud, changes, condition, [name])));

  for (const [index, [name, , , operations]] of rows.entries()) {
    const response = await held[index]!;
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ instance: name });
    expect(await cloud.operations(name)).toEqual(operations);
  }
});

/** Triggers each event for the VM named after it, and checks its outcome. */
async function expectOutcome(
  world: World,
  outcome: Outcome,
  refusals: number,
  held: ReadonlyMap<Event, Promise<Response>>,
): Promise<void> {
  const { cloud } = world;
  const before = { calls: await mutations(cloud), operations: await operationsOf(cloud) };

  await Promise.all([
    expectServed(world, "request"),
    expectDown(world, "stop", outcome.stop[1]),
    expectDown(world, "delete", outcome.delete[1]),
  ]);

  const after = { calls: await mutations(cloud), operations: await operationsOf(cloud) };
  const follow = (event: Event) => after.operations[event].slice(before.operations[event].length);
  const [stop, state] = outcome.stop;
  // A stop of a stopped instance has no effect.
  const isStopped = state === "stopped" && stop.length === 0;
  expect({
    request: follow("request"),
    stop: follow("stop").filter((operation) => !isStopped || operation !== "stop"),
    delete: follow("delete"),
  }).toEqual({ request: outcome.request, stop, delete: outcome.delete[0] });
  // Refused calls are not repeated endlessly.
  const operations = events.flatMap(follow).length;
  expect(after.calls - before.calls - operations).toBeLessThanOrEqual(refusals);

  if (held.size > 0) {
    expect((await held.get("request"))?.status).toBe(200);
    for (const event of ["stop", "delete"] as const) await expectProblem((await held.get(event))!, 503, "The VM is being stopped");
  }
  // After any action of the operator the next request is served.
  await Promise.all([expectServed(world, "stop"), expectServed(world, "delete")]);
}

/** Sends a request, and expects the VM to serve it. */
async function expectServed({ cloud, worker }: World, name: Event): Promise<void> {
  const response = await worker.fetch(`/${name}/echo`);
  expect(response.status, `a request for ${name}`).toBe(200);
  expect(await response.json()).toMatchObject({ instance: name, url: "/echo" });
  const { public_ip } = await cloud.until("RUNNING", name);
  expect(await worker.vm(name)).toMatchObject({ state: "running", public_ip, error: null });
  expect(await conditionOf(cloud, name)).toBe("serving");
}

/** Sends the operator's action, and expects its final state. */
async function expectDown({ cloud, worker }: World, action: "stop" | "delete", state: Down[1]): Promise<void> {
  await operate(worker, action, action);
  await worker.untilVm(state, action);
  expect(await conditionOf(cloud, action), action).toBe({ absent: "gone", stopped: "TERMINATED", suspended: "SUSPENDED" }[state]);
}

async function operationsOf(cloud: Emulator): Promise<Record<Event, string[]>> {
  const [request = [], stop = [], del = []] = await Promise.all(events.map((name) => cloud.operations(name)));
  return { request, stop, delete: del };
}

async function mutations(cloud: Emulator): Promise<number> {
  const methods = ["insert", "start", "resume", "stop", "suspend", "delete"];
  const calls = await cloud.calls();
  return methods.reduce((sum, method) => sum + (calls[`instances.${method}`] ?? 0), 0);
}

/** Makes the proxy perform the step, and waits for its end. */
async function perform(worker: Worker, step: Step, name: Event): Promise<void> {
  if (step === "serve") {
    expect((await worker.fetch(`/${name}/`)).status).toBe(200);
    return;
  }
  await operate(worker, step, name);
  await worker.untilVm({ stop: "stopped", suspend: "suspended", delete: "absent" }[step], name);
}

async function operate(worker: Worker, action: "stop" | "suspend" | "delete", name: Event): Promise<void> {
  expect((await worker.admin("POST", `vms/${name}/${action}`)).status).toBe(202);
}
