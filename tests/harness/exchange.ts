import http from "node:http";
import type { Pairs } from "./worker.ts";

/** A response as received over the connection. */
export interface RawResponse {
  /** 0 means that the connection ended before the head. */
  status: number;
  reason: string;
  headers: Pairs;
  body: Buffer;
  /** Whether the body ended as its framing requires; otherwise it is truncated. */
  complete: boolean;
}

/**
 * Sends a request with path and headers exactly as given; returns the response even if truncated.
 */
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

/** Returns the separate values of a header. */
export function values({ headers }: RawResponse, wanted: string): string[] {
  return headers.filter(([name]) => name === wanted).map(([, value]) => value);
}

function pairs(raw: string[]): Pairs {
  return raw.flatMap((name, at): Pairs => (at % 2 ? [] : [[name.toLowerCase(), raw[at + 1] ?? ""]]));
}
