// The built Worker in the real runtime, for tests that are not written in JavaScript. Its variables come as a line of
// JSON; its address goes out as a line. It ends with its input.

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
