// VMs reached by a host name, and so by fetch().

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect } from "vitest";
import { read, sha256 } from "../harness/bodies.ts";
import type { Emulator } from "../harness/emulator.ts";
import { eventually } from "../harness/eventually.ts";
import { expectProblem } from "../harness/problem.ts";
import { launch, test, type World } from "../harness/test.ts";
import type { Worker } from "../harness/worker.ts";

let server: http.Server;
let origin: string;
let world: World;
let worker: Worker;

beforeAll(async () => {
  server = http.createServer(async (request, response) => {
    if (request.url === "/redirect") return response.writeHead(307, { location: "http://elsewhere.example/" }).end();
    if (request.url === "/stream") {
      for (let tick = 0; tick < 14 && !response.destroyed; tick += 1) {
        response.write("tick ");
        await pause(500);
      }
      return response.end();
    }
    const body = Buffer.concat((await request.toArray()) as Buffer[]);
    response.writeHead(201, [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["keep-alive", "timeout=1"]].flat());
    const headers = Object.entries(request.headers);
    const { method, url } = request;
    return response.end(JSON.stringify({ method, url, headers, body_base64: body.toString("base64") }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  world = await launch({ vm: { origin } });
  ({ worker } = world);
});

afterAll(async () => {
  await world?.end();
  server?.close();
  server?.closeAllConnections();
});

test("a request and its answer are handed on", async () => {
  const upload = randomBytes(1_000_000);

  const response = await worker.fetch("/a%2Fb?x=1&x=2", {
    method: "POST",
    body: upload,
    headers: { "x-own": "1", "x-forwarded-for": "203.0.113.9", forwarded: "for=203.0.113.9" },
  });

  expect(response.status).toBe(201);
  expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
  const seen = await read(response);
  expect(seen).toMatchObject({ method: "POST", url: "/a%2Fb?x=1&x=2" });
  expect(sha256(seen.body)).toBe(sha256(upload));
  const headers = new Map(seen.headers);
  expect(headers.get("x-own")).toBe("1");
  expect(headers.get("x-forwarded-for")).toBe("127.0.0.1");
  expect(headers.get("x-forwarded-host")).toBe(new URL(worker.url).host);
  expect(headers.get("forwarded")).toBe(`for=127.0.0.1;host="${new URL(worker.url).host}";proto=http`);
});

test("a redirect is the client's to follow", async () => {
  const response = await worker.fetch("/redirect");

  expect(response.status).toBe(307);
  expect(response.headers.get("location")).toBe("http://elsewhere.example/");
});

test("a cold answer says so", async ({ launch }) => {
  const { worker } = await launch({ vm: { origin } });

  const cold = await worker.fetch("/");

  expect(cold.status).toBe(201);
  expect(cold.headers.get("x-vmproxy-cold-start")).toBe("true");
  expect(cold.headers.get("server-timing")).toMatch(/^token;dur=\d+, api;dur=/);
  expect(cold.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
  expect(await read(cold)).toMatchObject({ method: "GET", url: "/" });
});

test("a stream keeps its VM awake until it ends", async ({ launch }) => {
  const { cloud, worker } = await launch({ vm: { origin, idle_timeout: "2s" } });

  const stream = await worker.fetch("/stream");

  expect(await stream.text()).toBe("tick ".repeat(14));
  expect(await cloud.instance()).toMatchObject({ status: "RUNNING", boots: 1 });
  await cloud.until("TERMINATED");
});

// Starts a server that stands in for the VM's, and ends with the test.
async function ownServer(onTestFinished: (end: () => void) => void) {
  const own = http.createServer((_, response) => response.end("here"));
  onTestFinished(() => void own.close());
  own.listen(0, "127.0.0.1");
  await once(own, "listening");
  return { own, port: (own.address() as AddressInfo).port };
}

// Preempts the VM, whose server is gone with it.
async function preempt(own: http.Server, cloud: Emulator) {
  own.close();
  own.closeAllConnections();
  await cloud.afflict("preempt");
  await cloud.until("TERMINATED");
}

test("a VM that the operator stops gets no further requests", async ({ launch }) => {
  const { worker } = await launch({ vm: { origin } });
  expect((await worker.fetch("/")).status).toBe(201);
  expect((await worker.fetch("/robots.txt")).status).toBe(201);

  expect((await worker.admin("POST", "vms/backend/stop")).status).toBe(202);

  // The request wakes nothing, and the server behind the name still listens.
  await expectProblem(await worker.fetch("/robots.txt"), 503, "The VM is asleep");
});

test.for<[what: string, body: string | null]>([
  ["without a body", null],
  ["with a body", "order=1"],
])("a VM that has been preempted is restarted by POST requests %s alone", async ([, body], { launch, onTestFinished }) => {
  const { own, port } = await ownServer(onTestFinished);
  const { cloud, worker } = await launch({ vm: { origin: `http://localhost:${port}` } });
  const request = () => worker.fetch("/", { method: "POST", body });
  expect(await (await request()).text()).toBe("here");
  await preempt(own, cloud);

  await expectProblem(await request(), 502, "The VM sent no valid response");
  await cloud.until("RUNNING", "backend", 15_000);
  own.listen(port, "127.0.0.1");

  await eventually("a request is responded to", async () => (await request()).ok, 15_000);
  expect(await cloud.calls()).toMatchObject({ "instances.insert": 1, "instances.start": 1 });
});

test("a VM that has been preempted is restarted by requests", async ({ launch, onTestFinished }) => {
  const { own, port } = await ownServer(onTestFinished);
  const { cloud, worker } = await launch({ vm: { origin: `http://localhost:${port}` } });
  expect(await (await worker.fetch("/")).text()).toBe("here");
  await preempt(own, cloud);

  await Promise.all([
    cloud.until("RUNNING", "backend", 15_000).then(() => own.listen(port, "127.0.0.1")),
    eventually("a request succeeds", async () => (await worker.fetch("/")).ok, 15_000),
  ]);

  expect(await cloud.calls()).toMatchObject({ "instances.insert": 1, "instances.start": 1 });
});
