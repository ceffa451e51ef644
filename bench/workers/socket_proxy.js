// HTTP/1.1 over a TCP socket, written by hand: one connection per request, bodies piped by the
// runtime.

import { connect } from "cloudflare:sockets";
import { isForClient, prepareForOrigin } from "headers.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

export default {
  async fetch(request, env, ctx) {
    const socket = connect(env.ADDRESS);
    const writer = socket.writable.getWriter();
    await writer.write(requestHead(request));
    writer.releaseLock();
    if (request.body) ctx.waitUntil(request.body.pipeTo(socket.writable, { preventClose: true }));

    const { status, statusText, headers, rest } = await responseHead(socket.readable);
    const init = { status, statusText, headers, encodeBody: "manual" };
    const length = Number(headers.get("content-length"));
    if (rest.length === length) {
      ctx.waitUntil(socket.close());
      return new Response(rest, init);
    }
    const { readable, writable } = new FixedLengthStream(length);
    ctx.waitUntil(download(rest, socket, writable));
    return new Response(readable, init);
  },
};

function requestHead(request) {
  const url = new URL(request.url);
  const headers = new Headers(request.headers);
  prepareForOrigin(headers, url);
  headers.set("host", url.host);
  headers.set("connection", "close");
  let head = `${request.method} ${url.pathname}${url.search} HTTP/1.1\r\n`;
  for (const [name, value] of headers) head += `${name}: ${value}\r\n`;
  return encoder.encode(`${head}\r\n`);
}

async function responseHead(readable) {
  const reader = readable.getReader();
  let bytes = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the origin closed the connection in the head of a response");
    bytes = bytes.length ? joined(bytes, value) : value;
    // Latin-1: one character per byte, so that indexes into the text and the bytes agree.
    const text = decoder.decode(bytes);
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    reader.releaseLock();
    const [first, ...lines] = text.slice(0, end).split("\r\n");
    const [, status, statusText] = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(first);
    const headers = new Headers();
    for (const line of lines) {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      if (isForClient(name)) headers.append(name, line.slice(colon + 1).trim());
    }
    return { status: Number(status), statusText, headers, rest: bytes.subarray(end + 4) };
  }
}

function joined(first, second) {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

async function download(rest, socket, writable) {
  const writer = writable.getWriter();
  await writer.write(rest);
  writer.releaseLock();
  await socket.readable.pipeTo(writable);
}
