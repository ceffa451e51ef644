// Responses while the VM starts, and the progress that they report.

import WebSocket from "ws";
import { describe, expect } from "vitest";
import { once } from "node:events";
import { booting } from "../harness/emulator.ts";
import { eventually } from "../harness/eventually.ts";
import { test } from "../harness/test.ts";
import type { Worker } from "../harness/worker.ts";

const html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const navigation = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", accept: html };

/** Long enough to observe, short enough to wait for. */
const slow = { provision_ms: 1500, boot_ms: 1500 };

interface SentRequest {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

interface Waiting {
  state: string;
  phase: string | null;
  elapsed_ms: number;
  expected_ms: number | null;
  eta_ms: number | null;
  failure: { title: string; detail: string; retry_after: number | null } | null;
}

async function waiting(worker: Worker): Promise<Waiting> {
  const response = await worker.fetch("/_vmproxy/wait/backend");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(response.headers.get("cache-control")).toBe("no-store");
  return (await response.json()) as Waiting;
}

/** Returns all events of a stream, once it has ended. */
async function watch(worker: Worker): Promise<Waiting[]> {
  const response = await worker.fetch("/_vmproxy/wait/backend", { headers: { accept: "text/event-stream" } });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  expect(response.headers.get("cache-control")).toBe("no-store");
  const lines = (await response.text()).split("\n").filter((line) => line.startsWith("data: "));
  return lines.map((line) => JSON.parse(line.slice("data: ".length)) as Waiting);
}

async function open(worker: Worker, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  return (await worker.fetch("/_vmproxy/wait/backend", { headers: { accept: "text/event-stream" }, signal })).body!;
}

/** The Worker, with `/written`: the number of chunks that each of its own streams has accepted. */
const counting = `
  import vmproxy from "index.js";
  export { VmObject } from "index.js";
  const written = [];
  globalThis.ReadableStream = new Proxy(ReadableStream, {
    construct(Stream, [source, strategy]) {
      const stream = written.push(0) - 1;
      const start = (controller) => {
        const enqueue = controller.enqueue.bind(controller);
        controller.enqueue = (piece) => {
          enqueue(piece);
          written[stream] += 1;
        };
        source.start(controller);
      };
      return new Stream({ ...source, start }, strategy);
    },
  });
  export default {
    fetch(request, env, ctx) {
      const { pathname } = new URL(request.url);
      return pathname === "/written" ? Response.json(written) : vmproxy.fetch(request, env, ctx);
    },
  };
`;

describe("while the VM starts", () => {
  test.for<[who: string, cold_start: string, request: SentRequest, gets: "page" | "response" | "problem"]>([
    ["a browser's navigation", "auto", { headers: navigation }, "page"],
    ["an old browser", "auto", { headers: { accept: html } }, "page"],
    ["curl", "auto", { headers: { accept: "*/*" } }, "response"],
    ["a script in a page", "auto", { headers: { "sec-fetch-mode": "cors", accept: "*/*" } }, "response"],
    ["an image in a page", "auto", { headers: { "sec-fetch-mode": "no-cors", accept: "image/avif,*/*" } }, "response"],
    ["a webhook", "auto", { method: "POST", body: "{}" }, "response"],
    // A page could not send the form a second time.
    ["a form", "auto", { method: "POST", body: "a=b", headers: navigation }, "response"],
    ["a browser's navigation", "hold", { headers: navigation }, "response"],
    ["a browser's navigation", "page", { headers: navigation }, "page"],
    ["curl", "page", {}, "page"],
    ["a webhook", "page", { method: "POST", body: "{}" }, "page"],
    ["curl", "reject", {}, "problem"],
    ["a browser's navigation", "reject", { headers: navigation }, "problem"],
  ])("%s with cold_start = %s", async ([, cold_start, { body, ...request }, gets], { launch }) => {
    const { worker } = await launch({ vm: { cold_start } });

    const response = await worker.request("/echo", request, body);

    const headers = new Headers(response.headers);
    if (gets === "response") {
      expect(response.status).toBe(200);
      expect(headers.get("x-vmproxy-cold-start")).toBe("true");
      expect(headers.get("server-timing")).toMatch(/^token;dur=\d+, api;dur=\d+, boot;dur=\d+, app;dur=\d+, total;dur=\d+$/);
      return;
    }
    expect(response.status).toBe(503);
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    expect(headers.get("cache-control")).toBe("no-store");
    const isHtml = gets === "page" || request.headers === navigation;
    expect(headers.get("content-type")).toBe(isHtml ? "text/html; charset=utf-8" : "application/problem+json");
    expect(response.body.includes("/_vmproxy/wait/backend")).toBe(gets === "page");
    if (isHtml) expect(headers.get("content-security-policy")).toMatch(/^default-src 'none'/);
    // The request has started the VM all the same.
    await worker.untilVm("running");
    expect((await worker.request("/echo", request, body)).status).toBe(200);
  });

  test("a WebSocket is held", async ({ launch }) => {
    const { worker } = await launch();
    const socket = new WebSocket(`${worker.url.replace("http", "ws")}/ws`);
    await once(socket, "open");
    socket.close();
  });

  test("an upload is held whole, and hold_timeout ends the wait with 503", async ({ launch }) => {
    const { worker } = await launch({ vm: { hold_timeout: "500ms" }, timing: slow });

    const response = await worker.fetch("/echo", { method: "POST", body: Buffer.alloc(5_000_000, "u") });

    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ title: "The VM is starting", status: 503 });
    expect(response.headers.get("retry-after")).toBe("10");
    await worker.untilVm("running");
    const whole = await worker.fetch("/echo", { method: "POST", body: Buffer.alloc(5_000_000, "u") });
    expect(whole.status).toBe(200);
  });

  test("hold_timeout that is longer than the start changes nothing", async ({ launch }) => {
    const { worker } = await launch({ vm: { hold_timeout: "1m" } });
    expect((await worker.fetch("/")).status).toBe(200);
  });

  test("whoever comes when the last starts are known is told when to come again", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { cold_start: "reject" }, timing: slow });
    expect((await worker.fetch("/")).headers.get("retry-after")).toBe("10");
    const { cold_starts, expected } = await worker.untilVm("running");
    expect(cold_starts).toMatchObject([{ kind: "create" }]);
    const spread = { median_ms: cold_starts[0]!.total_ms, p90_ms: cold_starts[0]!.total_ms };
    expect(expected).toMatchObject({ create: { total: spread } });
    expect(expected).not.toHaveProperty("start");
    await worker.admin("POST", "vms/backend/delete");
    await eventually("the instance is gone", async () => expect(await cloud.instances()).toEqual([]));
    await worker.untilVm("absent");

    const askedAt = Date.now();
    const response = await worker.fetch("/");

    // The time that has passed before the response is subtracted.
    const [took, retryAfter] = [Date.now() - askedAt, Number(response.headers.get("retry-after"))];
    expect(retryAfter).toBeLessThanOrEqual(Math.ceil(cold_starts[0]!.total_ms / 1000));
    expect(retryAfter).toBeGreaterThanOrEqual(Math.ceil((cold_starts[0]!.total_ms - took) / 1000));
    expect(await waiting(worker)).toMatchObject({ expected_ms: cold_starts[0]!.total_ms });
  });
});

describe("/_vmproxy/wait", () => {
  test("tells each phase once, and ends with the start", async ({ launch }) => {
    const { worker } = await launch({ vm: { cold_start: "page", health_path: "/healthz" }, timing: slow });
    expect(await waiting(worker)).toEqual({
      state: "absent",
      phase: null,
      elapsed_ms: 0,
      expected_ms: null,
      eta_ms: null,
      failure: null,
    });
    await worker.fetch("/");

    const events = await watch(worker);

    expect(new Set(events.map(({ state, phase }) => `${state} ${phase}`)).size).toBe(events.length);
    const phases = [...new Set(events.map(({ phase }) => phase))];
    const all = ["asking", "starting", "booting", "app", null];
    expect(phases).toEqual(all.filter((phase) => phases.includes(phase)));
    expect(phases).toContain("starting");
    expect(phases).toContain("booting");
    const elapsed = events.slice(0, -1).map(({ elapsed_ms }) => elapsed_ms);
    expect(elapsed).toEqual([...elapsed].sort((a, b) => a - b));
    expect(events.at(-1)).toMatchObject({ state: "running", phase: null, failure: null });
    expect(await waiting(worker)).toMatchObject({ state: "running" });
    // A stream opened afterwards reports it at once and ends.
    expect(await watch(worker)).toMatchObject([{ state: "running" }]);
  });

  test("tells what failed in the visitor's words", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { cold_start: "page" } });
    await cloud.fault({ method: "instances.insert", times: 1, delay_ms: 1000, status: 403, reason: "forbidden" });
    await worker.fetch("/");

    const events = await watch(worker);

    expect(events.at(-1)).toMatchObject({
      state: "failed",
      failure: { title: "The VM could not be started", detail: "Its operator finds the reason in the log." },
    });
    expect(events.at(-1)?.failure?.retry_after).toBeGreaterThan(0);
  });

  test("tells of a VM that is put to sleep, and does not wake it", async ({ launch }) => {
    const { cloud, worker } = await launch();
    await worker.fetch("/");
    await worker.admin("POST", "vms/backend/stop");
    await worker.untilVm("stopped");

    expect(await waiting(worker)).toMatchObject({ state: "stopped", phase: null });
    expect(await watch(worker)).toMatchObject([{ state: "stopped" }]);

    expect(await cloud.operations()).toEqual(["insert", "stop"]);
  });

  test("is no activity", async ({ launch }) => {
    const { worker } = await launch();
    await worker.fetch("/");
    const { last_activity } = await worker.vm();
    await waiting(worker);
    expect((await worker.vm()).last_activity).toBe(last_activity);
  });

  test("is for GET and HEAD of a VM that there is", async ({ launch }) => {
    const { worker } = await launch();
    expect((await worker.fetch("/_vmproxy/wait/backend", { method: "HEAD" })).status).toBe(200);
    expect((await worker.fetch("/_vmproxy/wait/backend", { method: "POST" })).status).toBe(405);
    expect((await worker.fetch("/_vmproxy/wait/other")).status).toBe(404);
    expect((await worker.fetch("/_vmproxy/wait/")).status).toBe(404);
  });

  test("a silent stream beats, and whoever has gone away is written to no more", async ({ launch }) => {
    const { worker } = await launch({ vm: { cold_start: "page" }, timing: booting, main: counting });
    await worker.fetch("/");
    await eventually("the VM boots", async () => (await waiting(worker)).phase === "booting");
    const [going, staying] = [new AbortController(), new AbortController()];
    await open(worker, going.signal);
    const stays = (await open(worker, staying.signal)).pipeThrough(new TextDecoderStream()).getReader();
    const begun = (await (await worker.fetch("/written")).json()) as number[];
    going.abort();

    let heard = "";
    while (!heard.endsWith("event: beat\ndata: 1\n\n")) heard += (await stays.read()).value;
    await worker.admin("POST", "vms/backend/stop");
    for (let next = await stays.read(); !next.done; next = await stays.read()) heard += next.value;

    expect(heard).toMatch(/^retry: 1000\ndata: .*"booting".*\n\nevent: beat\ndata: 1\n\ndata: /);
    const [left, stayed] = (await (await worker.fetch("/written")).json()) as number[];
    expect(stayed! - begun[1]!).toBeGreaterThan(1);
    // The runtime detects the disconnect at the next write.
    expect(left! - begun[0]!).toBeLessThanOrEqual(1);
  });

  test("many watchers are all told", async ({ launch }) => {
    const { worker } = await launch({ vm: { cold_start: "page" }, timing: slow });
    await worker.fetch("/");

    const all = await Promise.all(Array.from({ length: 50 }, () => watch(worker)));

    expect(all.map((events) => events.at(-1)?.state)).toEqual(Array(50).fill("running"));
  });
});
