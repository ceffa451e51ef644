// Runs the built Worker in the real runtime for tests in other languages. Reads its variables as a
// line of JSON, prints its URL as a line, and ends when its input ends.

import { once } from "node:events";
import { createInterface } from "node:readline";
import { Worker } from "../harness/worker.ts";

const input = createInterface({ input: process.stdin });
const ended = once(input, "close");
const [variables] = (await once(input, "line")) as [string];
const worker = await Worker.start({ variables: JSON.parse(variables) as Record<string, unknown> });
console.log(worker.url);
await ended;
await worker.stop();
