// The pages for a VM that fails to start, and how a visitor can proceed from them.

import { expect } from "vitest";
import { booting, quick } from "../harness/emulator.ts";
import { eventually } from "../harness/eventually.ts";
import { test } from "./harness/visitor.ts";

const refused = { method: "instances.insert", status: 403, reason: "forbidden" };

test("a refused start is told, and can be tried again", async ({ launch, visit }) => {
  const { cloud, worker } = await launch();
  await cloud.fault({ ...refused, delay_ms: 1500 });
  const visitor = await visit(worker.url);
  await visitor.stopClock();
  await visitor.page.goto(`${worker.url}/echo?a=b#part`);

  await visitor.page.getByRole("alert").getByRole("heading", { name: "The VM could not be started" }).waitFor();

  await visitor.page.getByText("Its operator finds the reason in the log.").waitFor();
  expect(await visitor.page.title()).toBe("The VM could not be started");
  const waiting = visitor.page.getByRole("button", { name: /^Try again in \d+ seconds?$/ });
  expect(await waiting.isDisabled()).toBe(true);
  expect(await visitor.page.getByRole("progressbar").count()).toBe(0);
  await visitor.screenshot("failure");
  await visitor.page.clock.resume();
  expect(await visitor.accessibilityViolations()).toEqual([]);
  await visitor.page.getByRole("button", { name: "Try again", exact: true }).click();
  await visitor.untilArrived("/echo?a=b#part");
  expect(visitor.waits).toBe(2);
});

test("the button is reached and pressed by keyboard", async ({ launch, visit }) => {
  const { worker } = await launch({ vm: { startup_timeout: "3s" }, timing: booting });
  const visitor = await visit(worker.url);
  await visitor.page.goto(`${worker.url}/echo#part`);
  const button = visitor.page.getByRole("button", { name: "Try again", exact: true });
  await button.waitFor();

  await visitor.page.keyboard.press("Tab");

  expect(await button.evaluate((element) => element.matches(":focus-visible"))).toBe(true);
  await visitor.screenshot("focus");
  await visitor.page.keyboard.press("Enter");
  await eventually("the start is tried again", () => visitor.waits === 2);
});

test("a VM that has gone down again is woken again", async ({ launch, visit }) => {
  const { worker } = await launch();
  const visitor = await visit(worker.url, { mayComplain: /ERR_FAILED/ });
  // The tab receives no events for the whole test, as if it were suspended.
  await visitor.page.route("**/_vmproxy/wait/*", (route) => route.abort());
  await visitor.page.goto(`${worker.url}/echo#part`);
  await worker.untilVm("running");
  await worker.admin("POST", "vms/backend/stop");
  await worker.untilVm("stopped");

  await visitor.page.unroute("**/_vmproxy/wait/*");
  await visitor.page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));

  await visitor.untilArrived("/echo#part");
  expect(visitor.waits).toBe(2);
});

test("a VM that its operator stops stays down until somebody wants it", async ({ launch, visit }) => {
  const { cloud, worker } = await launch({ timing: booting });
  const visitor = await visit(worker.url);
  await visitor.page.goto(`${worker.url}/echo#part`);
  await visitor.page.getByRole("status").getByText("The machine is booting").waitFor();

  expect((await worker.admin("POST", "vms/backend/stop")).status).toBe(202);

  await visitor.page.getByRole("heading", { name: "The VM is being stopped" }).waitFor();
  await worker.untilVm("stopped");
  expect(visitor.waits).toBe(1);
  await cloud.timing(quick);
  await visitor.page.getByRole("button", { name: "Try again", exact: true }).click();
  await visitor.untilArrived("/echo#part");
});

test("a VM that never stays up is given up after four times", async ({ launch, visit }) => {
  const { worker } = await launch({ timing: booting });
  const visitor = await visit(worker.url);
  await visitor.page.route("**/_vmproxy/wait/*", (route) => {
    const down = { state: "stopped", phase: null, elapsed_ms: null, expected_ms: null, eta_ms: null, failure: null };
    const isStream = route.request().headers()["accept"]?.includes("event-stream");
    return route.fulfill(isStream ? { contentType: "text/event-stream", body: `data: ${JSON.stringify(down)}\n\n` } : { json: down });
  });

  await visitor.page.goto(`${worker.url}/echo#part`);

  await visitor.page.getByRole("alert").getByRole("heading", { name: "It does not come up" }).waitFor();
  await visitor.screenshot("stuck");
  expect(visitor.waits).toBe(5);
  await visitor.page.unroute("**/_vmproxy/wait/*");
  await visitor.page.getByRole("button", { name: "Try again", exact: true }).click();
  await visitor.page.getByRole("heading", { name: "Waking up" }).waitFor();
  expect(visitor.waits).toBe(6);
});

test("a page of a failure offers to try again, without scripts as well", async ({ launch, visit }) => {
  const { cloud, worker } = await launch({ vm: { cold_start: "hold" } });
  await cloud.fault(refused);
  const visitor = await visit(worker.url, { javaScriptEnabled: false });

  const response = await visitor.page.goto(`${worker.url}/echo?a=b`);

  expect(response?.status()).toBe(502);
  await visitor.screenshot("problem");
  const tryAgain = visitor.page.getByRole("link", { name: "Try again" });
  expect(await tryAgain.getAttribute("href")).toBe("");
  // The object remembers a failure for some seconds.
  await eventually("the VM is started again", async () => {
    const [response] = await Promise.all([visitor.page.waitForResponse(visitor.page.url()), tryAgain.click()]);
    return response.status() === 200;
  });
  await visitor.untilArrived("/echo?a=b");
});
