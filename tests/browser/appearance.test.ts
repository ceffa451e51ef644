// Accessibility of the pages, their layout on every device and their look under user preferences.

import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, expect } from "vitest";
import { booting } from "../harness/emulator.ts";
import { eventually } from "../harness/eventually.ts";
import { test } from "./harness/visitor.ts";

const hostile = `</title></style></script><script>hacked=1</script><img src=x onerror="hacked=1">'"&amp;`;

for (const colorScheme of ["light", "dark"] as const) {
  test(`nothing keeps anybody out in ${colorScheme} mode`, async ({ launch, visit }) => {
    const { worker } = await launch({ timing: booting });
    const visitor = await visit(worker.url, { colorScheme });

    await visitor.page.goto(`${worker.url}/`);

    await visitor.page.getByRole("status").getByText("The machine is booting").waitFor();
    expect(await visitor.accessibilityViolations()).toEqual([]);
    await visitor.screenshot(colorScheme);
    const background = await visitor.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const lightness = background.match(/\d+/g)!.slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
    expect(lightness > 128).toBe(colorScheme === "light");
  });
}

test("on a phone nothing has to be scrolled sideways", async ({ launch, visit }) => {
  const text = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft ".repeat(2);
  const { worker } = await launch({ timing: booting, vm: { waiting_page: { heading: text, text } } });
  const visitor = await visit(worker.url, { viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true });

  await visitor.page.goto(`${worker.url}/`);

  await visitor.page.getByRole("status").getByText("The machine is booting").waitFor();
  await visitor.screenshot("phone");
  expect(await visitor.overflows()).toBe(false);
});

test("nothing moves for those who do not want it", async ({ launch, visit }) => {
  const { worker } = await launch({ timing: booting });
  const moving = async (reducedMotion: "reduce" | "no-preference") => {
    const { page } = await visit(worker.url, { reducedMotion });
    await page.goto(`${worker.url}/`);
    await page.getByRole("status").waitFor();
    return page.evaluate(() => document.getAnimations().length);
  };

  expect(await moving("no-preference")).toBeGreaterThan(0);
  expect(await moving("reduce")).toBe(0);
});

test("texts, logo and colours are the operator's", async ({ launch, visit }) => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 32"><rect width="96" height="32" rx="8" fill="#0f766e"/></svg>';
  const waiting_page = {
    lang: "de",
    title: "Gleich da",
    heading: "Der Shop wacht auf",
    text: "Nachts schläft er.",
    logo: `data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}`,
    accent_color: "#0f766e",
    background_color: "light-dark(rgb(230 244 241), rgb(10 40 36))",
    booting: "Die Maschine fährt hoch",
    failed: "Das ging schief",
    failed_text: "Später mehr.",
    retry: "Noch einmal",
    retry_in: "Noch einmal in {time}",
  };
  const { worker } = await launch({ vm: { waiting_page }, timing: booting });
  const visitor = await visit(worker.url);
  await visitor.stopClock();

  await visitor.page.goto(`${worker.url}/`);

  await visitor.page.getByRole("status").getByText("Die Maschine fährt hoch").waitFor();
  expect(await visitor.page.title()).toBe("Gleich da");
  const { lang, logo, paper } = await visitor.page.evaluate(() => ({
    lang: document.documentElement.lang,
    logo: document.querySelector("img")!.naturalWidth,
    paper: getComputedStyle(document.body).backgroundColor,
  }));
  expect({ lang, paper }).toEqual({ lang: "de", paper: "rgb(230, 244, 241)" });
  expect(logo).toBeGreaterThan(0);
  await visitor.screenshot("custom");
  await worker.admin("POST", "vms/backend/stop");
  await visitor.page.getByRole("button", { name: /^Noch einmal in \d+ Sekunden?$/ }).waitFor();
  await visitor.page.clock.runFor(60_000);
  await visitor.page.getByRole("button", { name: "Noch einmal", exact: true }).waitFor();
  await visitor.page.getByRole("heading", { name: "Das ging schief" }).waitFor();
});

test("no setting breaks out of the page", async ({ launch, visit }) => {
  const names = ["title", "heading", "text", "starting", "booting", "retry"];
  const waiting_page = Object.fromEntries(names.map((name) => [name, hostile]));
  const { worker } = await launch({ vm: { waiting_page }, timing: booting });
  const visitor = await visit(worker.url);

  await visitor.page.goto(`${worker.url}/`);

  await visitor.page.getByRole("status").getByText(hostile).waitFor();
  expect(await visitor.page.getByRole("heading").textContent()).toBe(hostile);
  expect(await visitor.page.evaluate(() => "hacked" in globalThis)).toBe(false);
});

const servers: http.Server[] = [];

afterAll(() => {
  for (const server of servers) server.close();
});

/** An operator's server with a page at `/` and another content type at `/json`. */
async function serveOwnPage(html: string): Promise<string> {
  const server = http.createServer((request, response) => {
    const type = request.url === "/json" ? "application/json" : "text/html; charset=utf-8";
    response.writeHead(200, { "content-type": type }).end(html);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  servers.push(server);
  return `http://localhost:${(server.address() as AddressInfo).port}`;
}

const ownPage = `<!doctype html><html lang="en"><title>Ours</title>
<style>[data-vmproxy-state=failed] h1 { color: red; }</style>
<body><h1>Our own page</h1>
<p data-vmproxy="phase"></p><p data-vmproxy="elapsed"></p><p data-vmproxy="remaining"></p>
<progress data-vmproxy="progress" aria-label="Progress"></progress>
<h2 data-vmproxy="failure" hidden></h2><p data-vmproxy="failure-detail" hidden></p><a href="" data-vmproxy="retry" hidden>Once more</a>
<script>hacked = 1</script><img src="https://elsewhere.example/pixel.png">
</body></html>`;

test("a page of one's own is filled, goes on, and runs nothing of its own", async ({ launch, visit }) => {
  const waiting_page_url = await serveOwnPage(ownPage);
  const { cloud, worker } = await launch({ vm: { waiting_page_url }, timing: booting });
  const visitor = await visit(worker.url, { mayComplain: /inline script|elsewhere\.example/ });

  await visitor.page.goto(`${worker.url}/echo?a#b`);

  await visitor.page.getByRole("heading", { name: "Our own page" }).waitFor();
  await visitor.marked("phase").getByText("The machine is booting").waitFor();
  await visitor.marked("elapsed").getByText(/^\d:\d\d$/).waitFor();
  expect(await visitor.page.evaluate(() => "hacked" in globalThis)).toBe(false);
  await visitor.screenshot("own");
  await cloud.finishBoot();
  await visitor.untilArrived("/echo?a#b");
});

test("a page of one's own tells of a failure, and tries again", async ({ launch, visit }) => {
  const waiting_page_url = await serveOwnPage(ownPage);
  const { worker } = await launch({ vm: { waiting_page_url, startup_timeout: "3s" }, timing: booting });
  const visitor = await visit(worker.url, { mayComplain: /inline script|elsewhere\.example/ });

  await visitor.page.goto(`${worker.url}/echo?a#b`);

  await visitor.page.getByRole("heading", { name: "The VM did not start in time" }).waitFor();
  expect(await visitor.marked("phase").isVisible()).toBe(false);
  await visitor.page.getByRole("link", { name: "Once more" }).click();
  await eventually("the page is shown again", () => visitor.waits === 2);
});

test("what is no page is not shown", async ({ launch, visit }) => {
  const url = await serveOwnPage("{}");
  const { worker } = await launch({ vm: { waiting_page_url: `${url}/json` }, timing: booting });
  const visitor = await visit(worker.url);

  await visitor.page.goto(`${worker.url}/`);

  await visitor.page.getByRole("heading", { name: "Waking up" }).waitFor();
  await worker.untilLogged(/no waiting page at .*: "application\/json" is not text\/html/);
});

for (const sandbox of [undefined, "allow-scripts"]) {
  test(`an app in another site's frame wakes up there${sandbox ? " (in a sandbox)" : ""}`, async ({ launch, visit }) => {
    const { cloud, worker } = await launch({ timing: booting });
    const attribute = sandbox === undefined ? "" : `sandbox="${sandbox}"`;
    const outer = await serveOwnPage(`<!doctype html><title>Another site</title><iframe ${attribute} src="${worker.url}/echo"></iframe>`);
    const visitor = await visit(worker.url, { mayComplain: /request: http:\/\/localhost|favicon|404|status of 503/ });

    await visitor.page.goto(outer);

    const frame = visitor.page.frameLocator("iframe");
    await frame.getByRole("heading", { name: "Waking up" }).waitFor();
    await cloud.finishBoot();
    await frame.getByText('"instance":"backend"').waitFor({ timeout: 60_000 });
  });
}
