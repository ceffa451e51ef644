// keep_awake and wake_at, with the runtime's own time zones.

import { setTimeout as pause } from "node:timers/promises";
import { describe, expect } from "vitest";
import { moveClock, withMovableClock } from "../harness/clock.ts";
import { eventually } from "../harness/eventually.ts";
import { test } from "../harness/test.ts";

/** Returns a window that is open and stays open for hours. */
const always = "daily 00:00-24:00 UTC";

test("a VM in its window is started by the cron trigger, and outlives its idle timeout", async ({ launch }) => {
  const windows: [name: string, setting: object][] = [
    ["kept", { keep_awake: [always] }],
    ["plain", {}],
  ];
  const { cloud, worker } = await launch({
    vms: windows.map(([name, setting]) => ({
      path: `/${name}`,
      strip_prefix: true,
      idle_timeout: "1s",
      ...setting,
      instance: { name },
    })),
  });
  await worker.scheduled();
  await worker.untilVm("running", "kept");
  expect(await cloud.instance("plain")).toBeUndefined();

  // Long after the end of the first VM's idle timeout.
  for (let round = 0; round < 3; round++) {
    expect((await worker.fetch("/plain/")).status).toBe(200);
    await cloud.until("TERMINATED", "plain");
  }

  const { state, idle_deadline } = await worker.vm("kept");
  expect(state).toBe("running");
  expect(Date.parse(idle_deadline!)).toBeGreaterThan(Date.now() + 24 * 60 * 60 * 1000);
  expect(await cloud.operations("kept")).toEqual(["insert"]);
});

test("a VM is started by the object's own alarm when its time comes, and goes down after its idle timeout", { timeout: 120_000 }, async ({ launch }) => {
  // The object must know the schedule some seconds in advance.
  if (new Date().getUTCSeconds() > 50) await pause(11_000);
  const next = new Date(Math.ceil(Date.now() / 60_000) * 60_000);
  const { cloud, worker } = await launch({
    vm: { idle_timeout: "1s", wake_at: [`daily ${next.toISOString().slice(11, 16)} UTC`] },
  });
  await worker.scheduled();
  expect(await worker.vm()).toMatchObject({ state: "absent", last_activity: null });

  await eventually("the VM is woken", async () => (await worker.vm()).last_activity !== null, 75_000);

  expect(Date.now()).toBeGreaterThanOrEqual(next.getTime());
  await cloud.until("TERMINATED");
  expect(await cloud.operations()).toEqual(["insert", "stop"]);
});

test("a VM is started when its window begins and goes down when it is over", async ({ launch }) => {
  const { cloud, worker } = await launch({
    main: withMovableClock,
    vm: { idle_timeout: "1s", keep_awake: ["Mon-Fri 08:00-18:00 Europe/Berlin"] },
  });
  await moveClock(worker, "2027-03-29T05:59:50Z");
  await worker.scheduled();
  expect((await worker.vm()).state).toBe("absent");

  await moveClock(worker, "2027-03-29T06:00:00Z");
  await worker.scheduled();
  const { idle_deadline } = await worker.untilVm("running");
  expect(idle_deadline).toBe("2027-03-29T16:00:00.000Z");

  await moveClock(worker, "2027-03-29T16:00:05Z");
  await worker.scheduled();
  await cloud.until("TERMINATED");
  expect(await cloud.operations()).toEqual(["insert", "stop"]);
});

describe("the runtime's time zones", () => {
  // Each window contains the given instant; the status has its end.
  test.for([
    ["2027-03-28T00:30:00Z", "Sun 00:00-24:00 Europe/Berlin", "2027-03-28T22:00:00.000Z"],
    ["2027-10-30T23:30:00Z", "Sun 00:00-24:00 Europe/Berlin", "2027-10-31T23:00:00.000Z"],
    ["2027-11-07T05:00:00Z", "Sun 00:00-03:00 America/New_York", "2027-11-07T08:00:00.000Z"],
    ["2027-04-03T14:00:00Z", "Sun 00:00-03:00 Australia/Lord_Howe", "2027-04-03T16:30:00.000Z"],
    ["2027-06-01T02:00:00Z", "daily 07:00-08:00 Asia/Kathmandu", "2027-06-01T02:15:00.000Z"],
    ["2027-06-01T12:00:00Z", "daily 09:00-10:00 America/St_Johns", "2027-06-01T12:30:00.000Z"],
  ] as const)("at %s %s ends at %s", async ([now, window, end], { launch }) => {
    const { worker } = await launch({ main: withMovableClock, vm: { idle_timeout: "1s", keep_awake: [window] } });
    await moveClock(worker, now);
    await worker.scheduled();
    expect((await worker.untilVm("running")).idle_deadline).toBe(end);
  });
});

test("the operator's stop goes before the window", async ({ launch }) => {
  const { cloud, worker } = await launch({ vm: { keep_awake: [always] } });
  await worker.scheduled();
  await worker.untilVm("running");

  expect((await worker.admin("POST", "vms/backend/stop")).status).toBe(202);
  await worker.untilVm("stopped");
  await worker.scheduled();

  expect((await worker.vm()).state).toBe("stopped");
  expect((await worker.fetch("/")).status).toBe(200);
  expect(Date.parse((await worker.vm()).idle_deadline!)).toBeGreaterThan(Date.now() + 24 * 60 * 60 * 1000);
  expect(await cloud.operations()).toEqual(["insert", "stop", "start"]);
});

test("a VM that has been preempted in its window is found so, and started again", async ({ launch }) => {
  const { cloud, worker } = await launch({
    main: withMovableClock,
    vm: { idle_timeout: "1s", keep_awake: ["Mon 00:00-24:00 UTC"] },
  });
  await moveClock(worker, "2027-03-29T06:00:00Z");
  await worker.scheduled();
  await worker.untilVm("running");
  await cloud.afflict("preempt");
  await cloud.until("TERMINATED");

  await moveClock(worker, "2027-03-29T06:06:00Z");
  await worker.scheduled();

  await cloud.until("RUNNING");
  await worker.untilVm("running");
});

test("a schedule that is taken out of the configuration ends at once", async ({ launch, storage }) => {
  const { cloud, worker, startAgain } = await launch({ storage, vm: { idle_timeout: "1s", keep_awake: [always] } });
  await worker.scheduled();
  await worker.untilVm("running");
  await worker.stop();

  const again = await startAgain({ vm: { idle_timeout: "1s" } });

  // The object learns of it as of any change: by a message or by its own alarm.
  expect((await again.vm()).state).not.toBe("absent");
  await cloud.until("TERMINATED");
});
