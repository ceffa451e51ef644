// Valid HTTP responses are forwarded; malformed and truncated ones are errors.

import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { sha256, take } from "../harness/bodies.ts";
import { type Responder, Origin } from "../harness/origin.ts";
import { expectProblem } from "../harness/problem.ts";
import { launch, test, type World } from "../harness/test.ts";
import type { Worker } from "../harness/worker.ts";

describe("a body that breaks off is an error for the client", () => {
  const responders: Record<string, Responder> = {
    "/cut-length": (c) => c.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
    "/cut-length-late": (c) => c.end(`HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n${"x".repeat(1_000_000)}`),
    "/cut-chunk": (c) => c.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort"),
    "/cut-between-chunks": (c) => c.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"),
    "/bad-chunk": (c) => c.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nXYZ\r\n\r\n"),
    "/reset": (c) => {
      c.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", () => c.resetAndDestroy());
    },
  };
  let origin: Origin;
  let world: World;

  beforeAll(async () => {
    origin = await Origin.listen(responders);
    // The runtime treats a response that fails midway as an uncaught exception.
    const mayLog = /^Uncaught exception: .*(before the end of the body|Network connection lost|middle of a chunked body|not a chunk size|disconnected)/;
    world = await launch({ vm: { origin: `http://127.0.0.1:${origin.port}` }, mayLog });
  });

  afterAll(async () => {
    await world?.end();
    origin?.close();
  });

  test.for(Object.keys(responders))("%s", async (path) => {
    const whole = world.worker.fetch(path).then((response) => response.text());

    await expect(whole).rejects.toThrow();
  });
});

describe("with a server that speaks its own HTTP", () => {
  let origin: Origin;
  let world: World;
  let worker: Worker;
  const goOn = Promise.withResolvers<void>();
  const gzipped = gzipSync("compressed by the VM");
  // The read buffer grows with the large pieces; the next piece must not overwrite a small one.
  const bursts = [5_000_000, 10, 300_000, 1, 70_000, 4_000_000, 100, 100, 1_000_000, 7].map((length) => randomBytes(length));
  const short = Array.from({ length: 40 }, (_, index) => randomBytes(1 + 300 * index));
  const inBursts = async (connection: Socket, asSent: (piece: Buffer) => Buffer, end = "") => {
    for (const piece of bursts) {
      await new Promise((sent) => connection.write(asSent(piece), sent));
      await new Promise(setImmediate);
    }
    connection.end(end);
  };

  beforeAll(async () => {
    origin = await Origin.listen({
      "/both-lengths": (c) => c.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      "/two-lengths": (c) => c.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
      "/garbage": (c) => c.end("SSH-2.0-OpenSSH_9.2\r\n"),
      "/half-a-head": (c) => c.end("HTTP/1.1 200 OK\r\nContent-Le"),
      "/huge-head": (c) => c.end(`HTTP/1.1 200 OK\r\nX-Long: ${"x".repeat(100_000)}\r\n\r\n`),
      "/nothing": (c) => c.end(),
      "/switches": (c) => c.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: smoke\r\n\r\n"),
      "/interim": (c) =>
        c.end(
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" +
            "HTTP/1.1 200 OK\r\nX-Final: yes\r\nContent-Length: 5\r\n\r\nfinal",
        ),
      "/until-close": (c) => c.end(`HTTP/1.0 200 OK\r\n\r\n${"until the end. ".repeat(10_000)}`),
      "/bursts": (c) => {
        c.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bursts.reduce((sum, piece) => sum + piece.length, 0)}\r\n\r\n`);
        void inBursts(c, (piece) => piece);
      },
      "/bursts-until-close": (c) => {
        c.write("HTTP/1.1 200 OK\r\n\r\n");
        void inBursts(c, (piece) => piece);
      },
      "/bursts-in-chunks": (c) => {
        c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        const chunk = (piece: Buffer) => Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]);
        void inBursts(c, chunk, "0\r\n\r\n");
      },
      // Half of these bodies come in two parts, the second later than the head.
      ...Object.fromEntries(
        short.map((body, index): [string, Responder] => [
          `/short/${index}`,
          async (c) => {
            const cut = index % 2 ? Math.floor(body.length / 2) : body.length;
            c.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`), body.subarray(0, cut)]));
            await new Promise(setImmediate);
            c.end(body.subarray(cut));
          },
        ]),
      ),
      "/no-body": (c) => c.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
      "/surplus": (c) => c.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\nsmuggled"),
      "/byte-by-byte": async (c) => {
        const head = "HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\n\r\n";
        for (const byte of `${head}5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n`) {
          c.write(byte);
          await new Promise(setImmediate);
        }
        c.end();
      },
      "/in-two-steps": async (c) => {
        c.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none, ");
        await goOn.promise;
        c.end("two.");
      },
      "/endless": (c) => c.write("HTTP/1.1 200 OK\r\n\r\nthe beginning"),
      "/headers": (c) =>
        c.end(
          "HTTP/1.1 299 Quite Fine\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTrailer: X-T\r\n" +
            "X-Own: kept\r\nSet-Cookie: a=1\r\nX-Own: twice\r\nset-cookie: b=2\r\nContent-Length: 0\r\n\r\n",
        ),
      "/gzipped": (c) => {
        c.write(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${gzipped.length}\r\n\r\n`);
        c.end(gzipped);
      },
    });
    world = await launch({ vm: { origin: `http://127.0.0.1:${origin.port}` } });
    ({ worker } = world);
    expect((await worker.fetch("/no-body")).status).toBe(200);
  });

  afterAll(async () => {
    await world?.end();
    origin?.close();
  });

  test.for(["/both-lengths", "/two-lengths", "/garbage", "/half-a-head", "/huge-head", "/nothing", "/switches"])(
    "%s is no valid answer",
    async (path) => {
      await expectProblem(await worker.fetch(path), 502, "The VM sent no valid response");
    },
  );

  test("interim answers are passed over", async () => {
    const response = await worker.fetch("/interim");

    expect(response.status).toBe(200);
    expect(response.headers.get("x-final")).toBe("yes");
    expect(response.headers.has("link")).toBe(false);
    expect(await response.text()).toBe("final");
  });

  test("a body may end with the connection", async () => {
    const response = await worker.fetch("/until-close");

    expect(await response.text()).toBe("until the end. ".repeat(10_000));
  });

  test.for(["/bursts", "/bursts-until-close", "/bursts-in-chunks"])("%s arrive whole, read fast or slowly", async (path) => {
    const whole = sha256(Buffer.concat(bursts));
    const slowly = async (response: Response) => {
      const pieces: Uint8Array[] = [];
      for await (const piece of response.body!) {
        pieces.push(piece);
        await new Promise(setImmediate);
      }
      return Buffer.concat(pieces);
    };

    const responses = await Promise.all(Array.from({ length: 6 }, () => worker.fetch(path)));
    const read = responses.map(async (response, index) => (index % 2 ? slowly(response) : new Uint8Array(await response.arrayBuffer())));

    expect((await Promise.all(read)).map(sha256)).toEqual(Array(6).fill(whole));
  });

  test("short answers, whose memory is used again, arrive as they were sent", async () => {
    const once = () => Promise.all(short.map(async (_, index) => (await worker.fetch(`/short/${index}`)).arrayBuffer()));

    const rounds = await Promise.all([once(), once(), once(), once(), once()]);

    for (const round of rounds) expect(round.map((body) => sha256(new Uint8Array(body)))).toEqual(short.map(sha256));
  });

  test("what comes after the body is not part of it", async () => {
    expect(await (await worker.fetch("/surplus")).text()).toBe("hello");
  });

  test("an answer may come byte by byte", async () => {
    expect(await (await worker.fetch("/byte-by-byte")).text()).toBe("hello world");
  });

  test("the beginning of a body is there before the VM has its end", async () => {
    const response = await worker.fetch("/in-two-steps");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();

    expect((await reader.read()).value).toBe("one, ");
    goOn.resolve();

    expect((await reader.read()).value).toBe("two.");
    expect((await reader.read()).done).toBe(true);
  });

  test("response headers arrive, but those of the connection", async () => {
    const { status, headers } = await worker.request("/headers");

    expect(status).toBe(299);
    const names = headers.map(([name]) => name);
    for (const name of ["x-hop", "keep-alive", "trailer"]) expect(names).not.toContain(name);
    expect(headers.filter(([name]) => name === "x-own")).toEqual([["x-own", "kept"], ["x-own", "twice"]]);
    expect(headers.filter(([name]) => name === "set-cookie")).toEqual([["set-cookie", "a=1"], ["set-cookie", "b=2"]]);
  });

  test("what the VM has compressed is not compressed again", async () => {
    const response = await worker.fetch("/gzipped", { headers: { "accept-encoding": "gzip" } });

    expect(response.headers.get("content-encoding")).toBe("gzip");
    expect(await response.text()).toBe("compressed by the VM");
  });

  test("a path arrives with its odd characters", async () => {
    const path = "/a%2Fb//c;x=1,2:3@4&5=6+7!$*()'/%7E~?q=%2F//";

    await worker.request(path);

    expect(origin.heads.map((head) => head.split("\r\n")[0])).toContain(`GET ${path} HTTP/1.1`);
  });
});

describe("a client that goes away", () => {
  // While the VM sends nothing, the runtime detects a disconnect at the next write only.
  test("takes its connection to the VM with it", async ({ launch, onTestFinished }) => {
    const endless: Responder = (c) => {
      const sending = setInterval(() => c.write("more"), 50);
      c.on("close", () => clearInterval(sending));
      c.write("HTTP/1.1 200 OK\r\n\r\n");
    };
    const origin = await Origin.listen({ "/endless": endless });
    onTestFinished(() => origin.close());
    const { worker } = await launch({ vm: { origin: `http://127.0.0.1:${origin.port}` } });

    await take(await worker.fetch("/endless"), (text) => text.startsWith("more"));

    await origin.untilLeftAlone(15_000);
  });
});
