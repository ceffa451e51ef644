// Which requests wake a VM, the responses to the others, and their effect on the VM.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { booting } from "../harness/emulator.ts";
import { eventually } from "../harness/eventually.ts";
import { expectProblem } from "../harness/problem.ts";
import { root } from "../harness/root.ts";
import { test } from "../harness/test.ts";
import type { VmStatus, Worker } from "../harness/worker.ts";

interface Row {
  what: string;
  rules: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  cf?: Record<string, unknown>;
  /** The key of the rule that blocks the request. */
  refused_by: string | null;
}

const table = JSON.parse(readFileSync(join(root, "tests", "data", "wake-requests.json"), "utf8")) as {
  secret: string;
  rules: Record<string, object>;
  requests: Row[];
};

const crawler = { "user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)" };
const monitor = { "user-agent": "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)" };
const browser = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0" };

// Each request has its own VM, and no request waits for the start.
test("each of many requests wakes its VM or does not", async ({ launch }) => {
  const rows = table.requests.map((row, index) => ({ ...row, name: `row-${index}` }));
  const { cloud, worker } = await launch({
    vms: rows.map(({ name, rules }) => ({
      host: `${name}.example`,
      cold_start: "reject",
      wake: table.rules[rules],
      instance: { name },
    })),
    variables: { WAKE_SECRET: table.secret },
  });
  const send = async ({ name, method, path, headers, cf }: (typeof rows)[number]) => {
    const response = await worker.dispatch(`http://${name}.example${path}`, { method, headers, ...(cf === undefined ? {} : { cf }) });
    return { response, body: await response.text() };
  };
  const states = async () => {
    const { vms } = (await (await worker.admin("GET", "vms")).json()) as { vms: VmStatus[] };
    return new Map(vms.map(({ name, state }) => [name, state]));
  };
  const refused = rows.filter(({ refused_by }) => refused_by !== null);
  const woken = rows.filter(({ refused_by }) => refused_by === null);
  expect(refused.length).toBeGreaterThan(80);
  expect(woken.length).toBeGreaterThan(60);

  const asleep = await Promise.all(refused.map(async (row) => ({ ...row, ...(await send(row)) })));

  for (const { what, name, method, refused_by, response, body } of asleep) {
    const headers = ["retry-after", "cache-control"].map((header) => response.headers.get(header));
    expect([response.status, ...headers], what).toEqual([503, "300", "no-store"]);
    expect(body, what).toMatch(method === "HEAD" ? /^$/ : /"title":"The VM is asleep"/);
    await worker.untilLogged(new RegExp(`${name}: asleep, and not woken by this request \\(${refused_by}\\)`));
  }
  expect(new Set((await states()).values())).toEqual(new Set(["absent"]));
  expect(await cloud.calls()).toEqual({});
  expect(await cloud.instances()).toEqual([]);

  const awake = await Promise.all(woken.map(async (row) => ({ ...row, ...(await send(row)) })));

  for (const { what, response, body } of awake) {
    expect([response.status, body], what).toEqual([503, expect.stringContaining('"title":"The VM is starting"')]);
  }
  const after = await states();
  for (const { what, name } of woken) expect(after.get(name), what).toMatch(/^(starting|booting|running)$/);
  for (const { what, name } of refused) expect(after.get(name), what).toBe("absent");
  const made = await eventually("all instances are created", async () => {
    const names = (await cloud.instances()).map(({ name }) => name);
    return names.length === woken.length && names;
  });
  expect(made.sort()).toEqual(woken.map(({ name }) => name).sort());
});

describe("what does not wake a VM", () => {
  test("passes while it is awake, also where nobody knows that yet", async ({ launch, storage }) => {
    const wake = { ignore_paths: ["/status/202"], methods: ["GET"] };
    const { cloud, worker, startAgain } = await launch({ storage, vm: { wake } });
    await worker.fetch("/", { headers: browser });
    const check = async (asked: Worker) => {
      for (const [path, init] of [
        ["/", { headers: crawler }],
        ["/status/202", { headers: browser }],
        ["/status/201", { headers: { ...browser, "sec-purpose": "prefetch" } }],
        ["/status/200", { method: "POST", body: "text", headers: browser }],
      ] as const) {
        const response = await asked.fetch(path, init);
        expect(response.status).toBe(Number(path.split("/status/")[1] ?? 200));
        expect(response.headers.has("x-vmproxy-cold-start")).toBe(false);
      }
    };

    await check(worker);
    await worker.stop();
    await check(await startAgain());

    expect(await cloud.operations()).toEqual(["insert"]);
  });

  test("is not answered while the VM starts, and does not hold", async ({ launch }) => {
    const { cloud, worker } = await launch({ timing: booting });
    const person = worker.fetch("/", { headers: browser });
    await worker.untilVm("booting");

    await expectProblem(await worker.fetch("/", { headers: crawler }), 503, "The VM is asleep");

    await cloud.finishBoot();
    expect((await person).status).toBe(200);
    expect((await worker.fetch("/", { headers: crawler })).status).toBe(200);
  });

  test("does not search for a VM that is gone", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { connect_timeout: "1s" } });
    await worker.fetch("/", { headers: browser });
    await cloud.afflict("preempt");
    await cloud.until("TERMINATED");

    await expectProblem(await worker.fetch("/", { headers: crawler }), 502, "The VM sent no valid response");
    await expectProblem(await worker.fetch("/", { headers: crawler }), 502, "The VM sent no valid response");

    expect(await cloud.operations()).not.toContain("start");
    expect((await worker.fetch("/", { headers: browser })).status).toBe(200);
    expect(await cloud.operations()).toContain("start");
  });

  test("is told so as soon as the VM is down, although this isolate knew where it was", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { idle_timeout: "100s", connect_timeout: "1s" } });
    await worker.fetch("/", { headers: browser });
    await worker.admin("POST", "vms/backend/stop");
    await worker.untilVm("stopped");

    await expectProblem(await worker.fetch("/", { headers: crawler }), 503, "The VM is asleep");

    expect(await cloud.operations()).toEqual(["insert", "stop"]);
  });

  test("is a page for a person", async ({ launch }) => {
    const { worker } = await launch({ vm: { wake: { methods: ["POST"] } } });

    const response = await worker.request("/", { headers: { ...browser, "sec-fetch-mode": "navigate" } });

    expect(response.status).toBe(503);
    expect(response.headers).toContainEqual(["content-type", "text/html; charset=utf-8"]);
    expect(response.body).toContain("The VM is asleep");
  });
});

describe("a monitor's requests", () => {
  test("keep a VM awake, unless they do not count as activity", async ({ launch }) => {
    const rows = [true, false].map((counts_as_activity) => ({ name: `counts-${counts_as_activity}`, counts_as_activity }));
    const { cloud, worker } = await launch({
      vms: rows.map(({ name, counts_as_activity }) => ({
        path: `/${name}`,
        strip_prefix: true,
        idle_timeout: "3s",
        wake: { counts_as_activity },
        instance: { name },
      })),
    });
    await Promise.all(rows.map(({ name }) => worker.fetch(`/${name}/`, { headers: browser })));

    const ask = async (name: string) => (await worker.fetch(`/${name}/status/200`, { headers: monitor })).status;
    const statuses: number[] = [];
    await eventually("the VM with only monitor requests goes down", async () => {
      expect(await ask("counts-true")).toBe(200);
      statuses.push(await ask("counts-false"));
      return (await cloud.instance("counts-false"))?.status === "TERMINATED";
    });
    await worker.untilVm("stopped", "counts-false");

    // While the VM was up it served the monitor, which never got worse than "asleep".
    expect(statuses[0]).toBe(200);
    expect(statuses.filter((status) => ![200, 503].includes(status))).toEqual([]);
    expect(await ask("counts-false")).toBe(503);
    expect(await ask("counts-true")).toBe(200);
    expect(await cloud.operations("counts-false")).toEqual(["insert", "stop"]);
    expect(await cloud.operations("counts-true")).toEqual(["insert"]);
  });

  test("that last long do not keep it awake either", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { idle_timeout: "2s", wake: { counts_as_activity: false } } });
    await worker.fetch("/", { headers: browser });

    const response = await worker.fetch("/slow/15000", { headers: monitor });

    // The VM was stopped during the request.
    await expectProblem(response, 503, "The VM is asleep");
    await cloud.until("TERMINATED");
    expect(await cloud.operations()).toEqual(["insert", "stop"]);
  });
});

describe("asleep_response", () => {
  const robots = "User-agent: *\nDisallow: /api/\n";
  const wake = {
    asleep_response: [
      { path: "/robots.txt", status: 200, body: robots },
      { path: "/api/*", user_agent: "uptime*2.0", status: 204 },
      { user_agent: "uptimerobot", status: 200, body: "<p>asleep</p>", content_type: "text/html" },
      { path: "/later", body: "not now" },
    ],
  };

  test("is the first that fits", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { wake } });
    const rows: [path: string, headers: typeof monitor, status: number, type: string, body: string, retryAfter: string | null][] = [
      ["/robots.txt", monitor, 200, "text/plain; charset=utf-8", robots, null],
      ["/robots.txt", browser, 200, "text/plain; charset=utf-8", robots, null],
      ["/api/x?y", monitor, 204, "text/plain; charset=utf-8", "", null],
      ["/", monitor, 200, "text/html", "<p>asleep</p>", null],
      ["/later", crawler, 503, "text/plain; charset=utf-8", "not now", "300"],
    ];
    for (const [path, headers, status, type, body, retryAfter] of rows) {
      const response = await worker.fetch(path, { headers });
      expect([response.status, await response.text()], path).toEqual([status, body]);
      expect(response.headers.get("content-type"), path).toBe(type);
      expect(response.headers.get("retry-after"), path).toBe(retryAfter);
      expect(response.headers.get("cache-control"), path).toBe("no-store");
    }
    await expectProblem(await worker.fetch("/", { headers: crawler }), 503, "The VM is asleep");

    const head = await worker.fetch("/robots.txt", { method: "HEAD", headers: monitor });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(await cloud.calls()).toEqual({});
  });

  test("is the VM's own answer while it is awake", async ({ launch }) => {
    const { worker } = await launch({ vm: { wake } });
    await worker.fetch("/", { headers: browser });

    const response = await worker.fetch("/status/418", { headers: monitor });

    expect(response.status).toBe(418);
  });
});

describe("wakes_per_hour", () => {
  test("turns away the one client that wakes the VM too often, and counts no request that finds it awake", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { wake: { wakes_per_hour: 2 } } });
    const from = (address: string) =>
      worker.dispatch("http://a.example/", { headers: { ...browser, "cf-connecting-ip": address } });
    for (let wakes = 0; wakes < 2; wakes += 1) {
      expect((await from("203.0.113.7")).status).toBe(200);
      expect((await from("203.0.113.7")).status).toBe(200);
      await worker.stopVm();
    }
    const before = await cloud.calls();

    const response = await from("203.0.113.7");

    const seconds = Number(response.headers.get("retry-after"));
    expect(seconds).toBeGreaterThan(3000);
    expect(seconds).toBeLessThanOrEqual(3600);
    const { detail } = await expectProblem(response, 503, "The VM is over its limit");
    expect(detail).toContain("(wake.wakes_per_hour)");
    expect(await cloud.calls()).toEqual(before);
    expect(await worker.vm()).toMatchObject({ state: "stopped", error: null });
    expect((await from("203.0.113.8")).status).toBe(200);
    expect((await from("203.0.113.7")).status).toBe(200);
  });

  test("takes an IPv6 network of 64 bits for one client, also after a restart", async ({ launch, storage }) => {
    const { worker, startAgain } = await launch({ storage, vm: { wake: { wakes_per_hour: 1 } } });
    const from = (asked: Worker, address: string) =>
      asked.dispatch("http://a.example/", { headers: { ...browser, "cf-connecting-ip": address } });
    expect((await from(worker, "2001:db8:1:2::3")).status).toBe(200);
    await worker.stopVm();
    await worker.stop();

    const again = await startAgain();

    await expectProblem(await from(again, "2001:db8:1:2:ffff::1"), 503, "The VM is over its limit");
    expect((await from(again, "2001:db8:1:3::3")).status).toBe(200);
  });
});
