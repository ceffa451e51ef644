// The request as the VM receives it, and the response as the client receives it.

import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { type Echo, echo, sha256, take } from "../harness/bodies.ts";
import { launch, test, type World } from "../harness/test.ts";
import type { Worker } from "../harness/worker.ts";

describe("an upload to a VM that is not there yet", () => {
  const upload = randomBytes(5 * 1024 * 1024);

  test("arrives whole, with its Content-Length", async ({ launch }) => {
    const { worker } = await launch();

    const seen = await echo(await worker.fetch("/echo", { method: "POST", body: upload }));

    expect(seen.headers).toContainEqual(["content-length", String(upload.length)]);
    expect(sha256(seen.body)).toBe(sha256(upload));
  });

  test("arrives whole, without one", async ({ launch }) => {
    const { worker } = await launch();
    const body = new Blob([upload]).stream();

    const seen = await echo(await worker.fetch("/echo", { method: "POST", body, duplex: "half" }));

    expect(seen.headers).toContainEqual(["transfer-encoding", "chunked"]);
    expect(sha256(seen.body)).toBe(sha256(upload));
  });
});

describe("with the emulator's server", () => {
  let world: World;
  let worker: Worker;

  beforeAll(async () => {
    world = await launch();
    ({ worker } = world);
    expect((await worker.fetch("/status/200")).status).toBe(200);
  });

  afterAll(() => world?.end());

  test.for(["/bytes/50000000", "/bytes/50000000?chunked=1"])("%s comes back whole", async (path) => {
    const response = await worker.fetch(path);

    const body = new Uint8Array(await response.arrayBuffer());
    expect(response.headers.get("content-length")).toBe(path.includes("chunked") ? null : "50000000");
    expect(sha256(body)).toBe(sha256(countingBytes(50_000_000)));
  });

  test("a hundred answers at once keep apart", async () => {
    const lengths = Array.from({ length: 100 }, (_, index) => 100_000 + index);

    const bodies = await Promise.all(lengths.map(async (length) => (await worker.fetch(`/bytes/${length}`)).arrayBuffer()));

    expect(bodies.map((body) => sha256(new Uint8Array(body)))).toEqual(lengths.map((length) => sha256(countingBytes(length))));
  });

  test("slow answers are waited for, many at once", async () => {
    const responses = await Promise.all(Array.from({ length: 20 }, async () => (await worker.fetch("/slow/300")).text()));

    expect(responses).toEqual(Array(20).fill("after 300 ms\n"));
  });

  test("events arrive while the stream goes on", async () => {
    // The whole stream would take a day.
    const response = await worker.fetch("/stream?n=86400&interval_ms=1000");
    expect(response.headers.get("content-type")).toBe("text/event-stream");

    const events = await take(response, (text) => text.includes("event 1 at"));

    expect(events).toMatch(/^id: 0\ndata: event 0 at .*\n\nid: 1\ndata: event 1 at /);
  });

  test.for([
    "/echo",
    "/echo?a=b&a=c",
    "/echo?empty=&bare&space=a%20b+c&slash=%2F/",
    "/echo?",
    "/echo?%zz=%00",
    "/echo?next=https://example.com/?x=y",
  ])("path and query %s arrive as they were sent", async (path) => {
    const { body } = await worker.request(path);

    expect((JSON.parse(body) as Echo).url).toBe(path);
  });

  test.for(["PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])("the method %s arrives", async (method) => {
    const seen = await echo(await worker.fetch("/echo", { method }));

    expect(seen.method).toBe(method);
  });

  test("headers arrive, but those of the connection", async () => {
    const { body } = await worker.request("/echo", {
      headers: {
        "x-own": "a, b",
        cookie: "first=1; second=2",
        connection: "keep-alive, x-hop",
        "x-hop": "1",
        "keep-alive": "5",
        te: "trailers",
      },
    });

    const { headers } = JSON.parse(body) as Echo;
    expect(headers).toContainEqual(["x-own", "a, b"]);
    expect(headers).toContainEqual(["cookie", "first=1; second=2"]);
    const names = headers.map(([name]) => name);
    for (const name of ["x-hop", "keep-alive", "te"]) expect(names).not.toContain(name);
  });

  test("the VM learns who asks, from the proxy and not from the client", async () => {
    const { body } = await worker.request("/echo", {
      headers: {
        host: "app.example.com",
        "cf-connecting-ip": "198.51.100.4",
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-proto": "gopher",
        "x-forwarded-host": "evil.example",
        "x-real-ip": "203.0.113.9",
        forwarded: "for=203.0.113.9",
      },
    });

    const headers = (JSON.parse(body) as Echo).headers;
    expect(headers.filter(([name]) => /^host$|forwarded|real-ip/.test(name)).sort()).toEqual([
      ["forwarded", 'for=198.51.100.4;host="app.example.com";proto=http'],
      ["host", "app.example.com"],
      ["x-forwarded-for", "198.51.100.4"],
      ["x-forwarded-host", "app.example.com"],
      ["x-forwarded-proto", "http"],
    ]);
  });

  test("two cookies stay two", async () => {
    const response = await worker.fetch("/cookies");

    expect(response.headers.getSetCookie()).toEqual(["first=1; Path=/", "second=2; Path=/; HttpOnly"]);
    expect(await response.text()).toBe("two cookies\n");
  });

  test("HEAD has the length and no body", async () => {
    const { status, headers, body } = await worker.request("/bytes/100", { method: "HEAD" });

    expect(status).toBe(200);
    expect(headers).toContainEqual(["content-length", "100"]);
    expect(body).toBe("");
  });

  test.for([204, 304, 404, 418, 500, 503])("the status %i is handed on", async (status) => {
    const response = await worker.fetch(`/status/${status}`);

    expect(response.status).toBe(status);
    expect((await response.text()).includes(String(status))).toBe(status !== 204 && status !== 304);
    expect(response.headers.get("content-type")).not.toBe("application/problem+json");
  });

  test("a redirect is the client's to follow, to the address that it knows", async () => {
    const response = await worker.fetch("/redirect");

    expect(response.status).toBe(302);
    expect(response.headers.get("location")).toBe(`${worker.url}/`);
  });
});

/** Byte i is i modulo 256, as the emulator's server sends it. */
function countingBytes(length: number): Uint8Array {
  return Buffer.alloc(length, Uint8Array.from({ length: 256 }, (_, index) => index));
}
