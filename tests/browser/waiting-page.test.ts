// The waiting page in a browser, from the first visit of a VM that is down to the app.

import { expect } from "vitest";
import { booting, ever } from "../harness/emulator.ts";
import { eventually } from "../harness/eventually.ts";
import { test } from "./harness/visitor.ts";

test("a visitor sees how far it is, and arrives where the link leads", async ({ launch, visit }) => {
  const { cloud, worker } = await launch({ timing: booting });
  const visitor = await visit(worker.url);
  const { page } = visitor;

  const response = await page.goto(`${worker.url}/echo?a=b&c=%2F#part`);

  expect(response?.status()).toBe(503);
  expect(response?.headers()).toMatchObject({ "cache-control": "no-store", "retry-after": expect.stringMatching(/^\d+$/) });
  expect((await response!.body()).length).toBeLessThan(15 * 1024);
  await page.getByRole("heading", { name: "Waking up" }).waitFor();
  await page.getByRole("status").getByText("The machine is booting").waitFor();
  await visitor.marked("elapsed").getByText(/^\d:\d\d$/).waitFor();
  // No earlier cold start to estimate from.
  expect(await page.getByRole("progressbar").getAttribute("value")).toBeNull();
  await visitor.screenshot("waiting");
  await cloud.finishBoot();
  await visitor.untilArrived("/echo?a=b&c=%2F#part");
  expect(visitor.waits).toBe(1);
});

for (const { what, setting, fault } of [
  { what: "Asking Google Cloud", setting: {}, fault: { method: "*", delay_ms: ever } },
  { what: "Starting the machine", setting: { timing: { stage_ms: ever } } },
  { what: "The machine is booting", setting: { timing: booting } },
  { what: "Waiting for the application", setting: { vm: { health_path: "/status/503" } } },
]) {
  test(`a visitor sees what takes long: ${what}`, async ({ launch, visit }) => {
    const { cloud, worker } = await launch(setting);
    if (fault) await cloud.fault(fault);
    const visitor = await visit(worker.url);

    await visitor.page.goto(`${worker.url}/echo`);

    await visitor.page.getByRole("status").getByText(what).waitFor();
  });
}

test("an earlier start is what the bar is measured against", async ({ launch, visit }) => {
  const { cloud, worker } = await launch({ timing: { boot_ms: 8000 } });
  expect((await worker.fetch("/echo")).status).toBe(200);
  await worker.admin("POST", "vms/backend/delete");
  await worker.untilVm("absent");
  await cloud.timing(booting);
  const visitor = await visit(worker.url);
  const { page } = visitor;
  await visitor.stopClock();

  await page.goto(`${worker.url}/echo`);

  await page.getByRole("status").getByText("The machine is booting").waitFor();
  await visitor.marked("remaining").getByText(/^About \d+ seconds? left$/).waitFor();
  const value = async () => Number(await page.getByRole("progressbar").getAttribute("value"));
  const first = await value();
  expect(first).toBeGreaterThan(0);
  await visitor.screenshot("measured");
  await page.clock.runFor(20_000);
  await visitor.marked("remaining").getByText("Taking longer than usual").waitFor();
  expect(await value()).toBeGreaterThan(first);
  expect(await value()).toBeLessThan(1);
  await cloud.finishBoot();
  await visitor.untilArrived("/echo");
});

test("without scripts the page reloads itself", async ({ launch, visit }) => {
  const { cloud, worker } = await launch({ timing: booting });
  const visitor = await visit(worker.url, { javaScriptEnabled: false });

  await visitor.page.goto(`${worker.url}/echo?a=b#part`);

  await visitor.page.getByText("Waking up").waitFor();
  await visitor.screenshot("without-scripts");
  await cloud.finishBoot();
  // Only a reload by a script keeps the fragment.
  await visitor.untilArrived("/echo?a=b");
});

test("without a stream the page asks", async ({ launch, visit }) => {
  const { cloud, worker } = await launch({ timing: booting });
  const visitor = await visit(worker.url, { mayComplain: /ERR_FAILED/ });
  let streams = 0;
  await visitor.page.route("**/_vmproxy/wait/*", async (route) => {
    if (!route.request().headers()["accept"]?.includes("event-stream")) return route.fallback();
    streams += 1;
    return route.abort();
  });

  await visitor.page.goto(`${worker.url}/echo`);

  await visitor.page.getByRole("status").getByText("The machine is booting").waitFor();
  await cloud.finishBoot();
  await visitor.untilArrived("/echo");
  expect(streams).toBeGreaterThan(0);
  expect(visitor.waits).toBe(1);
});

test("a stream alone will do", async ({ launch, visit }) => {
  const { cloud, worker } = await launch({ timing: booting });
  const visitor = await visit(worker.url, { mayComplain: /ERR_FAILED/ });
  await visitor.page.route("**/_vmproxy/wait/*", (route) =>
    route.request().headers()["accept"]?.includes("event-stream") ? route.fallback() : route.abort(),
  );

  await visitor.page.goto(`${worker.url}/echo`);

  await visitor.page.getByRole("status").getByText("The machine is booting").waitFor();
  await cloud.finishBoot();
  await visitor.untilArrived("/echo");
});

test("where nothing may be stored the page goes on too", async ({ launch, visit }) => {
  const { worker } = await launch();
  const visitor = await visit(worker.url);
  await visitor.page.addInitScript(() => {
    Object.defineProperty(window, "sessionStorage", {
      get() {
        throw new DOMException("forbidden", "SecurityError");
      },
    });
  });

  await visitor.page.goto(`${worker.url}/echo?a#b`);

  await visitor.untilArrived("/echo?a#b");
});

test("a visitor without a network arrives when it is back", async ({ launch, visit }) => {
  const { cloud, worker } = await launch({ timing: booting });
  const visitor = await visit(worker.url, { mayComplain: /ERR_FAILED/ });
  await visitor.page.route("**/_vmproxy/wait/*", (route) => route.abort());
  await visitor.page.goto(`${worker.url}/echo#part`);

  await visitor.page.getByRole("status").getByText("No connection, trying again").waitFor();
  await visitor.screenshot("offline");
  await cloud.finishBoot();
  await worker.untilVm("running");
  await visitor.page.unroute("**/_vmproxy/wait/*");
  await visitor.page.evaluate(() => window.dispatchEvent(new Event("online")));

  await visitor.untilArrived("/echo#part");
});

test("a page asks for its stream alone, and once more when the tab is looked at again", async ({ launch, visit }) => {
  const { worker } = await launch({ timing: booting });
  const visitor = await visit(worker.url);
  const { page } = visitor;
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await visitor.stopClock();
  await page.goto(`${worker.url}/echo`);
  // The stream has sent its first event.
  await page.getByRole("status").getByText("The machine is booting").waitFor();
  // While the stream is open the page makes no requests: there may be many pages.
  await page.clock.runFor(30_000);
  const stream = `${worker.url}/_vmproxy/wait/backend`;
  expect(asked).toEqual([`${worker.url}/echo`, stream]);

  // Headless tabs are always visible, so the test fires the event itself.
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));

  await eventually("it is requested again", () => asked.length > 2);
  expect(asked.slice(2)).toEqual([stream]);
});

test("a page that was left and is come back to goes on", async ({ launch, visit }) => {
  const { cloud, worker } = await launch({ timing: booting });
  const visitor = await visit(worker.url);
  await visitor.page.goto(`${worker.url}/echo#part`);
  await visitor.page.getByRole("status").waitFor();

  await visitor.page.goto(`${worker.url}/_vmproxy/healthz`);
  await cloud.finishBoot();
  await worker.untilVm("running");
  await visitor.page.goBack();

  await visitor.untilArrived("/echo#part");
});
