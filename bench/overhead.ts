import { setTimeout as pause } from "node:timers/promises";
import { applyChanges, instanceResource } from "../tests/harness/external-changes.ts";
import { Emulator, instancePort, signed } from "../tests/harness/emulator.ts";
import { Worker } from "../tests/harness/worker.ts";
import { interleaved } from "./rounds.ts";
import { atMostOf, compared, type Row } from "./rows.ts";

const rounds = 9;
/** The delay of each call of Compute Engine and its token server. */
const latency = 500;
/** The emulator's own defaults. */
const phases = { provision_ms: 500, stage_ms: 500, boot_ms: 2000 };
const zone = "zones/us-central1-a";

/** Measures a cold start beside the minimum: its own calls and the boot. */
export async function overhead(): Promise<Row[]> {
  const cloud = await Emulator.start(phases);
  try {
    await cloud.fault({ method: "*", delay_ms: latency, times: 1_000_000 });
    return [await from("absent", cloud), await from("stopped", cloud)];
  } finally {
    await cloud.stop();
  }
}

async function from(state: "absent" | "stopped", cloud: Emulator): Promise<Row> {
  const made = { vmproxy: new Set<string>(), bare: new Set<string>() };
  const measured = (who: keyof typeof made, start: () => Promise<number>) => {
    let round = 0;
    return async () => {
      await bring(cloud, state);
      // The boot time varies, equally for both, so that no polling interval is in step with it.
      await cloud.timing({ ...phases, boot_ms: phases.boot_ms + 11 * round++ });
      const before = await cloud.calls();
      const took = await start();
      made[who].add(since(before, await cloud.calls()));
      return took;
    };
  };
  const { vmproxy, bare } = await interleaved(`cold starts from ${state}`, rounds, {
    vmproxy: measured("vmproxy", () => byWorker(cloud)),
    bare: measured("bare", () => byCalls(cloud, state)),
  });
  const calls = [...new Set([...made.vmproxy, ...made.bare])];
  if (calls.length > 1) throw new Error(`other calls are compared than the same: ${calls.join("; ")}`);
  console.log(`${calls[0]}: vmproxy takes ${vmproxy.map(Math.round).join(" ")} ms, by themselves ${bare.map(Math.round).join(" ")} ms`);
  return compared(`cold_start_overhead_${state}`, "ms", vmproxy, bare, atMostOf(1.05));
}

/** Returns the time from request to response, with a new object and no token. */
async function byWorker(cloud: Emulator): Promise<number> {
  const worker = await Worker.start({ variables: await variables(cloud) });
  try {
    // The start of an isolate is measured separately (`isolate_start_ms`).
    await worker.fetch("/_vmproxy/healthz");
    const began = performance.now();
    const response = await worker.fetch("/status/200");
    const took = performance.now() - began;
    if (!response.ok) throw new Error(`vmproxy responded with ${response.status}`);
    return took;
  } finally {
    await worker.stop();
  }
}

/**
 * Makes the same calls, each as soon as the previous one has ended, and then polls the health path.
 */
async function byCalls(cloud: Emulator, state: "absent" | "stopped"): Promise<number> {
  const key = await cloud.keyFile();
  const began = performance.now();
  const form = { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion: signed(key, 3600, { aud: key.token_uri }) };
  const granted = await fetch(key.token_uri, { method: "POST", body: new URLSearchParams(form) });
  const { access_token: token } = (await granted.json()) as { access_token: string };
  const call = async (method: string, path: string, body?: unknown) => {
    const url = `${cloud.computeEndpoint}/projects/${key.project_id}/${zone}/${path}`;
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(url, { method, headers: { authorization: `Bearer ${token}` }, ...json });
    return (await response.json()) as Record<string, any>;
  };
  await call("GET", "instances/backend");
  const operation = await (state === "absent" ? call("POST", "instances", instanceResource()) : call("POST", "instances/backend/start"));
  await call("POST", `operations/${operation.name}/wait`);
  const { networkInterfaces } = await call("GET", "instances/backend");
  const server = `http://${networkInterfaces[0].accessConfigs[0].natIP}:${instancePort}/healthz`;
  while (!(await fetch(server).then(({ ok }) => ok, () => false))) await pause(5);
  return performance.now() - began;
}

async function bring(cloud: Emulator, state: "absent" | "stopped"): Promise<void> {
  const there = (await cloud.instance()) !== undefined;
  if (state === "absent" && there) await applyChanges(cloud, ["delete"], "gone");
  if (state === "stopped") await applyChanges(cloud, there ? ["stop"] : ["insert", "stop"], "TERMINATED");
}

function since(before: Record<string, number>, after: Record<string, number>): string {
  const more = Object.entries(after).map(([method, times]) => [method, times - (before[method] ?? 0)] as const);
  return more.flatMap(([method, times]) => (times > 0 ? [`${times} ${method}`] : [])).sort().join(", ");
}

async function variables(cloud: Emulator) {
  const vm = { path: "/", health_path: "/healthz", port: instancePort, on_idle: "never", instance: { name: "backend", zone: "us-central1-a" } };
  return { VMS: [vm], COMPUTE_ENDPOINT: cloud.computeEndpoint, GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify(await cloud.keyFile()) };
}
