// A WebSocket relay over a TCP socket: RFC 6455 written by hand, for messages of one frame each.

import { connect } from "cloudflare:sockets";
import { prepareForOrigin } from "headers.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const text = 1;
const binary = 2;
const close = 8;

export default {
  async fetch(request, env, ctx) {
    const socket = connect(env.ADDRESS);
    const writer = socket.writable.getWriter();
    await writer.write(handshake(request));
    const reader = socket.readable.getReader();
    const rest = await switched(reader);

    const [client, near] = Object.values(new WebSocketPair());
    near.addEventListener("message", ({ data }) => {
      const payload = typeof data === "string" ? encoder.encode(data) : new Uint8Array(data);
      writer.write(frame(typeof data === "string" ? text : binary, payload));
    });
    near.addEventListener("close", () => socket.close());
    near.accept({ allowHalfOpen: true });
    ctx.waitUntil(receive(rest, reader, near));
    return new Response(null, { status: 101, webSocket: client });
  },
};

function handshake(request) {
  const url = new URL(request.url);
  const headers = new Headers(request.headers);
  prepareForOrigin(headers, url);
  const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
  let head = `GET ${url.pathname}${url.search} HTTP/1.1\r\n`;
  const own = { host: url.host, connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": key };
  for (const [name, value] of Object.entries(own)) headers.set(name, value);
  headers.delete("sec-websocket-extensions");
  for (const [name, value] of headers) head += `${name}: ${value}\r\n`;
  return encoder.encode(`${head}\r\n`);
}

/** Returns the bytes after the head of the response. */
async function switched(reader) {
  let bytes = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the origin closed the connection");
    bytes = joined(bytes, value);
    const head = new TextDecoder("latin1").decode(bytes);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) continue;
    if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(head);
    return bytes.subarray(end + 4);
  }
}

async function receive(rest, reader, near) {
  let bytes = rest;
  for (;;) {
    bytes = bytes.subarray(deliver(bytes, near));
    const { done, value } = await reader.read();
    if (done) return near.close();
    bytes = bytes.length ? joined(bytes, value) : value;
  }
}

/** Forwards every complete frame, and returns their length in bytes. */
function deliver(bytes, near) {
  let at = 0;
  for (;;) {
    const left = bytes.length - at;
    if (left < 2) return at;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, left);
    const short = bytes[at + 1] & 127;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (left < head) return at;
    const length = short < 126 ? short : short === 126 ? view.getUint16(2) : Number(view.getBigUint64(2));
    if (left < head + length) return at;
    const payload = bytes.subarray(at + head, at + head + length);
    const opcode = bytes[at] & 15;
    if (opcode === text) near.send(decoder.decode(payload));
    else if (opcode === binary) near.send(payload);
    else if (opcode === close) near.close();
    at += head + length;
  }
}

/** Returns one masked frame. */
function frame(opcode, payload) {
  const { length } = payload;
  const head = length < 126 ? 2 : length < 65536 ? 4 : 10;
  const bytes = new Uint8Array(head + 4 + length);
  bytes[0] = 128 | opcode;
  bytes[1] = 128 | (length < 126 ? length : length < 65536 ? 126 : 127);
  if (head === 4) new DataView(bytes.buffer).setUint16(2, length);
  if (head === 10) new DataView(bytes.buffer).setBigUint64(2, BigInt(length));
  const mask = crypto.getRandomValues(bytes.subarray(head, head + 4));
  for (let at = 0; at < length; at++) bytes[head + 4 + at] = payload[at] ^ mask[at & 3];
  return bytes;
}

function joined(first, second) {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}
