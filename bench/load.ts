import { connect } from "node:net";
import { output } from "./process.ts";
import { mebibyte } from "./site.ts";

const connections = 32;

/** The headers of a browser, and those that Cloudflare adds. */
const headers = [
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "Accept-Encoding: gzip, br",
  "Accept-Language: en-GB,en;q=0.8",
  "CF-Connecting-IP: 198.51.100.4",
  "CF-IPCountry: GB",
  'CF-Ray: 8f2a3c4d5e6f7a8b-LHR',
  'CF-Visitor: {"scheme":"https"}',
  "Cookie: session=0123456789abcdef0123456789abcdef",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0",
  "X-Forwarded-For: 198.51.100.4",
  "X-Forwarded-Proto: https",
];

export interface Rate {
  /** Requests per second. */
  rps: number;
  /** The 99th percentile of the response time, in milliseconds. */
  p99: number;
}

/**
 * Sends requests as fast as responses come, for this many seconds; fails at the first bad response.
 */
export async function requests(url: string, seconds: number): Promise<Rate> {
  const printed = await wrk([`--duration=${seconds}s`, "--latency", url]);
  return { rps: Number(found(printed, /Requests\/sec:\s+([\d.]+)/)[1]), p99: milliseconds(found(printed, /99%\s+([\d.]+)(us|ms|s)/)) };
}

/** Sends requests until there are at least this many responses; returns their number. */
export async function requestsInAll(url: string, count: number): Promise<number> {
  let total = 0;
  while (total < count) total += Number(found(await wrk(["--duration=2s", url]), /(\d+) requests in/)[1]);
  return total;
}

async function wrk(args: string[]): Promise<string> {
  const fields = headers.map((header) => `--header=${header}`);
  const printed = await output("wrk", ["--threads=1", `--connections=${connections}`, ...fields, ...args]);
  const wrong = /Non-2xx.*|Socket errors.*/.exec(printed)?.[0];
  if (wrong) throw new Error(`${args.join(" ")}: ${wrong}`);
  return printed;
}

function milliseconds([, value, unit]: RegExpExecArray): number {
  return Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit as "us" | "ms" | "s"];
}

function found(text: string, pattern: RegExp): RegExpExecArray {
  const match = pattern.exec(text);
  if (!match) throw new Error(`wrk printed\n${text}`);
  return match;
}

/** Downloads a large response; returns the rate in MiB/s. */
export async function download(url: string): Promise<number> {
  const begun = performance.now();
  const length = await exchange(url, "GET");
  return speed(length, begun);
}

const large = Buffer.alloc(100 * mebibyte, "x");

/** Uploads a large body; returns the rate in MiB/s. */
export async function upload(url: string): Promise<number> {
  const begun = performance.now();
  await exchange(url, "POST", large);
  return speed(large.length, begun);
}

function speed(bytes: number, begun: number): number {
  return (bytes / mebibyte / (performance.now() - begun)) * 1000;
}

/** Sends one request on a new connection; returns the length of the response's body. */
function exchange(url: string, method: string, body?: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const { hostname, port, host, pathname } = new URL(url);
    let head = "";
    let left: number | undefined;
    let length = 0;
    const read = (size: number, chunk: Uint8Array) => {
      if (left === undefined) {
        head += Buffer.from(chunk.buffer, chunk.byteOffset, size).toString("latin1");
        const end = head.indexOf("\r\n\r\n");
        if (end < 0) return true;
        const [, status] = /^HTTP\/1\.1 (\d+)/.exec(head) ?? [];
        if (!status?.startsWith("2")) throw new Error(`${url} responded with ${head}`);
        length = status === "204" ? 0 : Number(/^content-length: (\d+)/im.exec(head.slice(0, end))?.[1]);
        if (Number.isNaN(length)) throw new Error(`${url}: a response without Content-Length`);
        left = length - (head.length - end - 4);
      } else left -= size;
      if (left <= 0) {
        socket.destroy();
        resolve(length);
      }
      return true;
    };
    // One read buffer, so that the client costs as little as possible.
    const socket = connect({ host: hostname, port: Number(port), onread: { buffer: Buffer.alloc(256 * 1024), callback: read } });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`${url}: the connection was closed before the end of the response`)));
    const framing = body ? `content-length: ${body.length}\r\n` : "";
    socket.write(`${method} ${pathname} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n${framing}\r\n`);
    if (body) socket.write(body);
  });
}
