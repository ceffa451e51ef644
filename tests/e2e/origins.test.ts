// The settings for how a VM is reached and which headers it gets, on each kind of origin.

import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { instancePort } from "../harness/emulator.ts";
import { test } from "../harness/test.ts";

/** Echoes the request, and redirects to itself. */
let server: http.Server;
let port: number;

beforeAll(async () => {
  server = http.createServer((request, response) => {
    const own = `http://${request.headers["x-own-address"]}`;
    if (request.url?.endsWith("/redirect")) return response.writeHead(302, { location: `${own}/login?next=%2F#x` }).end();
    if (request.url === "/healthz") return response.end();
    if (request.url?.startsWith("/gzip")) {
      const headers = { "content-encoding": "gzip", "content-type": "text/html" };
      return response.writeHead(200, headers).end(compressed);
    }
    return response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  ({ port } = server.address() as AddressInfo);
});

afterAll(() => {
  server.close();
  server.closeAllConnections();
});

/** Longer than the part that is inspected, and of unknown length: the hardest case. */
const compressed = gzipSync(Buffer.alloc(4_000_000, "vmproxy "), { level: 1 });

interface Seen {
  url: string;
  headers: Record<string, string>;
}

const origins = { "an IP origin": () => `http://127.0.0.1:${port}`, "a name origin": () => `http://localhost:${port}` };

describe.for(Object.entries(origins))("at %s", ([, origin]) => {
  test("the VM is told of the client by every usual header", async ({ launch }) => {
    const { worker } = await launch({ vm: { origin: origin() } });

    const { body } = await worker.request("/", {
      headers: { "cf-connecting-ip": "2001:db8::7", "x-forwarded-for": "203.0.113.9", forwarded: "for=203.0.113.9" },
    });

    const { host } = new URL(worker.url);
    expect((JSON.parse(body) as Seen).headers).toMatchObject({
      "x-forwarded-for": "2001:db8::7",
      "x-forwarded-host": host,
      "x-forwarded-proto": "http",
      forwarded: `for="[2001:db8::7]";host="${host}";proto=http`,
    });
  });

  test("a trusted proxy's word is added to", async ({ launch }) => {
    const { worker } = await launch({ vm: { origin: origin(), trust_forwarded: true } });

    const { body } = await worker.request("/", {
      headers: {
        "cf-connecting-ip": "198.51.100.4",
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-host": "www.example.com",
        "x-forwarded-proto": "https",
        forwarded: "for=203.0.113.9",
        "x-real-ip": "203.0.113.9",
      },
    });

    expect((JSON.parse(body) as Seen).headers).toMatchObject({
      "x-forwarded-for": "203.0.113.9, 198.51.100.4",
      "x-forwarded-host": "www.example.com",
      "x-forwarded-proto": "https",
      "x-real-ip": "203.0.113.9",
      // The local runtime takes the scheme from the request's `X-Forwarded-Proto`.
      forwarded: `for=203.0.113.9, for=198.51.100.4;host="${new URL(worker.url).host}";proto=https`,
    });
  });

  test("a redirect to the VM's own address leads back to the public one", async ({ launch }) => {
    const { worker } = await launch({ vm: { origin: origin(), path: "/app", strip_prefix: true } });
    const redirect = async (own: string) => {
      const response = await worker.fetch("/app/redirect", { headers: { "x-own-address": own } });
      expect(response.status).toBe(302);
      return response.headers.get("location");
    };

    expect(await redirect(new URL(origin()).host)).toBe(`${worker.url}/app/login?next=%2F#x`);
    expect(await redirect("elsewhere.example")).toBe("http://elsewhere.example/login?next=%2F#x");
  });

  test("a compressed body comes as the VM compressed it", async ({ launch }) => {
    const { worker } = await launch({ vm: { origin: origin() } });

    const response = await new Promise<http.IncomingMessage>((resolve) => {
      http.get(`${worker.url}/gzip`, { headers: { "accept-encoding": "gzip" } }, resolve);
    });

    expect(response.headers["content-encoding"]).toBe("gzip");
    expect(Buffer.concat((await response.toArray()) as Buffer[]).equals(compressed)).toBe(true);
  });
});

test("a host of the VM's own is asked for over a socket", async ({ launch }) => {
  const { worker } = await launch({ vm: { origin: origins["an IP origin"](), host_header: "internal.example:81" } });

  const seen = (await (await worker.fetch("/")).json()) as Seen;

  expect(seen.headers).toMatchObject({ host: "internal.example:81", "x-forwarded-host": new URL(worker.url).host });
});

// Only on Linux can a server leave connections unaccepted.
test.skipIf(process.platform !== "linux").for(["GET", "POST"])(
  "a VM that leaves connections unanswered is given up after connect_timeout (%s)",
  async (method, { launch }) => {
    const { cloud, worker } = await launch({ vm: { connect_timeout: "1s" } });
    expect((await worker.fetch("/")).status).toBe(200);
    await cloud.afflict("swallow");

    const response = await worker.fetch("/echo", { method, ...(method === "POST" ? { body: "upload" } : {}) });

    expect(response.status).toBe(502);
    await worker.untilLogged(/no connection within 1s/);
  },
);

test("a VPC network's binding reaches a VM that has no external address", async ({ launch }) => {
  const asked: string[] = [];
  const network = async (request: Request) => {
    const url = new URL(request.url);
    asked.push(url.host);
    url.host = `127.0.0.1:${port}`;
    return fetch(new Request(url, request));
  };
  const vm = { vpc: "NET", instance: { address: "internal" } };
  const { cloud, worker } = await launch({ vm, networks: { NET: network } });

  const response = await worker.fetch("/a%2Fb?c=d", { method: "POST", body: "upload" });

  expect(response.status).toBe(200);
  expect(((await response.json()) as Seen).url).toBe("/a%2Fb?c=d");
  expect(response.headers.get("x-vmproxy-cold-start")).toBe("true");
  const { networkInterfaces } = (await cloud.resource()) as { networkInterfaces: Record<string, unknown>[] };
  expect(networkInterfaces[0]).not.toHaveProperty("accessConfigs");
  expect(new Set(asked)).toEqual(new Set([`${networkInterfaces[0]?.["networkIP"]}:${instancePort}`]));
});

test("a binding that is not there is an error of the configuration", async ({ launch }) => {
  const { worker } = await launch({ vm: { vpc: "NET", instance: { address: "internal" } } });

  expect((await worker.fetch("/")).status).toBe(500);
  await worker.untilLogged(/VMS\[0\]\.vpc: the Worker has no binding "NET"/);
});
