import http from "node:http";
import type { Pairs } from "./worker.ts";

/** An answer as it came over the connection. */
export interface RawResponse {
  /** 0 if the connection broke off before. */
  status: number;
  reason: string;
  headers: Pairs;
  body: Buffer;
  /** Whether it ended as its framing says; otherwise it broke off. */
  complete: boolean;
}

/** Sends a request with path and headers exactly as given, and keeps what comes back, be it whole or not. */
export function exchange(url: string, path: string, options: http.RequestOptions & { body?: Buffer } = {}): Promise<RawResponse> {
  const { body, ...rest } = options;
  return new Promise((resolve) => {
    const request = http.request(url, { path, agent: false, maxHeaderSize: 128 * 1024, ...rest }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", () => {});
      response.on("close", () =>
        resolve({
          status: response.statusCode ?? 0,
          reason: response.statusMessage ?? "",
          headers: pairs(response.rawHeaders),
          body: Buffer.concat(chunks),
          complete: response.complete,
        }),
      );
    });
    request.on("error", () => resolve({ status: 0, reason: "", headers: [], body: Buffer.alloc(0), complete: false }));
    request.end(body);
  });
}

/** The values of a header, each by itself. */
export function values({ headers }: RawResponse, wanted: string): string[] {
  return headers.filter(([name]) => name === wanted).map(([, value]) => value);
}

function pairs(raw: string[]): Pairs {
  return raw.flatMap((name, at): Pairs => (at % 2 ? [] : [[name.toLowerCase(), raw[at + 1] ?? ""]]));
}
