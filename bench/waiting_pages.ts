import { setTimeout as pause } from "node:timers/promises";
import { Emulator, instancePort } from "../tests/harness/emulator.ts";
import { adminToken } from "../tests/harness/worker.ts";
import { atMost, type Row, row } from "./rows.ts";
import { mebibyte } from "./site.ts";
import { baseline, counts, countedVmproxy, Workerd } from "./workerd.ts";

const pages = 1000;
/** The duration of the measurement. */
const watched = 10;

/**
 * Measures the cost of a thousand open waiting pages to a VM's object, and the delay of their last
 * event.
 */
export async function waitingPages(): Promise<Row[]> {
  const cloud = await Emulator.start({ provision_ms: 50, stage_ms: 50, boot_ms: (watched + 20) * 1000 });
  const vm = { path: "/", health_path: "/healthz", port: instancePort, cold_start: "page", on_idle: "never", instance: { name: "backend", zone: "us-central1-a" } };
  const variables = { VMS: [vm], COMPUTE_ENDPOINT: cloud.computeEndpoint, GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify(await cloud.keyFile()), ADMIN_TOKEN: adminToken };
  const worker = await Workerd.start(countedVmproxy(variables));
  try {
    // The start is in progress, and its code is loaded.
    await fetch(`${worker.url}/`);
    await fetch(`${worker.url}/_vmproxy/wait/backend`);
    const before = { memory: worker.memory, ...(await counts(worker)) };

    const streams = await openAll(worker);
    const opened = await counts(worker);
    await pause(watched * 1000);
    const after = { memory: worker.memory, ...(await counts(worker)) };
    const requests = (after.calls - opened.calls) / watched;
    const growth = (after.memory - before.memory) / mebibyte;

    const readyAt = await Promise.all(streams.map(untilRunning));
    const { since } = await status(worker);
    const slowest = Math.max(...readyAt) - Date.parse(since);
    console.log(`${pages} waiting pages: ${opened.calls - before.calls} connections, then ${after.calls - opened.calls} requests in ${watched} s`);
    const bare = await bareGrowth();
    return [
      row("waiting_page_moves_on", slowest, "ms", atMost(slowest, 500, "ms")),
      row("waiting_pages_requests", requests, "requests/s", atMost(requests, 2, "requests/s")),
      row("waiting_pages_memory", growth, "MiB", { text: "at most 64 MiB above the baseline", met: growth - bare <= 64 }, bare),
    ];
  } finally {
    await worker.stop();
    await cloud.stop();
  }
}

/**
 * Returns the memory that as many streams take of a Worker alone, in MiB: the excess is the
 * object's.
 */
async function bareGrowth(): Promise<number> {
  const worker = await Workerd.start(baseline("open_stream.js", {}));
  try {
    await open(worker);
    const before = worker.memory;
    await openAll(worker);
    return (worker.memory - before) / mebibyte;
  } finally {
    await worker.stop();
  }
}

function openAll(worker: Workerd) {
  return Promise.all(Array.from({ length: pages }, () => open(worker)));
}

/** Opens the stream of a waiting page, and reads its first event. */
async function open(worker: Workerd): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const response = await fetch(`${worker.url}/_vmproxy/wait/backend`, { headers: { accept: "text/event-stream" } });
  const reader = response.body!.getReader();
  await reader.read();
  return reader;
}

/** Returns the time at which the stream reported the VM as ready. */
async function untilRunning(stream: ReadableStreamDefaultReader<Uint8Array>): Promise<number> {
  for (;;) {
    const { value, done } = await stream.read();
    const at = performance.timeOrigin + performance.now();
    if (done) throw new Error("a stream ended before the VM was ready");
    if (new TextDecoder().decode(value).includes('"state":"running"')) return at;
  }
}

async function status(worker: Workerd): Promise<{ since: string }> {
  const response = await fetch(`${worker.url}/_vmproxy/vms/backend`, { headers: { authorization: `Bearer ${adminToken}` } });
  return (await response.json()) as { since: string };
}
