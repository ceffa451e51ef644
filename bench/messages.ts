import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

const clients = 16;
/** The number of messages in flight per client. */
const window = 16;
const payload = Buffer.from("A message of the size that chats and games are made of, 64 bytes");
const head = Buffer.from([0x81, payload.length]);
/** A text message from the echo server, unmasked (RFC 6455, section 5.1). */
const echo = Buffer.concat([head, payload]);

/** Sends text messages to an echo as fast as they come back; returns messages per second. */
export async function messages(url: string, milliseconds: number): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: clients }, () => open(url)));
  let back = 0;
  const failed = Promise.all(sockets.map((socket) => exchange(socket, (count) => (back += count))));
  const begun = performance.now();
  await Promise.race([failed, new Promise((resolve) => setTimeout(resolve, milliseconds))]);
  const rate = (back / (performance.now() - begun)) * 1000;
  for (const socket of sockets) socket.destroy();
  if (back === 0) throw new Error(`${url}: no message came back`);
  return rate;
}

/** Whether the server accepts a WebSocket. */
export async function acceptsWebSockets(url: string): Promise<boolean> {
  return open(url).then((socket) => Boolean(socket.destroy()), () => false);
}

/** Keeps the window full; returns only by failing. */
function exchange(socket: Socket, count: (messages: number) => void): Promise<never> {
  return new Promise((_, reject) => {
    let rest: Uint8Array = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      const bytes: Buffer = rest.length ? Buffer.concat([rest, chunk]) : chunk;
      const whole = Math.floor(bytes.length / echo.length);
      for (let index = 0; index < whole; index++) {
        if (bytes.compare(echo, 0, echo.length, index * echo.length, (index + 1) * echo.length) !== 0) {
          return reject(new Error(`what came back is not what was sent: ${bytes.toString("latin1")}`));
        }
      }
      rest = bytes.subarray(whole * echo.length);
      count(whole);
      if (whole > 0) socket.write(frames(whole));
    });
    socket.on("close", () => reject(new Error("a WebSocket was closed")));
    socket.write(frames(window));
  });
}

const masked = Buffer.concat(Array.from({ length: 16 * window }, frame));

function frames(count: number): Buffer {
  return masked.subarray(0, count * (echo.length + 4));
}

function frame(): Buffer {
  const mask = randomBytes(4);
  const text = payload.map((byte, at) => byte ^ mask[at & 3]!);
  return Buffer.concat([Buffer.from([head[0]!, 0x80 | head[1]!]), mask, text]);
}

function open(url: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { hostname, port, host, pathname } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const key = randomBytes(16).toString("base64");
    socket.write(
      `GET ${pathname} HTTP/1.1\r\nhost: ${host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n` +
        `sec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n\r\n`,
    );
    socket.once("error", reject);
    let response = "";
    socket.on("data", function read(chunk: Buffer) {
      response += chunk.toString("latin1");
      if (!response.includes("\r\n\r\n")) return;
      socket.off("data", read);
      if (response.startsWith("HTTP/1.1 101 ")) return resolve(socket);
      socket.destroy();
      reject(new Error(`${url} responded with ${response}`));
    });
  });
}
