import { createHash } from "node:crypto";
import { expect } from "vitest";
import type { Pairs } from "./worker.ts";

/** A request as the server received it. */
export interface Echo {
  method: string;
  url: string;
  headers: Pairs;
  body_base64: string;
}

export async function echo(response: Response): Promise<Echo & { body: Buffer }> {
  expect(response.status).toBe(200);
  return await read(response);
}

export async function read(response: Response): Promise<Echo & { body: Buffer }> {
  const seen = (await response.json()) as Echo;
  return { ...seen, body: Buffer.from(seen.body_base64, "base64") };
}

/** Reads a body until there is enough of it, then cancels it. */
export async function take(response: Response, isEnough: (text: string) => boolean): Promise<string> {
  let text = "";
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (isEnough(text)) break;
  }
  return text;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
