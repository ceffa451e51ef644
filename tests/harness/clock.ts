import { expect } from "vitest";
import type { Worker } from "./worker.ts";

/** A main module around the built Worker with a movable clock, except in the object's alarm. */
export const withMovableClock = `
import built from "./index.js";
export * from "./index.js";

const realTime = Date.now.bind(Date);
let ahead = 0;
Date.now = () => realTime() + ahead;

export default {
  ...built,
  fetch(request, env, ctx) {
    const time = request.headers.get("x-clock");
    if (time === null) return built.fetch(request, env, ctx);
    ahead = Date.parse(time) - realTime();
    return new Response();
  },
};
`;

export async function moveClock(worker: Worker, time: string): Promise<void> {
  expect((await worker.fetch("/", { headers: { "x-clock": time } })).status).toBe(200);
}
