import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { Miniflare } from "miniflare";
import { Emulator, instancePort, selfSignedToken } from "../tests/harness/emulator.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { root } from "../tests/harness/root.ts";
import { adminToken, Worker } from "../tests/harness/worker.ts";
import { atMost, percentile, type Row, row } from "./rows.ts";

const starts = 100;
const held = 1000;

/** Measures the time from the moment the VM's server listens to a held request's response. */
export async function coldStarts(): Promise<Row[]> {
  const cloud = await Emulator.start({ provision_ms: 50, stage_ms: 50, stop_ms: 20 });
  const worker = await Worker.start({ variables: await variables(cloud) });
  const port = await freePort();
  const pushed = await Worker.start({ variables: await variables(cloud, "pushing", `http://127.0.0.1:${port}`), port });
  const frequent = await pollingWorker(cloud, "every-300-ms", 300);
  const seldom = await pollingWorker(cloud, "every-2-s", 2000);
  try {
    const [ours, announced, often, rarely] = [[] as number[], [] as number[], [] as number[], [] as number[]];
    for (let round = 0; round < starts; round++) {
      ours.push(await readyToFirstByte(cloud, "backend", worker.url, worker));
      announced.push(await readyToFirstByte(cloud, "pushing", pushed.url, pushed));
      often.push(await readyToFirstByte(cloud, "every-300-ms", frequent.url));
      if (round % 4 === 0) rarely.push(await readyToFirstByte(cloud, "every-2-s", seldom.url));
      if (process.stdout.isTTY) process.stdout.write(`\rcold starts: ${round + 1} of ${starts}`);
    }
    console.log(`\npolled every 300 ms: p50 ${percentile(often, 0.5).toFixed(0)} ms, p99 ${percentile(often, 0.99).toFixed(0)} ms; every 2 s: p50 ${percentile(rarely, 0.5).toFixed(0)} ms`);
    const [p50, p99] = [percentile(ours, 0.5), percentile(ours, 0.99)];
    const [pushedP50, pushedP99] = [percentile(announced, 0.5), percentile(announced, 0.99)];
    return [
      row("ready_to_first_byte_p50", p50, "ms", atMost(p50, 75, "ms"), percentile(often, 0.5)),
      row("ready_to_first_byte_p99", p99, "ms", atMost(p99, 250, "ms"), percentile(often, 0.99)),
      row("ready_push_to_first_byte_p50", pushedP50, "ms", atMost(pushedP50, 30, "ms"), p50),
      row("ready_push_to_first_byte_p99", pushedP99, "ms", atMost(pushedP99, 250, "ms"), p99),
      ...(await manyHeld(cloud, worker)),
    ];
  } finally {
    await Promise.all([worker.stop(), pushed.stop(), frequent.miniflare.dispose(), seldom.miniflare.dispose()]);
    await cloud.stop();
  }
}

/** Measures a thousand requests held for one VM. */
async function manyHeld(cloud: Emulator, worker: Worker): Promise<Row[]> {
  await remove(cloud, "backend", worker);
  const before = (await cloud.calls())["instances.insert"] ?? 0;
  await cloud.timing({ boot_ms: 3000 });
  const responses = await Promise.all(
    Array.from({ length: held }, async (_, number) => {
      const response = await worker.fetch(`/echo?${number}`);
      const at = clock();
      const { url } = (await response.json()) as { url: string };
      return { at, right: response.status === 200 && url === `/echo?${number}` };
    }),
  );
  const ready = await listeningSince(cloud, "backend");
  const inserts = ((await cloud.calls())["instances.insert"] ?? 0) - before;
  const right = responses.filter((response) => response.right).length;
  const extra = percentile(responses.map(({ at }) => at - ready), 0.99);
  return [
    row("held_requests_starts", inserts, "starts", { text: "1 start", met: inserts === 1 }),
    row("held_requests_answered", right, "responses", { text: `${held} correct responses`, met: right === held }),
    row("held_requests_wait_p99", extra, "ms", atMost(extra, 1000, "ms")),
  ];
}

/**
 * Returns the time from the moment the VM's server listens to the client's first byte, in
 * milliseconds.
 */
async function readyToFirstByte(cloud: Emulator, name: string, url: string, worker?: Worker): Promise<number> {
  await remove(cloud, name, worker);
  // The boot time varies, so that no polling interval is in step with it.
  await cloud.timing({ boot_ms: 200 + Math.floor(Math.random() * 1000) });
  const response = await fetch(`${url}/status/200`);
  const at = clock();
  if (!response.ok) throw new Error(`${name} responded with ${response.status}`);
  return at - (await listeningSince(cloud, name));
}

async function remove(cloud: Emulator, name: string, worker?: Worker): Promise<void> {
  if (!(await cloud.instance(name))) return;
  if (worker) await worker.admin("POST", `vms/${name}/delete`);
  else await cloud.call("DELETE", `zones/us-central1-a/instances/${name}`);
  await cloud.untilGone(name);
  if (worker) await worker.untilVm("absent", name);
}

async function listeningSince(cloud: Emulator, name: string): Promise<number> {
  const since = await eventually("the VM's server listens", async () => (await cloud.instance(name))?.listening_since ?? undefined);
  return Date.parse(since);
}

async function pollingWorker(cloud: Emulator, name: string, interval: number) {
  const key = await cloud.keyFile();
  const text = { COMPUTE_ENDPOINT: cloud.computeEndpoint, PROJECT: key.project_id, TOKEN: selfSignedToken(key, 3600), NAME: name, PORT: String(instancePort), POLL_MS: String(interval) };
  const miniflare = new Miniflare({
    cf: false,
    telemetry: { enabled: false },
    enableDevRegistry: false,
    workers: [
      {
        config: {
          name,
          compatibilityDate: "2026-11-01",
          manifest: { mainModule: "polling.js", modules: { "polling.js": { type: "esm", contents: readFileSync(join(root, "bench", "workers", "polling.js"), "utf8") } } },
          env: Object.fromEntries(Object.entries(text).map(([variable, value]) => [variable, { type: "text", value }])),
          exports: {},
        },
      },
    ],
  });
  return { miniflare, url: (await miniflare.ready).origin };
}

async function variables(cloud: Emulator, name = "backend", ready_push?: string) {
  const instance = { name, zone: "us-central1-a" };
  const vm = { path: "/", health_path: "/healthz", port: instancePort, on_idle: "never", ...(ready_push ? { ready_push } : {}), instance };
  return { VMS: [vm], COMPUTE_ENDPOINT: cloud.computeEndpoint, GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify(await cloud.keyFile()), ADMIN_TOKEN: adminToken };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

function clock(): number {
  return performance.timeOrigin + performance.now();
}
