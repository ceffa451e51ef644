// A request sent to the VM's server directly and through the proxy has the same result: the server
// receives the same, and the client gets the same bytes, except for the documented changes.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { sha256 } from "../harness/bodies.ts";
import { type RawResponse, exchange, values } from "../harness/exchange.ts";
import { instancePort } from "../harness/emulator.ts";
import { launch, test, type World } from "../harness/test.ts";
import type { Pairs } from "../harness/worker.ts";

interface Sent {
  name: string;
  path: string;
  method?: string;
  headers?: http.OutgoingHttpHeaders;
  body?: Buffer;
}

const upload = randomBytes(300_000);
const json = { "content-type": "application/json" };

const requests: Sent[] = [
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT"].map((method) => ({ name: method, method, path: "/echo" })),
  ...[
    "/echo?a=b&a=c",
    "/echo?",
    "/echo??",
    "/echo?a=%2F%00%zz&b=c+d%20e",
    "/echo?next=https://example.com/?x=y",
    "/echo?umlaut=%C3%BC&emoji=%F0%9F%98%80",
    "/a%2Fb",
    "/a%2fb%5Cc",
    "/a//b///",
    "//a",
    "/a/..;/b",
    "/a;x=1,2:3@4&5=6+7!$*()'/%7E~",
    "/%",
    "/a%20b%25",
    "/~user/.well-known/x.",
  ].map((path) => ({ name: path, path })),
  { name: "a body with a length", method: "POST", path: "/echo", body: upload },
  { name: "a body of nothing", method: "POST", path: "/echo", headers: { "content-length": "0" } },
  { name: "a body in chunks", method: "POST", path: "/echo", headers: { "transfer-encoding": "chunked" }, body: upload },
  { name: "chunks of nothing", method: "POST", path: "/echo", headers: { "transfer-encoding": "chunked" } },
  { name: "a body with PUT", method: "PUT", path: "/echo", headers: json, body: Buffer.from('{"a": "b"}') },
  { name: "a body with DELETE", method: "DELETE", path: "/echo", headers: { ...json, "content-length": "2" }, body: Buffer.from("{}") },
  { name: "a compressed body", method: "POST", path: "/echo", headers: { "content-encoding": "gzip" }, body: gzipSync(upload) },
  { name: "cookies", path: "/echo", headers: { cookie: "a=1; b=2; c=\"d\"" } },
  { name: "credentials", path: "/echo", headers: { authorization: "Basic YTpi" } },
  { name: "a header said twice", path: "/echo", headers: { "x-a": ["b", "c"] } },
  { name: "an empty header", path: "/echo", headers: { "x-a": "" } },
  { name: "a long header", path: "/echo", headers: { "x-a": "b".repeat(8000) } },
  { name: "a host of one's own", path: "/echo", headers: { host: "app.example.com:8080" } },
  { name: "a range of an echo", path: "/echo", headers: { range: "bytes=0-9", "if-range": '"a"' } },
  { name: "a range", path: "/range", headers: { range: "bytes=2-5" } },
  { name: "a condition that holds", path: "/conditional", headers: { "if-none-match": '"v1"' } },
  { name: "a condition that does not", path: "/conditional", headers: { "if-none-match": 'W/"v0"', "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT" } },
  { name: "HEAD of a condition", method: "HEAD", path: "/conditional" },
  { name: "a page that is compressed", path: "/gzip", headers: { "accept-encoding": "gzip" } },
  { name: "a page compressed in a way unknown", path: "/unknown-coding", headers: { "accept-encoding": "x-own" } },
  { name: "HEAD of a compressed page", method: "HEAD", path: "/gzip", headers: { "accept-encoding": "gzip" } },
  { name: "several cookies", path: "/cookies" },
  { name: "an answer with a length", path: "/bytes/1000000" },
  { name: "an answer with a length of nothing", path: "/bytes/0" },
  { name: "HEAD of an answer with a length", method: "HEAD", path: "/bytes/1000000" },
  { name: "an answer in chunks", path: "/bytes/1000000?chunked=1" },
  { name: "an answer of no chunks", path: "/bytes/0?chunked=1" },
  { name: "a redirect", path: "/redirect" },
  { name: "a redirect of POST", method: "POST", path: "/redirect", body: Buffer.from("a") },
  { name: "security headers", path: "/headers" },
  { name: "the front page", path: "/range" },
  ...[200, 201, 202, 204, 206, 300, 301, 303, 304, 307, 308, 400, 401, 403, 404, 405, 410, 418, 422, 429, 451, 500, 501, 503, 504, 599].map(
    (status) => ({ name: `status ${status}`, path: `/status/${status}` }),
  ),
];

describe.each([
  { kind: "an address", host: "127.0.0.1" },
  { kind: "a name", host: "localhost" },
])("behind $kind", ({ kind, host }) => {
  let server: http.Server;
  let world: World;
  let direct: string;

  beforeAll(async () => {
    // The demo server, behind a server with the responses that it lacks.
    world = await launch();
    await world.worker.fetch("/status/200");
    const { public_ip } = await world.cloud.until("RUNNING");
    server = http.createServer((request, response) => (own(request, response) ? undefined : pass(request, response, public_ip!)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    direct = `http://${host === "localhost" ? host : "127.0.0.1"}:${(server.address() as AddressInfo).port}`;
    world = await both(world, await launch({ vm: { origin: direct } }));
    expect((await world.worker.fetch("/status/200")).status).toBe(200);
  });

  afterAll(async () => {
    await world?.end();
    server?.close();
    server?.closeAllConnections();
  });

  test.for(requests)("$name", async ({ path, method = "GET", headers: given = {}, body }) => {
    // Without a `Host` header the two requests would differ in it, and the runtime adds an
    // `Accept-Encoding` if there is none.
    const headers = { host: "app.example.com", "accept-encoding": "identity", ...given };
    const options = { method, headers, ...(body ? { body } : {}) };

    const [straight, proxied] = [await exchange(direct, path, options), await exchange(world.worker.url, path, options)];

    expect(proxied.status).toBe(straight.status);
    expect(proxied.complete).toBe(true);
    expect(comparable(proxied.headers)).toEqual(comparable(straight.headers));
    if (isEcho(straight)) expect(seen(proxied, kind)).toEqual(seen(straight, kind));
    else expect(proxied.body.equals(straight.body), "the same body").toBe(true);
  });
});

/** Sends the responses that the demo server lacks. */
function own(request: http.IncomingMessage, response: http.ServerResponse): boolean {
  const page = "a page of the VM\n".repeat(100);
  const etag = { etag: '"v1"', "last-modified": "Sun, 01 Nov 2026 00:00:00 GMT", "cache-control": "max-age=60" };
  switch (request.url) {
    case "/range":
      if (!request.headers.range) return sent(response, 200, { "accept-ranges": "bytes" }, page);
      return sent(response, 206, { "content-range": `bytes 2-5/${page.length}` }, page.slice(2, 6));
    case "/conditional":
      if (request.headers["if-none-match"] === '"v1"') return Boolean(response.writeHead(304, etag).end());
      return sent(response, 200, etag, page);
    case "/gzip":
      return sent(response, 200, { "content-encoding": "gzip", vary: "accept-encoding" }, gzipSync(page));
    case "/unknown-coding":
      return sent(response, 200, { "content-encoding": "x-own" }, page);
    case "/headers":
      return sent(response, 200, { "strict-transport-security": "max-age=1", "content-security-policy": "default-src 'none'", "x-frame-options": "DENY", link: "</a>; rel=x, </b>; rel=y", warning: '199 - "a, b"', server: "own/1", via: "1.1 own", "x-empty": "" }, page);
    default:
      return false;
  }
}

function sent(response: http.ServerResponse, status: number, headers: http.OutgoingHttpHeaders, body: string | Buffer): true {
  response.writeHead(status, { "content-length": Buffer.byteLength(body), "content-type": "text/plain", ...headers }).end(body);
  return true;
}

/** Forwards a request to the demo server unchanged. */
function pass(request: http.IncomingMessage, response: http.ServerResponse, ip: string): void {
  const { method, url, rawHeaders } = request;
  const onward = http.request({ host: ip, port: instancePort, method, path: url, headers: rawHeaders as never, agent: false }, (received) => {
    response.writeHead(received.statusCode!, received.statusMessage, received.rawHeaders);
    received.pipe(response);
  });
  onward.on("error", () => response.destroy());
  request.pipe(onward);
}

async function both(first: World, second: World): Promise<World> {
  const end = async () => void (await Promise.all([first.end(), second.end()]));
  return { ...second, end };
}

function isEcho(response: RawResponse): boolean {
  return values(response, "content-type")[0] === "application/json" && response.body.includes('"body_base64"');
}

/**
 * Returns the request as the server received it, without the headers of the connection and those
 * about the client.
 */
function seen({ body }: RawResponse, kind: string): unknown {
  const { headers, body: _, body_base64: bytes, ...rest } = JSON.parse(body.toString()) as { headers: Pairs; body: unknown; body_base64: string };
  // Cloudflare chooses `Accept-Encoding`; `fetch()` sets the host to the origin's name.
  const own = /^(accept-encoding|connection|transfer-encoding|content-length|cf-.*|forwarded|x-forwarded-.*)$/;
  const kept = headers.filter(([name]) => !own.test(name) && !(kind === "a name" && name === "host"));
  // The runtime joins repeated headers (RFC 9110, section 5.3).
  const names = [...new Set(kept.map(([name]) => name))].sort();
  const together = names.map((wanted) => [wanted, kept.flatMap(([name, value]) => (name === wanted ? [value] : [])).join(", ")]);
  return { ...rest, bytes: sha256(Buffer.from(bytes, "base64")), headers: together };
}

/**
 * Removes the headers of the connection, and those with the time or the length of an echo of the
 * headers.
 */
function comparable(headers: Pairs): Pairs {
  const isEcho = headers.some(([name, value]) => name === "content-type" && value === "application/json");
  const own = isEcho ? /^(connection|keep-alive|transfer-encoding|date|content-length)$/ : /^(connection|keep-alive|transfer-encoding|date)$/;
  return headers.filter(([name]) => !own.test(name)).sort();
}
