import { setTimeout as pause } from "node:timers/promises";
import { Emulator, instancePort } from "../tests/harness/emulator.ts";
import { adminToken } from "../tests/harness/worker.ts";
import { atMost, type Row, row } from "./rows.ts";
import { mebibyte } from "./site.ts";
import { baseline, counts, countedVmproxy, Workerd } from "./workerd.ts";

const pages = 1000;
/** How long their cost is watched. */
const watched = 10;

/** What a thousand open waiting pages cost a VM's object, and how soon they go on once the VM is ready. */
export async function waitingPages(): Promise<Row[]> {
  const cloud = await Emulator.start({ provision_ms: 50, stage_ms: 50, boot_ms: (watched + 20) * 1000 });
  const vm = { path: "/", health_path: "/healthz", port: instancePort, cold_start: "page", on_idle: "never", instance: { name: "backend", zone: "us-central1-a" } };
  const variables = { VMS: [vm], COMPUTE_ENDPOINT: cloud.computeEndpoint, GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify(await cloud.keyFile()), ADMIN_TOKEN: adminToken };
  const worker = await Workerd.start(countedVmproxy(variables));
  try {
    // The start is under way, and what it needs is loaded.
    await fetch(`${worker.url}/`);
    await fetch(`${worker.url}/_vmproxy/wait/backend`);
    const before = { memory: worker.memory, ...(await counts(worker)) };

    const streams = await openAll(worker);
    const opened = await counts(worker);
    await pause(watched * 1000);
    const after = { memory: worker.memory, ...(await counts(worker)) };
    const requests = (after.calls - opened.calls) / watched;
    const growth = (after.memory - before.memory) / mebibyte;

    const told = await Promise.all(streams.map(untilRunning));
    const { since } = await status(worker);
    const slowest = Math.max(...told) - Date.parse(since);
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

/** What as many open streams cost a Worker alone, in MiB: what is more than that, they cost because of the object. */
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

/** The stream that a waiting page opens, after its first event. */
async function open(worker: Workerd): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const response = await fetch(`${worker.url}/_vmproxy/wait/backend`, { headers: { accept: "text/event-stream" } });
  const reader = response.body!.getReader();
  await reader.read();
  return reader;
}

/** When the stream said that the VM is ready. */
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
