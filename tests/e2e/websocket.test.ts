// WebSockets to VMs reached over a socket and by a host name.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect } from "vitest";
import type { WebSocket } from "ws";
import { sha256 } from "../harness/bodies.ts";
import { eventually } from "../harness/eventually.ts";
import { launch, test, type World } from "../harness/test.ts";
import { Client } from "../harness/websocket-client.ts";
import { WebSocketOrigin } from "../harness/websocket-origin.ts";
import type { Worker } from "../harness/worker.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** Messages of 1 KiB: more than the buffers hold, fewer than the limit. */
const FLOOD = 30_000;

describe.each(["127.0.0.1", "localhost"])("a VM at %s", (host) => {
  let origin: WebSocketOrigin;
  let world: World;
  let worker: Worker;
  const pongs: string[] = [];
  let flooding: Sending | undefined;

  beforeAll(async () => {
    origin = await WebSocketOrigin.listen({
      "/greeting": (socket) => socket.send("hello"),
      "/fragments": (socket) => {
        for (const piece of ["in ", "", "pi", "eces, ", "ü".repeat(40_000)]) socket.send(piece, { fin: false });
        socket.ping("between");
        socket.send("end");
        for (let at = 0; at < 40; at += 1) socket.send(Buffer.alloc(KIB * at, at), { fin: at === 39, binary: true });
      },
      "/ping": (socket) => {
        socket.on("pong", (payload) => pongs.push(payload.toString()));
        socket.ping("are you there");
      },
      "/flood": (socket) => {
        for (let at = 0; at < FLOOD; at += 1) socket.send(numbered(at));
        flooding = new Sending(socket);
      },
      "/reads-late": (socket) => {
        socket.pause();
        setTimeout(() => socket.resume(), 500);
        socket.on("message", (message, isBinary) => socket.send(message, { binary: isBinary }));
      },
      "/reads-nothing": (socket) => socket.pause(),
      "/gone": (socket) => socket.terminate(),
      "/not-utf8": (socket) => socket.send(Buffer.from([0xff]), { binary: false }),
      ...Object.fromEntries(
        [1000, 1001, 3000, 4000].map((code) => [`/close/${code}`, (socket) => socket.close(code, "the VM's reason")]),
      ),
      "/close/none": (socket) => socket.close(),
    });
    world = await launch({ vm: { origin: `http://${host}:${origin.port}` } });
    ({ worker } = world);
  });

  afterAll(async () => {
    await world?.end();
    origin?.close();
  });

  test("echoes text and bytes of any length", async () => {
    const client = await Client.open(worker, "/");
    const lengths = [0, 1, 125, 126, 65_535, 65_536, 65_537, MIB, 8 * MIB];
    const sent = lengths.flatMap((length) => [randomBytes(length), "ü€😀 \0".repeat(length / 11)]);

    for (const message of sent) client.socket.send(message);

    const received = await client.received(sent.length);
    const digest = (message: string | Buffer) => [typeof message, message.length, sha256(Buffer.from(message))];
    expect(received.map(digest)).toEqual(sent.map(digest));
    client.socket.close();
    await client.end();
  });

  test("sends first", async () => {
    const client = await Client.open(worker, "/greeting");

    expect(await client.received(1)).toEqual(["hello"]);
    client.socket.terminate();
  });

  test("sends messages in fragments", async () => {
    const client = await Client.open(worker, "/fragments");

    const [text, bytes] = await client.received(2);

    expect(text).toBe(`in pieces, ${"ü".repeat(40_000)}end`);
    expect(sha256(bytes as Buffer)).toBe(sha256(Buffer.concat(Array.from({ length: 40 }, (_, at) => Buffer.alloc(KIB * at, at)))));
    client.socket.terminate();
  });

  test("has its pings answered, and so has the client", async () => {
    const client = await Client.open(worker, "/ping");
    const pong = once(client.socket, "pong");

    client.socket.ping("and you");

    expect(String(await pong)).toBe("and you");
    await eventually("the VM has received the pong", () => pongs.includes("are you there"));
    client.socket.terminate();
  });

  test("learns what the client sends, and the client what the VM answers", async () => {
    const seen = origin.upgrades.length;
    const client = await Client.open(worker, "/asked", ["chat", "superchat"], {
      perMessageDeflate: true,
      headers: { cookie: "a=1", origin: "https://app.example.com", "x-own": "1", "x-forwarded-for": "203.0.113.9" },
    });

    expect(client.socket.protocol).toBe("superchat");
    const heads = origin.upgrades.slice(seen).map(fields);
    const sent = heads.find((head) => head.get("x-own") === "1")!;
    expect(sent.get("sec-websocket-protocol")?.replace(" ", "")).toBe("chat,superchat");
    expect(sent.get("cookie")).toBe("a=1");
    expect(sent.get("origin")).toBe("https://app.example.com");
    expect(sent.get("x-forwarded-for")).toBe("127.0.0.1");
    expect(sent.get("x-forwarded-host")).toBe(new URL(worker.url).host);
    expect(sent.get("upgrade")).toBe("websocket");
    expect(sent.get("connection")?.toLowerCase()).toBe("upgrade");
    expect(sent.get("sec-websocket-version")).toBe("13");
    if (host === "127.0.0.1") {
      expect(sent.get("host")).toBe(new URL(worker.url).host);
      expect(sent.has("sec-websocket-extensions")).toBe(false);
    }
    client.socket.send("hello");
    expect(await client.received(1)).toEqual(["hello"]);
    client.socket.terminate();
  });

  test("may refuse", async () => {
    const headers = { connection: "upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };

    const { status, headers: received, body } = await worker.request("/forbidden", { headers });

    expect([status, body]).toEqual([403, "not you"]);
    expect(received).toContainEqual(["x-own", "1"]);
  });

  test("must prove that it has read the handshake", async () => {
    const refused = Client.open(worker, "/wrong-accept");

    await expect(refused).rejects.toThrow("Unexpected server response: 502");
  });

  test.for([1000, 1001, 3000, 4000])("and a client may close with %i", async (code) => {
    const own = await Client.open(worker, `/closed/${code}`);
    own.socket.close(code, "the client's reason");
    expect(await own.end()).toEqual([code, "the client's reason"]);
    expect(await origin.closed(`/closed/${code}`)).toEqual([code, "the client's reason"]);

    const told = await Client.open(worker, `/close/${code}`);
    expect(await told.end()).toEqual([code, "the VM's reason"]);
    expect(await origin.closed(`/close/${code}`)).toEqual([code, "the VM's reason"]);
  });

  test("and a client may close without a code", async () => {
    const own = await Client.open(worker, "/closed/none");
    own.socket.close();
    expect(await own.end()).toEqual([1005, ""]);
    expect(await origin.closed("/closed/none")).toEqual([1005, ""]);

    const told = await Client.open(worker, "/close/none");
    expect(await told.end()).toEqual([1005, ""]);
    expect(await origin.closed("/close/none")).toEqual([1005, ""]);
  });

  test("that vanishes is a bad gateway", async () => {
    const client = await Client.open(worker, "/gone");

    expect(await client.end()).toEqual([1014, ""]);
  });

  test("learns that a client has vanished", async () => {
    const client = await Client.open(worker, "/vanished");

    client.socket.terminate();

    expect(await origin.closed("/vanished")).toEqual([1001, ""]);
  });

  // Over fetch() the runtime decodes the text.
  test.skipIf(host === "localhost")("is not heard further when its text is not UTF-8", async () => {
    const client = await Client.open(worker, "/not-utf8");

    expect((await client.end())[0]).toBe(1014);
    expect(await origin.closed("/not-utf8")).toEqual([1007, "the text is not UTF-8"]);
  });

  test("may send faster than the client reads", async () => {
    const client = await Client.open(worker, "/flood");
    client.socket.pause();
    await eventually("the server has sent all that the buffers hold", () => flooding!.isStable());
    client.socket.resume();

    const messages = await client.received(FLOOD);

    expect(messages.map(numberOf)).toEqual(Array.from({ length: FLOOD }, (_, at) => at));
    client.socket.terminate();
  });

  test("may read slower than the client sends", async () => {
    const client = await Client.open(worker, "/reads-late");

    for (let at = 0; at < FLOOD; at += 1) client.socket.send(numbered(at));

    const messages = await client.received(FLOOD);
    expect(messages.map(numberOf)).toEqual(Array.from({ length: FLOOD }, (_, at) => at));
    client.socket.terminate();
  });

  test("that reads nothing is not sent without end", async () => {
    const client = await Client.open(worker, "/reads-nothing");

    for (let at = 0; at < 100; at += 1) client.socket.send(Buffer.alloc(MIB));

    expect((await client.end())[0]).toBe(1013);
  });

  test("serves a hundred at once", async () => {
    const clients = await Promise.all(Array.from({ length: 100 }, () => Client.open(worker, "/")));

    for (const [at, client] of clients.entries()) for (let n = 0; n < 10; n += 1) client.socket.send(`${at} ${n}`);

    for (const [at, client] of clients.entries()) {
      expect(await client.received(10)).toEqual(Array.from({ length: 10 }, (_, n) => `${at} ${n}`));
      client.socket.close();
    }
    await Promise.all(clients.map((client) => client.end()));
  });

  test("is woken by a WebSocket, and stays awake as long as it is open", async ({ launch }) => {
    const { cloud, worker } = await launch({ vm: { origin: `http://${host}:${origin.port}`, idle_timeout: "2s" } });

    const client = await Client.open(worker, "/");

    const headers = fields(client.headers);
    expect(headers.get("x-vmproxy-cold-start")).toBe("true");
    const opened = Date.parse((await worker.vm()).last_activity!);
    // No messages and no other requests for several idle timeouts.
    await eventually("activity has been reported", async () => {
      const { last_activity } = await worker.vm();
      return Date.parse(last_activity!) - opened > 7000;
    });
    expect(await cloud.operations()).toEqual(["insert"]);
    client.socket.send("still there");
    expect(await client.received(1)).toEqual(["still there"]);
    client.socket.close();
    await client.end();
    await cloud.until("TERMINATED");
    expect(await cloud.operations()).toEqual(["insert", "stop"]);
  });
});

test("the emulator's server speaks WebSocket, and takes it down with itself", async ({ launch }) => {
  const { cloud, worker } = await launch();
  const client = await Client.open(worker, "/ws", ["chat"]);
  expect(client.socket.protocol).toBe("chat");
  client.socket.send("hello");
  expect(await client.received(1)).toEqual(["hello"]);

  await cloud.afflict("crash");

  expect((await client.end())[0]).toBe(1014);
});

test("a VM that fails to start answers an upgrade as any request", async ({ launch }) => {
  const { cloud, worker } = await launch();
  await cloud.fault({ method: "instances.insert", status: 403 });

  const headers = { connection: "upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
  const { status } = await worker.request("/ws", { headers });

  expect(status).toBe(502);
});

function fields(raw: string[]): Map<string, string> {
  return new Map(raw.flatMap((name, at) => (at % 2 ? [] : [[name.toLowerCase(), raw[at + 1] ?? ""] as const])));
}

function numbered(at: number): string {
  return `${at} ${"x".repeat(KIB)}`;
}

function numberOf(message: string | Buffer): number {
  return Number.parseInt(message.toString(), 10);
}

/** The bytes that a server has buffered. */
class Sending {
  readonly #socket: WebSocket;
  #left = -1;
  #unchanged = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Whether the buffer has stopped draining. */
  isStable(): boolean {
    const left = this.#socket.bufferedAmount;
    this.#unchanged = left === this.#left ? this.#unchanged + 1 : 0;
    this.#left = left;
    return this.#unchanged > 20;
  }
}
