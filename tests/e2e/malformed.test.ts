// Responses to clients when the VM's server sends malformed or unusual HTTP/1.1 (RFC 9112), as a
// table of bytes.

import { once } from "node:events";
import http from "node:http";
import type { Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { type RawResponse, exchange, values } from "../harness/exchange.ts";
import { type Responder, Origin } from "../harness/origin.ts";
import { launch, test, type World } from "../harness/test.ts";

interface Case {
  name: string;
  /** The bytes that the server sends before it closes the connection, or a function that serves. */
  sends: string | Buffer | Responder;
  method?: string;
  check: (got: RawResponse) => void;
  /** The reason in the log. */
  logs?: RegExp;
}

const ok = "HTTP/1.1 200 OK\r\n";
const hello = `${ok}Content-Length: 5\r\n\r\nhello`;
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;
const gzipped = gzipSync("compressed by the VM");
const large = Buffer.alloc(3_000_000, "0123456789");

/** The response is forwarded, complete. */
function gets(status: number, body: string | Buffer, headers: Record<string, string | undefined> = {}): Pick<Case, "check"> {
  const check = (got: RawResponse) => {
    expect({ status: got.status, complete: got.complete }).toEqual({ status, complete: true });
    expect(got.body.equals(Buffer.from(body)), `the body is ${got.body.subarray(0, 200).toString("latin1")}`).toBe(true);
    for (const [name, value] of Object.entries(headers)) expect(values(got, name).join("|") || undefined, name).toBe(value);
  };
  return { check };
}

/** The client gets an error response, and the log has the reason. */
function refused(logs: RegExp, status = 502, title = "The VM sent no valid response"): Pick<Case, "check" | "logs"> {
  const check = (got: RawResponse) => {
    expect(got.status).toBe(status);
    expect(values(got, "content-type")).toEqual(["application/problem+json"]);
    expect(JSON.parse(got.body.toString())).toMatchObject({ status, title });
  };
  return { check, logs };
}

/** The client sees a truncated body. */
function brokenOff(beginning: string | Buffer, logs?: RegExp): Pick<Case, "check" | "logs"> {
  const check = (got: RawResponse) => {
    // An immediate end can lose the head, too.
    expect([0, 200]).toContain(got.status);
    expect(got.complete).toBe(false);
    const whole = Buffer.from(beginning);
    expect(whole.subarray(0, got.body.length).equals(got.body), "what came is a beginning of it").toBe(true);
  };
  return { check, ...(logs ? { logs } : {}) };
}

const cases: Case[] = [
  // The status line.
  { name: "HTTP/1.0", sends: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", ...gets(200, "hello") },
  { name: "HTTP/2.0", sends: "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", ...refused(/invalid HTTP version/) },
  { name: "HTTP/1.2", sends: "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello", ...refused(/invalid HTTP version/) },
  { name: "HTTP/0.9", sends: "<html>hello</html>\r\n", ...refused(/does not begin with HTTP/) },
  { name: "the version in lower case", sends: "http/1.1 200 OK\r\n\r\n", ...refused(/does not begin with HTTP/) },
  { name: "an empty line first", sends: `\r\n${hello}`, ...refused(/does not begin with HTTP/) },
  { name: "another protocol", sends: "SSH-2.0-OpenSSH_9.2\r\n", ...refused(/does not begin with HTTP/) },
  { name: "no reason", sends: "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", ...gets(200, "hello") },
  { name: "no reason, nor the space before it", sends: "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", ...gets(200, "hello") },
  { name: "a reason of several words", sends: "HTTP/1.1 404 It's gone; (really)\r\nContent-Length: 0\r\n\r\n", ...gets(404, "") },
  { name: "a reason in ISO-8859-1", sends: Buffer.from("HTTP/1.1 200 g\xfct\r\nContent-Length: 5\r\n\r\nhello", "latin1"), ...gets(200, "hello") },
  { name: "a control character in the reason", sends: "HTTP/1.1 200 O\x01K\r\n\r\n", ...refused(/invalid response status/) },
  { name: "two spaces before the status", sends: "HTTP/1.1  200 OK\r\n\r\n", ...refused(/invalid response status/) },
  { name: "status 99", sends: "HTTP/1.1 99 OK\r\n\r\n", ...refused(/invalid response status/) },
  { name: "status 099", sends: "HTTP/1.1 099 OK\r\n\r\n", ...refused(/99 is not a status code/) },
  { name: "status 000", sends: "HTTP/1.1 000 OK\r\n\r\n", ...refused(/0 is not a status code/) },
  { name: "status 2000", sends: "HTTP/1.1 2000 OK\r\n\r\n", ...refused(/invalid response status/) },
  { name: "status 2xx", sends: "HTTP/1.1 2xx OK\r\n\r\n", ...refused(/invalid response status/) },
  { name: "status 600", sends: "HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n", ...refused(/600 is not a status code/) },
  { name: "status 999", sends: "HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n", ...refused(/999 is not a status code/) },
  { name: "status 599", sends: "HTTP/1.1 599 Odd\r\nContent-Length: 5\r\n\r\nhello", ...gets(599, "hello") },
  { name: "status 299", sends: "HTTP/1.1 299 Odd\r\nContent-Length: 5\r\n\r\nhello", ...gets(299, "hello") },

  // Interim responses.
  { name: "100 before the answer", sends: `HTTP/1.1 100 Continue\r\n\r\n${hello}`, ...gets(200, "hello") },
  {
    name: "103 with headers, which are not the answer's",
    sends: `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nContent-Length: 3\r\n\r\n${hello}`,
    ...gets(200, "hello", { link: undefined, "content-length": "5" }),
  },
  { name: "a hundred interim answers", sends: "HTTP/1.1 102 Processing\r\n\r\n".repeat(100) + hello, ...gets(200, "hello") },
  { name: "interim answers without end", sends: endlessly("HTTP/1.1 102 Processing\r\n\r\n"), ...refused(/interim responses without end/) },
  { name: "only an interim answer", sends: "HTTP/1.1 100 Continue\r\n\r\n", ...refused(/closed the connection after 25 bytes/) },
  { name: "101 that nobody asked for", sends: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: smoke\r\n\r\n", ...refused(/without being asked/) },

  // Headers.
  { name: "a folded header", sends: `${ok}X-A: one\r\n two\r\nContent-Length: 5\r\n\r\nhello`, ...refused(/invalid header name/) },
  { name: "a folded first header", sends: `${ok} X-A: one\r\n\r\n`, ...refused(/invalid header name/) },
  { name: "a space before the colon", sends: `${ok}Content-Length : 5\r\n\r\nhello`, ...refused(/invalid header name/) },
  { name: "a space in a name", sends: `${ok}X A: b\r\n\r\n`, ...refused(/invalid header name/) },
  { name: "no colon", sends: `${ok}Content-Length 5\r\n\r\nhello`, ...refused(/invalid header name/) },
  { name: "an empty name", sends: `${ok}: 5\r\n\r\n`, ...refused(/invalid header name/) },
  { name: "NUL in a name", sends: `${ok}X-\0A: b\r\n\r\n`, ...refused(/invalid header name/) },
  { name: "NUL in a value", sends: `${ok}X-A: b\0c\r\n\r\n`, ...refused(/invalid header value/) },
  { name: "a bare CR in a value", sends: `${ok}X-A: b\rContent-Length: 5\r\n\r\nhello`, ...refused(/invalid header value/) },
  { name: "a bare LF after a header", sends: `${ok}X-A: b\nContent-Length: 5\r\n\r\nhello`, ...refused(/does not end in CR LF/) },
  { name: "a bare LF after the status line", sends: "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello", ...refused(/does not end in CR LF/) },
  { name: "a bare LF for the empty line", sends: `${ok}Content-Length: 5\r\n\nhello`, ...refused(/does not end in CR LF/) },
  { name: "bare LFs throughout", sends: "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", ...refused(/does not end in CR LF/) },
  { name: "an empty value", sends: `${ok}X-A:\r\nContent-Length: 5\r\n\r\nhello`, ...gets(200, "hello") },
  { name: "space around a value", sends: `${ok}X-A: \t b c \t\r\nContent-Length:5\r\n\r\nhello`, ...gets(200, "hello", { "x-a": "b c" }) },
  { name: "UTF-8 in a value", sends: `${ok}X-A: gr\u00fcn\r\nContent-Length: 5\r\n\r\nhello`, ...gets(200, "hello", { "x-a": latin1("gr\u00fcn") }) },
  // The runtime sends headers in UTF-8.
  { name: "ISO-8859-1 in a value", sends: Buffer.from(`${ok}X-A: gr\xfcn\r\nContent-Length: 5\r\n\r\nhello`, "latin1"), ...gets(200, "hello", { "x-a": latin1("gr\u00fcn") }) },
  { name: "256 headers", sends: `${ok}${manyHeaders(255)}Content-Length: 5\r\n\r\nhello`, ...gets(200, "hello", { "x-254": "254" }) },
  { name: "257 headers", sends: `${ok}${manyHeaders(256)}Content-Length: 5\r\n\r\nhello`, ...refused(/too many headers/) },
  { name: "a head of 60 KiB", sends: `${ok}X-A: ${"a".repeat(60 * 1024)}\r\nContent-Length: 5\r\n\r\nhello`, check: (got) => expect(got.body.toString()).toBe("hello") },
  { name: "a head over 64 KiB", sends: `${ok}X-A: ${"a".repeat(64 * 1024)}\r\nContent-Length: 5\r\n\r\nhello`, ...refused(/longer than 65536 bytes/) },
  { name: "a head without end", sends: endlessly(`X-A: ${"a".repeat(1000)}\r\n`, ok), ...refused(/longer than 65536 bytes|too many headers/) },
  { name: "a first line without end", sends: endlessly("a".repeat(1000), "HTTP/1.1 200 "), ...refused(/longer than 65536 bytes/) },
  { name: "an answer in pieces of one byte", sends: inPieces(`HTTP/1.1 100 Continue\r\n\r\n${ok}X-A: b\r\nContent-Length: 5\r\n\r\nhello`, 1), ...gets(200, "hello", { "x-a": "b" }) },
  { name: "two cookies", sends: `${ok}Set-Cookie: a=1\r\nX-A: b\r\nset-cookie: c=2, d\r\nContent-Length: 5\r\n\r\nhello`, ...gets(200, "hello", { "set-cookie": "a=1|c=2, d" }) },
  {
    name: "headers of the connection",
    sends: `${ok}Connection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\n\r\nhello`,
    ...gets(200, "hello", { "x-hop": undefined, "keep-alive": undefined }),
  },

  // Lengths.
  { name: "two lengths", sends: `${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`, ...refused(/several different Content-Lengths/) },
  { name: "two lengths in one line", sends: `${ok}Content-Length: 5, 6\r\n\r\nhello!`, ...refused(/several different Content-Lengths/) },
  { name: "the same length twice", sends: `${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`, ...gets(200, "hello", { "content-length": "5" }) },
  { name: "the same length twice in one line", sends: `${ok}Content-Length: 5, 5\r\n\r\nhello`, ...gets(200, "hello", { "content-length": "5" }) },
  { name: "a negative length", sends: `${ok}Content-Length: -5\r\n\r\nhello`, ...refused(/Content-Length "-5"/) },
  { name: "a length with a plus sign", sends: `${ok}Content-Length: +5\r\n\r\nhello`, ...refused(/Content-Length "\+5"/) },
  { name: "a length in hexadecimal", sends: `${ok}Content-Length: 0x5\r\n\r\nhello`, ...refused(/Content-Length "0x5"/) },
  { name: "a length that is empty", sends: `${ok}Content-Length:\r\n\r\nhello`, ...refused(/Content-Length ""/) },
  { name: "a length with a fraction", sends: `${ok}Content-Length: 5.0\r\n\r\nhello`, ...refused(/Content-Length "5.0"/) },
  { name: "a length beyond 64 bits", sends: `${ok}Content-Length: 99999999999999999999\r\n\r\nhello`, ...refused(/too large/) },
  { name: "a length beyond any body", sends: `${ok}Content-Length: 18446744073709551615\r\n\r\nhello`, ...refused(/too large/) },
  { name: "a length of nothing", sends: `${ok}Content-Length: 0\r\n\r\n`, ...gets(200, "", { "content-length": "0" }) },
  { name: "a length and chunks", sends: `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, ...refused(/both Content-Length and Transfer-Encoding/) },
  { name: "a length with 204", sends: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", ...gets(204, "") },
  { name: "a length with 304", sends: "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\n", ...gets(304, "", { etag: '"a"' }) },
  { name: "a length with HEAD", method: "HEAD", sends: `${ok}Content-Length: 5\r\n\r\n`, ...gets(200, "", { "content-length": "5" }) },
  { name: "a body with HEAD", method: "HEAD", sends: hello, ...gets(200, "", { "content-length": "5" }) },
  { name: "chunks with HEAD", method: "HEAD", sends: chunked, ...gets(200, "") },
  { name: "two lengths with HEAD", method: "HEAD", sends: `${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`, check: (got) => expect(got.status).toBe(502), logs: /several different Content-Lengths/ },
  { name: "205", sends: "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", ...gets(205, "") },

  // Chunks.
  { name: "chunks", sends: `${chunked}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`, ...gets(200, "hello world", { "content-length": undefined }) },
  { name: "chunks with extensions", sends: `${chunked}5;a=b;c="d e"\r\nhello\r\n0;last\r\n\r\n`, ...gets(200, "hello") },
  { name: "chunks with trailers", sends: `${chunked}5\r\nhello\r\n0\r\nX-T: 1\r\nContent-Length: 9\r\n\r\n`, ...gets(200, "hello", { "x-t": undefined }) },
  { name: "chunk sizes with zeros before them", sends: `${chunked}0005\r\nhello\r\n00\r\n\r\n`, ...gets(200, "hello") },
  { name: "many chunks of one byte", sends: `${chunked}${"1\r\na\r\n".repeat(5000)}0\r\n\r\n`, ...gets(200, "a".repeat(5000)) },
  { name: "chunks in pieces of one byte", sends: inPieces(`${chunked}5\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n`, 1), ...gets(200, "hello world") },
  { name: "one large chunk", sends: Buffer.concat([Buffer.from(`${chunked}${large.length.toString(16)}\r\n`), large, Buffer.from("\r\n0\r\n\r\n")]), ...gets(200, large) },
  { name: "bytes after the last chunk", sends: `${chunked}5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nmore`, ...gets(200, "hello") },
  { name: "a chunk size that is none", sends: `${chunked}5\r\nhello\r\nXYZ\r\n\r\n`, ...brokenOff("hello", /"XYZ" is not a chunk size/) },
  { name: "a chunk size with a sign", sends: `${chunked}+5\r\nhello\r\n0\r\n\r\n`, ...brokenOff("", /"\+5" is not a chunk size/) },
  { name: "a chunk size in 0x", sends: `${chunked}0x5\r\nhello\r\n0\r\n\r\n`, ...brokenOff("", /"0x5" is not a chunk size/) },
  { name: "a chunk size beyond 64 bits", sends: `${chunked}fffffffffffffffff\r\nhello`, ...brokenOff("", /"fffffffffffffffff" is not a chunk size/) },
  { name: "a chunk longer than its size", sends: `${chunked}5\r\nhello!\r\n0\r\n\r\n`, ...brokenOff("hello", /longer than its size/) },
  { name: "a chunk without CR LF after it", sends: `${chunked}5\r\nhello0\r\n\r\n`, ...brokenOff("hello", /longer than its size/) },
  { name: "a bare LF after a chunk's size", sends: `${chunked}5\nhello\r\n0\r\n\r\n`, ...brokenOff("", /line does not end in CR LF/) },
  { name: "an extension without end", sends: endlessly("a".repeat(1000), `${chunked}5;`), ...brokenOff("", /size line is too long/) },
  { name: "chunks cut short in a chunk", sends: `${chunked}64\r\nshort`, ...brokenOff("short", /middle of a chunked body/) },
  { name: "chunks cut short between chunks", sends: `${chunked}5\r\nhello\r\n`, ...brokenOff("hello", /middle of a chunked body/) },
  { name: "chunks cut short before the last line", sends: `${chunked}5\r\nhello\r\n0\r\n`, ...brokenOff("hello", /middle of a chunked body/) },
  { name: "another coding", sends: `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, ...refused(/transfer codings \["gzip", "chunked"\]/) },
  { name: "chunked twice", sends: `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, ...refused(/transfer codings \["chunked", "chunked"\]/) },
  { name: "chunks with HTTP/1.0", sends: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ...refused(/HTTP\/1.0 with a Transfer-Encoding/) },

  // Where a body ends.
  { name: "a body that ends with the connection", sends: `${ok}\r\n${"until the end. ".repeat(10_000)}`, ...gets(200, "until the end. ".repeat(10_000)) },
  { name: "the same with HTTP/1.0", sends: "HTTP/1.0 200 OK\r\n\r\nhello", ...gets(200, "hello") },
  { name: "the same, and reset", sends: reset(`${ok}\r\nhello`), ...brokenOff("hello") },
  { name: "a body cut short", sends: `${ok}Content-Length: 100\r\n\r\nshort`, ...brokenOff("short", /95 bytes before the end of the body/) },
  { name: "a large body cut short by a byte", sends: Buffer.concat([head(large.length + 1), large]), ...brokenOff(large, /1 bytes before the end of the body/) },
  { name: "a body cut short by a reset", sends: reset(`${ok}Content-Length: 100\r\n\r\nshort`), ...brokenOff("short", /a response from .* is truncated/) },
  { name: "bytes after the body", sends: `${hello}HTTP/1.1 200 OK\r\n\r\nsmuggled`, ...gets(200, "hello") },
  { name: "bytes after a large body", sends: Buffer.concat([head(large.length), large, Buffer.from("surplus")]), ...gets(200, large) },
  { name: "a connection kept open", sends: (c) => c.write(hello), ...gets(200, "hello") },
  { name: "a connection kept open after a large body", sends: (c) => c.write(Buffer.concat([head(large.length), large])), ...gets(200, large) },
  { name: "a connection kept open after chunks", sends: (c) => c.write(`${chunked}5\r\nhello\r\n0\r\n\r\n`), ...gets(200, "hello") },
  { name: "a connection kept open without a body", sends: (c) => c.write("HTTP/1.1 204 No Content\r\n\r\n"), ...gets(204, "") },

  // Connections that end before the response.
  { name: "nothing", sends: "", ...refused(/closed the connection without a response/) },
  { name: "nothing but a reset", sends: reset(""), ...refused(/no response at/) },
  { name: "half a status line", sends: "HTTP/1.1 20", ...refused(/closed the connection after 11 bytes/) },
  { name: "half a head", sends: `${ok}Content-Le`, ...refused(/closed the connection after 27 bytes/) },
  { name: "half a head and a reset", sends: reset(`${ok}Content-Le`), ...refused(/closed the connection after|no response at/) },

  // Forwarded without interpretation.
  { name: "a compressed body", sends: Buffer.concat([Buffer.from(`${ok}Content-Encoding: gzip\r\nContent-Length: ${gzipped.length}\r\n\r\n`), gzipped]), ...gets(200, gzipped, { "content-encoding": "gzip" }) },
  { name: "a redirect", sends: "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/a?b\r\nContent-Length: 0\r\n\r\n", ...gets(302, "", { location: "http://elsewhere.example/a?b" }) },
  { name: "a redirect with a body", sends: "HTTP/1.1 308 Permanent Redirect\r\nLocation: //x\r\nContent-Length: 5\r\n\r\nhello", ...gets(308, "hello", { location: "//x" }) },
];

describe("an answer of the VM", () => {
  let origin: Origin;
  let world: World;

  beforeAll(async () => {
    const responders = cases.map(({ sends }, index): [string, Responder] => [
      `/${index}`,
      typeof sends === "function" ? sends : (c) => c.end(sends),
    ]);
    const refusing: Responder = (c) => c.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo much");
    origin = await Origin.listen({ ...Object.fromEntries(responders), "/refused": refusing });
    // The runtime treats a response that fails midway as an uncaught exception.
    const mayLog = /^Uncaught exception: .*(before the end of the body|Network connection lost|middle of a chunked body|chunk|disconnected|reset)/;
    world = await launch({ vm: { origin: `http://127.0.0.1:${origin.port}` }, mayLog });
    expect((await world.worker.fetch("/0")).status).toBe(200);
  });

  afterAll(async () => {
    await world?.end();
    origin?.close();
  });

  test.for(cases.map((one, index) => ({ index, ...one })))("$name", async ({ index, sends, method = "GET", check, logs }) => {
    const { worker } = world;
    // Otherwise the runtime would compress or decompress the body for the client.
    const headers = { "accept-encoding": sends.toString().includes("gzip") ? "gzip" : "identity" };

    check(await exchange(worker.url, `/${index}`, { method, headers }));

    if (logs) await worker.untilLogged(logs);
  });

  test("comes before the request's body was read", async () => {
    const request = http.request(world.worker.url, { path: "/refused", method: "POST", agent: false });
    request.on("error", () => {});
    request.write("the beginning of an upload that never ends");

    const [response] = (await once(request, "response")) as [http.IncomingMessage];

    expect(response.statusCode).toBe(413);
    expect((await response.toArray()).join("")).toBe("too much");
    request.destroy();
  });
});

test.for([
  ["nothing comes", ""],
  ["the head is not complete", `${ok}X-A: b\r\n`],
  ["there are only interim answers", "HTTP/1.1 102 Processing\r\n\r\n"],
])("after response_timeout it is over, if %s", async ([, sends], { launch, onTestFinished }) => {
  const origin = await Origin.listen({ "/late": (c) => c.write(sends!) });
  onTestFinished(() => origin.close());
  const { worker } = await launch({ vm: { origin: `http://127.0.0.1:${origin.port}`, response_timeout: "3s" } });
  const { check, logs } = refused(/no response within 3s/, 504, "The VM did not respond in time");

  check(await exchange(worker.url, "/late", { headers: { "accept-encoding": "identity" } }));

  await worker.untilLogged(logs!);
  await origin.untilLeftAlone();
  expect(origin.heads).toHaveLength(1);
});

test.for<[what: string, sends: string, got: string]>([
  ["a body with a length", `${ok}Content-Length: 100\r\n\r\nshort`, "short"],
  ["a large body", `${head(large.length)}${large.subarray(0, 1_000_000)}`, large.subarray(0, 1_000_000).toString()],
  ["chunks", `${chunked}5\r\nhello\r\n`, "hello"],
  ["a chunk", `${chunked}64\r\nshort`, "short"],
])("%s may not be silent for longer than response_timeout", async ([, sends, got], { launch, onTestFinished }) => {
  const origin = await Origin.listen({ "/": (c) => c.write(sends) });
  onTestFinished(() => origin.close());
  const mayLog = /^Uncaught exception: .*the VM sent nothing/;
  const { worker } = await launch({ vm: { origin: `http://127.0.0.1:${origin.port}`, response_timeout: "2s" }, mayLog });

  const { check, logs } = brokenOff(got, /a response from .* is truncated: the VM sent nothing for 2s in the middle of the body/);
  check(await exchange(worker.url, "/", { headers: { "accept-encoding": "identity" } }));

  await worker.untilLogged(logs!);
  await origin.untilLeftAlone();
});

test("what is slow, or a stream, may take longer than response_timeout", async ({ launch, onTestFinished }) => {
  const begun = performance.now();
  const late = Promise.withResolvers<void>();
  const origin = await Origin.listen({
    "/slow": async (c) => {
      c.write(`${ok}Content-Length: 5\r\n\r\n`);
      for (const letter of "hello") {
        c.write(letter);
        await setTimeout(900);
      }
    },
    "/events": async (c) => {
      c.write(`${ok}Content-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n`);
      await late.promise;
      c.end("5\r\nhello\r\n0\r\n\r\n");
    },
    "/close": async (c) => {
      c.write(`${ok}\r\nhe`);
      await late.promise;
      c.end("llo");
    },
    "/silent": () => {},
  });
  onTestFinished(() => origin.close());
  const { worker } = await launch({ vm: { origin: `http://127.0.0.1:${origin.port}`, response_timeout: "2s" } });

  const headers = { "accept-encoding": "identity" };
  const responses = ["/slow", "/events", "/close"].map((path) => exchange(worker.url, path, { headers }));
  // These requests come later, one after the other, and time out first.
  for (let i = 0; i < 2; i++) expect((await exchange(worker.url, "/silent")).status).toBe(504);
  late.resolve();

  for (const response of responses) expect(await response).toMatchObject({ status: 200, body: Buffer.from("hello"), complete: true });
  expect(performance.now() - begun).toBeGreaterThan(4000);
});

test("an upload that the VM does not take is over after response_timeout", async ({ launch, onTestFinished }) => {
  const held: Socket[] = [];
  const origin = await Origin.listen({ "/": (c) => void held.push(c.pause()) });
  onTestFinished(() => origin.close());
  const { worker } = await launch({ vm: { origin: `http://127.0.0.1:${origin.port}`, response_timeout: "2s" } });

  for (const framing of [{ "content-length": String(20 * large.length) }, { "transfer-encoding": "chunked" }]) {
    const request = http.request(worker.url, { method: "POST", agent: false, headers: framing });
    onTestFinished(() => void request.destroy());
    request.on("error", () => {});
    for (let i = 0; i < 20; i++) request.write(large);
    request.end();

    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    expect(response.statusCode).toBe(504);
    await worker.untilLogged(/no response within 2s/);
  }
  expect(origin.heads).toHaveLength(2);
  // A socket that does not read does not detect the end.
  for (const connection of held) connection.resume();
  await origin.untilLeftAlone();
});

test("a client may take longer than response_timeout to send its body", async ({ launch, onTestFinished }) => {
  const origin = await Origin.listen({
    "/": (c) => c.on("data", (data: Buffer) => data.includes("end") && c.end(hello)),
    "/silent": () => {},
  });
  onTestFinished(() => origin.close());
  const { worker } = await launch({ vm: { origin: `http://127.0.0.1:${origin.port}`, response_timeout: "1s" } });

  const request = http.request(worker.url, { method: "POST", agent: false });
  request.write("the beginning, ");
  for (let i = 0; i < 2; i++) expect((await exchange(worker.url, "/silent")).status).toBe(504);
  request.end("and the end");

  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  expect((await response.toArray()).join("")).toBe("hello");
});

function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function head(length: number): Buffer {
  return Buffer.from(`${ok}Content-Length: ${length}\r\n\r\n`);
}

function manyHeaders(count: number): string {
  return Array.from({ length: count }, (_, index) => `X-${index}: ${index}\r\n`).join("");
}

/** Writes each piece separately, once the previous one has been sent. */
function inPieces(text: string, length: number): Responder {
  return async (c) => {
    c.setNoDelay();
    for (let at = 0; at < text.length; at += length) await written(c, text.slice(at, at + length));
    c.end();
  };
}

/** Repeats the text until the connection is closed. */
function endlessly(text: string, first = ""): Responder {
  return async (c) => {
    await written(c, first);
    while (!c.destroyed) await written(c, text);
  };
}

function written(c: Socket, text: string): Promise<void> {
  return new Promise((resolve) => c.write(text, () => setImmediate(resolve)));
}

/** Resets the connection once everything has been sent. */
function reset(text: string): Responder {
  return (c) => void (text ? c.write(text, () => c.resetAndDestroy()) : c.resetAndDestroy());
}
